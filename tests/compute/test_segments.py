"""Arms: planted ones are found, none where nothing was planted, real deletions."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copies import NORMAL, make_small
from oracle import read_tsv
from scipy import sparse
from sklearn.metrics import roc_auc_score

from helpers.compute.clones import find_clones, score_cells
from helpers.compute.cnv import fit_baseline, measure_ratios
from helpers.compute.segments import (
    average_arms,
    call_arms,
    fit_spread,
    list_arms,
    measure_arms,
    measure_levels,
    measure_subclusters,
    restore_spread,
)
from helpers.errors import NotPossibleError

CALLING = {"fdr": 0.05, "min_change": 0.2, "confidence": 0.95}


@cache
def analyse(*, planted: bool = True, seed: int = 0):
    small = make_small(planted=planted, seed=seed)
    arms = list_arms(small.genes)
    ratio = measure_arms(small.counts, small.genes, small.cells, normal=NORMAL, min_cells=20)
    units = average_arms(ratio, small.cells, arms, normal=NORMAL, min_cells=10)
    spread = fit_spread(units, arms, normal=NORMAL)
    return small, arms, ratio, units, spread, call_arms(units, arms, spread, **CALLING)


def test_list_arms__by_hand():
    genes = pd.DataFrame(
        {"arm": ["1p"] * 10 + ["1q"] * 9, "chrom": "chr1", "start": range(19), "end": range(5, 24)}
    )
    table = list_arms(genes)
    assert table.iloc[0].tolist() == ["1p", "chr1", 0, 14, 10]
    assert len(table) == 1  # nine genes are too few


def test_measure_arms__by_hand():
    # Two arms of ten genes; sample n is normal, in t arm 2p has twice the share of UMIs.
    genes = pd.DataFrame({"arm": ["1p"] * 10 + ["2p"] * 10, "chrom": "chr1", "start": 0, "end": 1})
    counts = sparse.csr_matrix(np.vstack([np.repeat([3, 1], 10), np.repeat([2, 2], 10)]))
    cells = pd.DataFrame({"sample": ["n", "t"], "cell_type": "P"})
    ratio = measure_arms(counts, genes, cells, normal=["n"], min_cells=1)
    assert np.isnan(ratio[0]).all()  # no other normal sample
    # 2/3 and 2 of normal, less 1, less the median over the two arms (1/3)
    np.testing.assert_allclose(ratio[1], [-2 / 3, 2 / 3])


def test_call_arms__finds_what_was_planted_and_nothing_else():
    *_, calls = analyse()
    called = calls[calls["state"] != "neutral"]
    found = set(
        zip(called["sample"], called["cell_type"], called["arm"], called["state"], strict=True)
    )
    assert found == {
        (sample, "P", arm, state)
        for sample, arm, state in [
            ("t0", "2p", "gain"), ("t1", "2p", "gain"), ("t2", "2p", "gain"),
            ("t0", "3q", "loss"), ("t1", "3q", "loss"),
        ]
    }  # fmt: skip


def test_call_arms__estimates_the_planted_change():
    *_, calls = analyse()
    mine = calls[(calls["sample"] == "t0") & (calls["cell_type"] == "P")].set_index("arm")
    for arm, planted in (("2p", np.log2(1.5)), ("3q", -1.0)):
        assert mine.loc[arm, "log2fc"] == pytest.approx(planted, abs=0.12)
        assert mine.loc[arm, "ci_low"] < planted < mine.loc[arm, "ci_high"]


@pytest.mark.parametrize("seed", range(1, 5))
def test_call_arms__finds_nothing_where_nothing_was_planted(seed):
    *_, calls = analyse(planted=False, seed=seed)
    assert (calls["state"] == "neutral").all()


def test_call_arms__p_values_are_even_where_nothing_was_planted():
    pvalues = np.concatenate(
        [analyse(planted=False, seed=seed)[-1]["pvalue"] for seed in range(1, 5)]
    )
    assert len(pvalues) == 4 * 54 * 12
    assert 0.035 < (pvalues < 0.05).mean() < 0.065


def test_fit_spread__needs_two_normal_samples_with_a_type_in_common():
    _, arms, _, units, *_ = analyse()
    with pytest.raises(NotPossibleError, match=r"two normal samples .* 1 can be measured"):
        fit_spread(units, arms, normal=["h0"])


def test_restore_spread__gives_the_spread_again():
    _, arms, _, units, spread, _ = analyse()
    kept = arms.assign(between=spread.between, scale=spread.scale)
    again = restore_spread(kept, spread.df)
    np.testing.assert_array_equal(again.variance(units), spread.variance(units))


def test_measure_levels__are_those_planted():
    _, arms, _, units, spread, _ = analyse()
    levels = measure_levels(units, arms, spread).set_index(["sample", "cell_type"])["cnv_level"]
    # two of twelve arms: log2 1.5 and -1
    planted = np.sqrt((np.log2(1.5) ** 2 + 1) / 12)
    assert levels["t0", "P"] == pytest.approx(planted, rel=0.12)
    others = levels.drop([("t0", "P"), ("t1", "P"), ("t2", "P")])
    assert others.abs().max() < 0.5 * levels["t2", "P"] + 0.03
    assert abs(others.mean()) < 0.02


def test_measure_levels__are_missing_where_no_arm_was_measured_and_weigh_only_those_that_were():
    _, arms, _, units, spread, _ = analyse()
    whole = measure_levels(units, arms, spread).set_index(["sample", "cell_type"])["cnv_level"]
    first, last = arms["arm"].iloc[0], arms["arm"].iloc[-1]
    lost = (units["sample"] == "t0") & (units["cell_type"] == "P")
    none = units.assign(log2fc=units["log2fc"].mask(lost))
    levels = measure_levels(none, arms, spread).set_index(["sample", "cell_type"])["cnv_level"]
    assert np.isnan(levels["t0", "P"])
    assert levels["t1", "P"] == whole["t1", "P"]
    some = lost & units["arm"].isin([first, last])
    partial = measure_levels(units.assign(log2fc=units["log2fc"].mask(some)), arms, spread)
    dropped = measure_levels(units[~some], arms, spread)
    pd.testing.assert_frame_equal(
        partial.drop(columns="n_cells"), dropped.drop(columns="n_cells"), check_like=True
    )


def test_measure_subclusters__tell_altered_cells_from_others():
    small, arms, ratio, _, spread, _ = analyse()
    mine = small.cells["cell_type"] == "P"
    table = small.cells[mine][["sample", "barcode"]].assign(
        subcluster=np.where(small.altered[mine], "0", "1")
    )
    levels = measure_subclusters(
        ratio, small.cells, table, arms, spread, normal=NORMAL, min_cells=5
    ).set_index(["sample", "subcluster"])
    assert levels.loc[("t2", "0"), "n_cells"] == 20
    assert levels.loc[("t2", "0"), "cnv_level"] > 0.1 > 0.06 > levels.loc[("t2", "1"), "cnv_level"]
    assert levels.loc[("t2", "0"), "group"] == "t"


def test_measure_subclusters__do_not_mistake_a_few_strong_genes_for_change():
    # Half of a normal sample's P cells spend half of their RNA on genes of no arm: every arm has
    # half the share, none is lost.
    small = make_small(planted=False)
    arms = list_arms(small.genes)
    ratio = measure_arms(small.counts, small.genes, small.cells, normal=NORMAL, min_cells=20)
    units = average_arms(ratio, small.cells, arms, normal=NORMAL, min_cells=10)
    spread = fit_spread(units, arms, normal=NORMAL)
    mine = small.cells.index[(small.cells["cell_type"] == "P") & (small.cells["sample"] == "t0")]
    table = small.cells.loc[mine, ["sample", "barcode"]].assign(subcluster="1")
    table.iloc[::2, 2] = "0"
    halved = ratio.copy()
    halved[mine[::2]] = (1 + ratio[mine[::2]]) / 2 - 1
    level, other = (
        measure_subclusters(
            r, small.cells, table, arms, spread, normal=NORMAL, min_cells=5
        ).set_index("subcluster")["cnv_level"]
        for r in (halved, ratio)
    )
    assert abs(level["0"]) < 0.05
    assert level["1"] == other["1"]


def test_measure_subclusters__are_none_without_subclusters():
    small, arms, ratio, _, spread, _ = analyse()
    empty = pd.DataFrame(columns=["sample", "barcode", "subcluster"], dtype=str)
    levels = measure_subclusters(
        ratio, small.cells, empty, arms, spread, normal=NORMAL, min_cells=5
    )
    assert len(levels) == 0


def test_score_cells__ranks_altered_cells_first():
    small, arms, ratio, _, spread, _ = analyse()
    score = score_cells(ratio, small.cells, arms, spread, min_cells=10)
    assert roc_auc_score(small.altered, score) > 0.97
    assert np.median(score[small.cells["group"] == "h"]) == 0


def test_find_clones__splits_a_mixed_sample():
    small, arms, ratio, _, _, calls = analyse()
    found = find_clones(
        ratio, small.cells, arms, calls, normal=NORMAL, max_clones=3, min_cells=10, seed=0
    )
    called = found["p_altered"].to_numpy() > 0.5
    assert (called == small.altered).mean() > 0.99
    mixed = (small.cells["sample"] == "t2") & (small.cells["cell_type"] == "P")
    assert set(found.loc[mixed, "clone"]) == {"t2.1", "normal"}
    assert set(found.loc[small.cells["group"] != "t", "clone"]) == {"normal"}


def test_oligodendroglioma__has_lost_1p_and_19q_in_malignant_cells(oracles: Path):
    folder = oracles / "infercnv"
    order = read_tsv(folder / "output/nodenoise_gene_order.tsv.gz")
    table = read_tsv(
        folder / "input/oligodendroglioma_expression_downsampled.counts.matrix.gz", index_col=0
    )
    cells = read_tsv(folder / "output/nodenoise_cell_scores.tsv.gz").set_index("cell")["group"]
    counts = sparse.csr_matrix(table.loc[order["gene"], cells.index].to_numpy().T)
    normal = cells[~cells.str.startswith("malignant")].unique()
    references = [np.flatnonzero(cells == name) for name in normal]
    level = fit_baseline(counts, order["chr"].to_numpy(), references)
    ratio = np.concatenate(list(measure_ratios(counts, level, denoise="none")))
    middle = (order["start"] + order["stop"]) / 2  # centromeres of hg19: 125.0 and 26.5 million
    lost = {
        "1p": (order["chr"] == "chr1") & (middle < 125_000_000),
        "19q": (order["chr"] == "chr19") & (middle > 26_500_000),
    }
    means = pd.DataFrame(
        {arm: np.log2(ratio[:, where]).mean(axis=1) for arm, where in lost.items()}
    )
    by_group = means.groupby(cells.to_numpy()).mean()
    malignant = by_group.index.str.startswith("malignant")
    assert (by_group[malignant] < -0.1).all(axis=None)
    assert (by_group[~malignant].abs() < 0.05).all(axis=None)
    score = -means.sum(axis=1)
    assert roc_auc_score(cells.str.startswith("malignant"), score) >= 0.98
