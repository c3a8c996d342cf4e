"""The stage of signatures on simulated cells: planted shifts and dormant cells are found."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.compute.dormancy import rate_calls
from helpers.compute.signatures import rate_shifts
from helpers.errors import DataError, NotPossibleError
from helpers.io.objects import read_object
from helpers.io.tables import read_table
from helpers.params import ScoreParams, load_params, marker_file, subset
from helpers.schema import Contrast, Signature
from helpers.stages.signatures import _score_linear, list_units, stage_signatures
from helpers.synth.design import make_design
from helpers.synth.programmes import DORMANT, SIGNATURE_SHIFTS, levels

NAMES = ("s.h5ad", "coverage.csv", "samples.csv", "contrasts.csv", "frequency.csv")
NCR_CR = Contrast(test="NCR", reference="CR")


def score(annotated: Path, folder: Path, **changes: object) -> list[Path]:
    outputs = [folder / name for name in NAMES]
    params = ScoreParams.model_validate(
        subset(load_params("signatures"), ScoreParams) | {"n_random": 20, "n_draws": 40} | changes
    )
    stage_signatures(
        annotated, marker_file("signatures.yml"), *outputs, contrasts=[NCR_CR], params=params
    )
    return outputs


@pytest.fixture(scope="module")
def written(annotated: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return score(annotated, tmp_path_factory.mktemp("signatures"))


def planted() -> pd.DataFrame:
    rows = [
        (kind, name, gene, log2fc)
        for (kind, name), table in SIGNATURE_SHIFTS.items()
        for gene, log2fc in levels(table).items()
    ]
    table = pd.DataFrame(rows, columns=["cell_type", "signature", "gene", "log2fc"])
    return table.assign(direction=1)


@pytest.mark.slow
def test_stage_signatures__finds_planted_shifts_beyond_random_sets(written: list[Path]):
    table = read_table(written[3])
    found = rate_shifts(table, planted(), fdr=0.05)
    mine = found[found["method"].isin(["weighted z", "UCell"])]
    assert len(mine) == 2 * len(SIGNATURE_SHIFTS)
    assert mine["found"].all()
    assert (mine["null_pvalue"] <= 2 / 21).all()
    # AUCell looks at the highest twentieth of genes only, where few of these ever are.
    assert (found.query("method != 'AUCell'")["effect"] > 0).all()


@pytest.mark.slow
def test_stage_signatures__calls_dormant_cells(written: list[Path], annotated: Path):
    cells = read_object(written[0]).obs
    dormant = read_object(annotated).obs["dormant"].to_numpy()
    (row,) = rate_calls(dormant, cells, confidence=0.95).itertuples()
    assert row.n_planted > 30
    assert row.auroc > 0.9
    assert row.precision > 0.7
    by_sample = read_table(written[4]).groupby("group")[["n_called"]].sum()
    assert by_sample["n_called"].idxmax() == "NCR"


@pytest.mark.slow
def test_stage_signatures__tells_of_every_signature_what_was_missing(written: list[Path]):
    table = read_table(written[1]).set_index("signature")
    assert not table.loc["cytarabine_42_probes", "scored"]
    assert table.loc["cytarabine_42_probes", "reason"].startswith(
        "the sources at hand name no probe"
    )
    assert table.loc["ball_hsc_mpp_0", "coverage"] == 1.0
    scored = set(table.index[table["scored"]])
    assert (
        scored == set(read_table(written[2])["signature"]) == set(read_object(written[0]).var_names)
    )


@pytest.mark.slow
def test_stage_signatures__scores_by_sample_are_means_of_cells_and_of_sums(written: list[Path]):
    table, adata = read_table(written[2]), read_object(written[0])
    assert set(table["method"]) >= {"weighted z", "UCell", "AUCell", "ssGSEA", "GSVA"}
    mine = table.query("sample == 'NCR1' and cell_type == 'Pro-B' and signature == 'stemness'")
    cells = (adata.obs["sample"] == "NCR1") & (adata.obs["cell_type"] == "Pro-B")
    for method in ("weighted z", "UCell", "AUCell"):
        values = adata[cells.to_numpy(), "stemness"].layers[method]
        assert mine.set_index("method")["score"][method] == pytest.approx(values.mean(), rel=1e-4)
    whole = table.query("sample == 'NCR1' and cell_type == 'all cells' and signature == 'stemness'")
    values = adata[(adata.obs["sample"] == "NCR1").to_numpy(), "stemness"].X
    assert whole.set_index("method")["score"]["weighted z"] == pytest.approx(
        values.mean(), rel=1e-3
    )


def test_score_linear__is_of_whole_samples_and_of_scores_with_all_their_genes():
    counts = sparse.csr_matrix(np.array([[1, 3, 0], [1, 1, 2], [0, 5, 5]], dtype=np.float32))
    adata = ad.AnnData(counts, var=pd.DataFrame(index=["A", "B", "C"]))
    cells = pd.DataFrame({"sample": ["x", "x", "y"], "group": ["CR", "CR", "NCR"]})
    both = [
        Signature(name, name, "other", weights, linear=True, status="exact", source="")
        for name, weights in (("whole", {"A": 2.0, "C": -1.0}), ("part", {"A": 1.0, "Z": 1.0}))
    ]
    (table,) = _score_linear(adata, cells, both, {})
    # sums of x: 2, 4, 2 of 8; of y: 0, 5, 5 of 10
    expected = [np.log2(250_001), -np.log2(500_001)]
    np.testing.assert_allclose(table["score"], expected, rtol=1e-9)
    assert table["sample"].tolist() == ["x", "y"]
    assert set(table["signature"]) == {"whole"}
    assert table["n_cells"].tolist() == [2, 1]


def test_stage_signatures__is_skipped_where_nothing_can_be_scored(annotated: Path, tmp_path: Path):
    with pytest.raises(NotPossibleError, match="None of 26 signatures has enough measured genes"):
        score(annotated, tmp_path, min_coverage=1.0, min_genes=5000)


def test_stage_signatures__names_an_axis_it_cannot_measure(annotated: Path, tmp_path: Path):
    with pytest.raises(DataError, match="stemness: the registry has no signature stemmess"):
        score(annotated, tmp_path, stemness=["stemmess"])


def test_stage_signatures__scores_without_calls_where_an_axis_has_no_signature(
    annotated: Path, tmp_path: Path
):
    outputs = score(annotated, tmp_path, stemness=["xpo1_response"], n_random=10)
    table = read_object(outputs[0])
    assert table.uns["uncalled"] == ("stemness: none of xpo1_response can be scored in this cohort")
    assert set(table.obs["call"]) == {"other"}
    assert table.obs["probability"].isna().all()
    assert read_table(outputs[4]).empty


def test_list_units__numbers_samples_and_types():
    cells = pd.DataFrame({"sample": ["b", "a", "a"], "group": "G", "cell_type": ["T", "T", "B"]})
    units, member = list_units(cells)
    assert units[["sample", "cell_type", "n_cells"]].to_numpy().tolist() == [
        ["a", "B", 1],
        ["a", "T", 1],
        ["b", "T", 1],
    ]
    assert member.tolist() == [2, 1, 0]
    assert np.array_equal(np.bincount(member), units["n_cells"])


def test_design__plants_dormant_cells_in_the_subcluster_of_non_remission():
    assert DORMANT == {("HSC/MPP", "0"): 0.25}
    assert make_design("demo").group_effects
