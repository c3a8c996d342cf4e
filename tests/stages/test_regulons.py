"""Regulons of simulated cells with planted ones, and with chromatin or rankings made for them."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather
from scipy import sparse

from helpers.compute.regulons import rate_links
from helpers.errors import NotPossibleError
from helpers.io.objects import read_object, write_object
from helpers.io.reference import GENES as GENES_FILE
from helpers.io.reference import read_genes
from helpers.io.tables import read_table, write_json
from helpers.io.tenx import read_rna
from helpers.params import RegulonParams, load_params, marker_file, subset
from helpers.stages.regulons import (
    Evidence,
    draw_cells,
    prune_modules,
    run_regulons,
    stage_regulons,
)
from helpers.stages.task import Task
from helpers.synth.programmes import REGULONS

pytestmark = pytest.mark.xdist_group("regulons")  # what they share is made once
OUTPUTS = ("links.csv", "modules.csv", "regulons.csv", "support.csv", "activity.h5ad")
SMALL = {"cells_per_type": 150, "n_variable_genes": 250, "learning_rate": 0.05, "max_rounds": 200}


def make_params(**changes: object) -> RegulonParams:
    values = subset(load_params("regulons"), RegulonParams)
    return RegulonParams.model_validate(values | SMALL | changes)


@pytest.fixture(scope="module")
def made(annotated: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The stage's results, cells without chromatin."""
    folder = tmp_path_factory.mktemp("regulons")
    outputs = [folder / name for name in OUTPUTS]
    stage_regulons(
        annotated, marker_file("factors.tsv"), *outputs, evidence=Evidence(), params=make_params()
    )
    return outputs


def test_draw_cells__takes_the_same_number_of_every_type():
    types = pd.Series(["a"] * 50 + ["b"] * 3, index=range(100, 153))
    drawn = draw_cells(types, n_per_type=10, seed=0)
    assert types.iloc[drawn].value_counts().to_dict() == {"a": 10, "b": 3}
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert drawn.tolist() == draw_cells(types, n_per_type=10, seed=0).tolist()


def test_stage_regulons__ranks_planted_targets_far_above_chance(made: list[Path]):
    """Bar: three times the area under the precision-recall curve of a random order."""
    planted = [(factor, gene) for factor, names in REGULONS.items() for gene in names.split()]
    links = read_table(made[0])
    truth = pd.DataFrame(planted, columns=["tf", "target"])
    rated = rate_links(links, truth[truth["tf"].isin(links["tf"])]).set_index("tf")
    assert {"EBF1", "GATA2"} <= set(rated.index)
    assert rated.loc["all", "ratio"] >= 3
    assert rated.loc[["EBF1", "GATA2"], "ratio"].min() >= 3


def test_stage_regulons__without_chromatin_keeps_top_targets_and_says_so(made: list[Path]):
    regulons, modules = read_table(made[2]), read_table(made[1])
    assert not regulons["pruned"].any()
    assert regulons.groupby("tf").size().max() <= 50
    assert (regulons["rho"] > 0.03).all()
    assert modules.groupby(["tf", "module"]).size().min() >= 20
    assert read_table(made[3]).empty


def test_stage_regulons__scores_all_cells_and_activity_tells_the_types_apart(
    made: list[Path], annotated: Path
):
    activity, cells = read_object(made[4]), read_object(annotated)
    assert activity.obs_names.tolist() == cells.obs_names.tolist()
    assert activity.obs.columns.tolist() == ["sample", "barcode", "group", "cell_type"]
    table = activity.to_df()
    assert ((table >= 0) & (table <= 1)).all(axis=None)
    is_pro_b = (activity.obs["cell_type"] == "Pro-B").to_numpy()
    assert table.loc[is_pro_b, "EBF1"].mean() > 1.5 * table.loc[~is_pro_b, "EBF1"].mean()
    assert (activity.var["n_targets"] >= 10).all()


def test_stage_regulons__says_what_to_lower_where_no_regulon_is_large_enough(
    annotated: Path, tmp_path: Path
):
    outputs = [tmp_path / name for name in OUTPUTS]
    params = make_params(n_variable_genes=50, max_rounds=25, min_regulon=1000)
    with pytest.raises(NotPossibleError, match="has 1000 targets; lower min_regulon"):
        stage_regulons(
            annotated, marker_file("factors.tsv"), *outputs, evidence=Evidence(), params=params
        )


GENES = read_genes().query("biotype == 'protein_coding' and strand == '-'")
MINUS = GENES[~GENES["chrom"].duplicated()].head(12).reset_index(drop=True)


def make_modules() -> pd.DataFrame:
    """Twelve genes of the minus strand as targets of three factors."""
    pairs = [(factor, gene) for factor in ("EBF1", "FOS", "XIST") for gene in MINUS["gene"]]
    table = pd.DataFrame(pairs, columns=["tf", "target"])
    return table.assign(module="top 50 targets", importance=1.0, rho=0.5)


