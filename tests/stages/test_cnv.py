"""The stage: what it writes, and what it refuses."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from copies import make_small

from helpers.errors import NotPossibleError
from helpers.io.objects import read_object
from helpers.io.reference import arm_of_genes, read_genes
from helpers.io.tables import read_table
from helpers.params import CnvParams, load_params, subset
from helpers.stages.cnv import bin_genes, choose_reference, pick_cells, stage_cnv

GROUPS = {"reference": "h", "responder": "r", "non_responder": "t"}
NAMES = ("cnv.h5ad", "profiles.h5ad", "segments.csv", "sensitivity.csv")


def make_params(**changes: object) -> CnvParams:
    chosen = {"reference_types": ["P"], "cells_shown": 200, "cells_compared": 200} | changes
    return CnvParams.model_validate(subset(load_params("fig6_cnv", chosen), CnvParams))


@pytest.fixture(scope="module")
def annotated(tmp_path_factory) -> Path:
    """The small cohort with real gene names: fifty of each of twelve arms."""
    small = make_small()
    genes = read_genes().assign(arm=arm_of_genes(read_genes()))
    genes = genes[(genes["biotype"] == "protein_coding") & ~genes["gene"].str.startswith("HLA")]
    arms = [f"{n}{side}" for n in range(1, 7) for side in "pq"]
    names = pd.concat([genes[genes["arm"] == arm].head(50) for arm in arms])["gene"]
    obs = small.cells.set_index("barcode", drop=False).rename_axis("cell")
    adata = ad.AnnData(small.counts, obs=obs, var=pd.DataFrame(index=pd.Index(names, name="gene")))
    path = tmp_path_factory.mktemp("cnv") / "rna.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def written(annotated: Path) -> Path:
    outputs = [annotated.with_name(name) for name in NAMES]
    stage_cnv(annotated, *outputs, groups=GROUPS, params=make_params())
    return annotated.parent


def test_stage_cnv__finds_the_planted_arms(written: Path):
    calls = read_table(written / "segments.csv").query("state != 'neutral'")
    found = set(zip(calls["sample"], calls["cell_type"], calls["arm"], calls["state"], strict=True))
    gained = {(sample, "P", "2p", "gain") for sample in ("t0", "t1", "t2")}
    assert found == gained | {(sample, "P", "3q", "loss") for sample in ("t0", "t1")}


def test_stage_cnv__writes_every_cell_with_scores(written: Path):
    table = read_object(written / "cnv.h5ad")
    assert table.shape == (9 * 6 * 40, 12)
    assert int(table.obs["is_reference"].sum()) == 3 * 40
    assert set(table.obs.loc[table.obs["is_reference"], "cell_type"]) == {"P"}
    assert list(table.uns["normal"]) == ["h0", "h1", "h2"]
    assert table.obs["infercnv_score"].notna().all()


def test_stage_cnv__draws_gains_above_losses(written: Path):
    profiles = read_object(written / "profiles.h5ad")
    mine = profiles[(profiles.obs["sample"] == "t0") & (profiles.obs["cell_type"] == "P")]
    by_arm = pd.Series(mine.X.mean(axis=0)).groupby(profiles.var["arm"].to_numpy()).mean()
    assert by_arm.idxmax() == "2p"
    assert by_arm.idxmin() == "3q"


def test_stage_cnv__tries_every_reference_and_window(written: Path):
    table = read_table(written / "sensitivity.csv")
    left_out = [f"reference without h{i}" for i in range(3)]
    assert list(dict.fromkeys(table["setting"])) == [
        "as shown",
        "subsample, as shown",
        "window 51",
        "window 151",
        *left_out,
    ]
    assert table.groupby("setting")["n_reference_cells"].first()[left_out].tolist() == [80] * 3


def test_stage_cnv__as_shown_is_the_mean_of_all_cells(written: Path):
    cells = read_object(written / "cnv.h5ad").obs
    expected = cells.groupby(["sample", "cell_type"], observed=True)["infercnv_score"].mean()
    table = read_table(written / "sensitivity.csv")
    shown = table[table["setting"] == "as shown"].set_index(["sample", "cell_type"])
    np.testing.assert_allclose(shown["infercnv_score"][expected.index], expected, rtol=1e-5)
    n_cells = table.groupby("setting")["n_cells"].sum()
    assert n_cells["as shown"] == len(cells)
    # 3 of 40 cells of each of 54 samples and types: the share of 200
    assert n_cells["subsample, as shown"] == n_cells["window 51"] == 3 * 54


def test_stage_cnv__compares_all_cells_where_they_are_few(annotated: Path, tmp_path):
    outputs = [tmp_path / name for name in NAMES]
    params = make_params(cells_compared=10_000, windows_compared=[51])
    stage_cnv(annotated, *outputs, groups=GROUPS, params=params)
    names = read_table(tmp_path / "sensitivity.csv")["setting"].unique()
    assert names[:2].tolist() == ["as shown", "window 51"]


def test_stage_cnv__is_skipped_with_numbers_when_normal_cells_are_few(annotated: Path, tmp_path):
    outputs = [tmp_path / name for name in NAMES]
    params = make_params(min_reference_cells=121)
    with pytest.raises(
        NotPossibleError, match=r"needs 121 normal cells of type P .* 120 were found"
    ):
        stage_cnv(annotated, *outputs, groups=GROUPS, params=params)


def test_choose_reference__takes_no_other_type_in_silence():
    cells = make_small(n_cells=20).cells
    with pytest.raises(NotPossibleError, match="type Pro-B as reference, and 0 were found in h"):
        choose_reference(cells, GROUPS, make_params(reference_types=["P", "Pro-B"]))
    rows = choose_reference(cells, GROUPS, make_params(reference_types=["P", "T"]))
    assert [set(cells.loc[one, "cell_type"]) for one in rows] == [{"P"}, {"T"}]


def test_choose_reference__needs_a_normal_group():
    cells = make_small(n_cells=20).cells
    with pytest.raises(NotPossibleError, match="no group in the role reference"):
        choose_reference(cells, {"parental": "h"}, make_params())


def test_bin_genes__by_hand():
    genes = pd.DataFrame(
        {
            "gene": [f"g{i}" for i in range(14)],
            "chrom": "chr1",
            "arm": ["1p"] * 12 + ["1q"] * 2,
            "start": range(14),
            "end": range(1, 15),
        }
    )
    bins = bin_genes(genes)
    assert bins["first"].tolist() == [0, 10, 12]
    assert bins.index.tolist() == ["g0", "g10", "g12"]
    assert bins["end"].tolist() == [10, 12, 14]


def test_pick_cells__keeps_small_types_visible():
    cells = pd.DataFrame({"sample": "s", "cell_type": ["A"] * 900 + ["B"] * 9})
    picked = pick_cells(cells, n_cells=66, seed=0)
    # roots 30 and 3 of 66 cells: 60 and 6
    assert cells.iloc[picked]["cell_type"].value_counts().to_dict() == {"A": 60, "B": 6}
    assert np.array_equal(picked, np.unique(picked))