def make_chromatin(folder: Path) -> Evidence:
    """A peak at the start of each gene, the first six with EBF1's motif, the last with FOS::JUN's."""
    peaks = pd.DataFrame(
        {"chrom": MINUS["chrom"], "start": MINUS["end"] - 100, "end": MINUS["end"]}
    )
    names = peaks["chrom"] + ":" + peaks["start"].astype(str) + "-" + peaks["end"].astype(str)
    peaks.index = pd.Index(names)
    write_object(ad.AnnData(sparse.csr_matrix((3, 12)), var=peaks), folder / "atac.h5ad")
    matches = np.zeros((12, 2))
    matches[:6, 0] = 1
    matches[11, 1] = 1
    motifs = pd.DataFrame({"tf": ["EBF1", "FOS::JUN"]}, index=["MA0154.1", "MA0099.1"])
    # in another order than the peaks of the cells
    table = ad.AnnData(sparse.csr_matrix(matches), obs=peaks[[]], var=motifs)[::-1].copy()
    write_object(table, folder / "motif_matches.h5ad")
    return Evidence(folder / "atac.h5ad", folder / "motif_matches.h5ad", GENES_FILE)


def test_prune_modules__keeps_targets_whose_peaks_hold_the_motif(tmp_path: Path):
    kept, rated = prune_modules(
        make_modules(),
        make_chromatin(tmp_path),
        make_params(link_distance_bp=0),
        min_importance=0.0,
    )
    pruned = kept[kept["pruned"]]
    assert set(pruned.loc[pruned["tf"] == "EBF1", "target"]) == set(MINUS["gene"][:6])
    assert pruned.loc[pruned["tf"] == "FOS", "target"].tolist() == [MINUS["gene"][11]]
    assert set(kept.loc[~kept["pruned"], "tf"]) == {"XIST"}  # no motif: not judged
    assert (~kept["pruned"]).sum() == 12
    assert set(rated["tf"]) == {"EBF1", "FOS"}


def test_prune_modules__uses_rankings_where_there_is_no_chromatin(tmp_path: Path):
    rng = np.random.default_rng(0)
    genes = [*MINUS["gene"], *[f"g{i}" for i in range(488)]]
    places = np.array([rng.permutation(500) for _ in range(40)])
    places[0] = np.concatenate([np.arange(12), 12 + rng.permutation(488)])
    columns = {gene: places[:, i].astype(np.int16) for i, gene in enumerate(genes)}
    feather.write_feather(
        pa.table(columns | {"motifs": [f"m{i}" for i in range(40)]}), str(tmp_path / "r.feather")
    )
    (tmp_path / "m.tbl").write_text("#motif_id\tgene_name\nm0\tEBF1\nm1\tFOS\n", encoding="utf-8")
    evidence = Evidence(rankings=tmp_path / "r.feather", motif_factors=tmp_path / "m.tbl")
    kept, rated = prune_modules(make_modules(), evidence, make_params(), min_importance=0.0)
    assert set(kept.loc[kept["pruned"], "tf"]) == {"EBF1"}
    assert set(kept.loc[kept["pruned"], "target"]) == set(MINUS["gene"])
    assert set(kept["tf"]) == {"EBF1", "XIST"}  # FOS has a motif, and it is not enriched
    assert rated.empty


def test_run_regulons__goes_without_chromatin_where_a_reason_stands_in_its_place(
    annotated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = {}
    monkeypatch.setattr(
        "helpers.stages.regulons.stage_regulons", lambda *paths, **named: seen.update(named)
    )
    write_json({"not_possible": "no peaks"}, tmp_path / "atac.h5ad")
    values = subset(load_params("regulons"), RegulonParams)
    for chromatin, expected in (
        ((tmp_path / "atac.h5ad", annotated), None),
        ((annotated, annotated), annotated),
        ((), None),
    ):
        outputs = tuple(tmp_path / name for name in OUTPUTS)
        data = {"factor_table": marker_file("factors.tsv")}
        run_regulons(Task((annotated, *chromatin), outputs, values, {}, data))
        assert seen["evidence"].peaks == expected
        assert seen["evidence"].matches == expected


@pytest.mark.slow
def test_stage_regulons__of_real_blood_are_active_where_their_factors_are_known_to_act(
    real_data: Path, tmp_path: Path
):
    """PBMC 3k: SPI1 in monocytes, TCF7L2 in non-classical ones, TBX21 and EOMES in NK and CD8 T."""
    folder = real_data / "cohorts/pbmc3k"
    adata = read_rna(folder / "pbmc3k/filtered_feature_bc_matrix.h5")
    labels = pd.read_csv(folder / "labels.csv.gz").set_index("barcode")["cell_type"]
    adata.obs["cell_type"] = labels.reindex(adata.obs_names).to_numpy()
    adata.obs["n_umis"] = np.asarray(adata.X.sum(axis=1)).ravel()
    adata.obs["barcode"] = adata.obs_names.to_numpy()
    adata.obs[["sample", "group"]] = "pbmc3k"
    write_object(adata, tmp_path / "rna.h5ad")
    outputs = [tmp_path / name for name in OUTPUTS]
    params = make_params(cells_per_type=100, n_variable_genes=1000, learning_rate=0.02)
    stage_regulons(
        tmp_path / "rna.h5ad",
        marker_file("factors.tsv"),
        *outputs,
        evidence=Evidence(),
        params=params,
    )
    activity = read_object(outputs[4])
    mean = activity.to_df().groupby(activity.obs["cell_type"].astype(str).to_numpy()).mean()
    assert set(mean["SPI1"].nlargest(2).index) == {"CD14+ Mono", "FCGR3A+ Mono"}
    assert mean["TCF7L2"].idxmax() == "FCGR3A+ Mono"
    assert mean["TCF4"].idxmax() == "B"
    assert mean["TBX21"].nlargest(2).index.tolist() == ["NK", "CD8 T"]
    assert mean["EOMES"].nlargest(2).index.tolist() == ["NK", "CD8 T"]
