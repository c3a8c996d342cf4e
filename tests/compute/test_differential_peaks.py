"""Peaks that differ: Signac's answer, statsmodels, planted peaks, both units."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse, stats

from helpers.compute import differential_peaks
from helpers.compute.differential_peaks import (
    Sides,
    compare_nuclei,
    compare_units,
    measure_likelihood,
    name_nearest,
    oppose_groups,
    pair_sides,
    place_nodes,
    sum_units,
    weigh_insertions,
)
from helpers.errors import DataError
from helpers.schema import Contrast


def make_peaks(
    *, n_nuclei: int = 600, n_peaks: int = 300, n_open: int = 30, fold: float = 3.0, seed: int = 0
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Counts and which nuclei are of the type; the first ``n_open`` peaks are open in it."""
    rng = np.random.default_rng(seed)
    mine = np.arange(n_nuclei) % 2 == 0
    rate = np.tile(rng.lognormal(-1.5, 0.5, n_peaks), (n_nuclei, 1))
    rate *= rng.lognormal(0, 0.4, (n_nuclei, 1))
    rate[np.ix_(mine, np.arange(n_open))] *= fold
    return sparse.csr_matrix(rng.poisson(rate)), mine


def test_weigh_insertions__by_hand():
    weighed = weigh_insertions(sparse.csc_matrix([[1, 3], [0, 4]]), np.array([4, 4]))
    # nucleus 0: 1 of 4 in a peak with 1 of 2 nuclei's insertions: 1/4 * 2/1 * 10,000
    expected = np.log1p([[0.25 * 2 * 1e4, 0.75 * 2 / 7 * 1e4], [0, 2 / 7 * 1e4]])
    np.testing.assert_allclose(weighed.toarray(), expected)


def test_compare_nuclei__agrees_with_signac(oracles: Path):
    counts, cells, peaks = read_labelled_matrix(oracles / "inputs/hemato/atac_counts")
    meta = read_tsv(oracles / "inputs/hemato/atac_meta.tsv.gz").set_index("cell").loc[cells]
    answer = read_tsv(oracles / "signac/output/hemato_da_LR_HSC_vs_rest.tsv.gz", index_col="peak")
    mine = (meta["BioClassification"] == "01_HSC").to_numpy()
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    found = compare_nuclei(sparse.csc_matrix(counts), depth, Sides(mine, ~mine), min_share=0.05)
    found.index = peaks[found.index]
    same = found.loc[answer.index]
    np.testing.assert_allclose(
        np.log10(same["pvalue"]), np.log10(answer["p_val"]), rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(same["log2fc"], answer["avg_log2FC"], atol=1e-6)
    np.testing.assert_allclose(same["pct_test"], answer["pct.1"], atol=1e-3)
    # the original also left out peaks that change little
    rest = found.index.difference(answer.index)
    assert found.loc[rest, "log2fc"].abs().max() < 0.1 + 1e-9


def test_measure_likelihood__equals_statsmodels():
    counts, mine = make_peaks(n_nuclei=200, n_peaks=12, n_open=3)
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    weighed = weigh_insertions(sparse.csc_matrix(counts), depth)
    pvalue = measure_likelihood(weighed, depth, mine)
    for j in range(12):
        base = sm.add_constant(depth / depth.mean())
        full = np.column_stack([base, weighed[:, [j]].toarray()])
        fits = [sm.GLM(mine.astype(float), x, sm.families.Binomial()).fit() for x in (base, full)]
        expected = stats.chi2.sf(2 * (fits[1].llf - fits[0].llf), 1)
        assert np.log10(pvalue[j]) == pytest.approx(np.log10(expected), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("deepest", "slope"), [(1, 0.6), (300, 4.0)])
def test_measure_likelihood__of_many_nuclei_equals_statsmodels(deepest: float, slope: float):
    # with one nucleus so deep, and sides that depth tells apart, nodes may not stand for nuclei
    rng = np.random.default_rng(0)
    depth = rng.lognormal(9, 0.6, 4000)
    depth[0] *= deepest
    scaled = (depth - depth[1:].mean()) / depth[1:].std()
    mine = rng.random(4000) < 1 / (1 + np.exp(1 - slope * scaled))
    opened = rng.random((4000, 5)) < np.where(mine, 0.12, 0.1)[:, None]
    weighed = weigh_insertions(sparse.csc_matrix(opened.astype(int)), depth)
    found = measure_likelihood(weighed, depth, mine)
    for j in range(5):
        base = sm.add_constant(scaled)
        full = np.column_stack([base, weighed[:, [j]].toarray()])
        fits = [sm.GLM(mine.astype(float), x, sm.families.Binomial()).fit() for x in (base, full)]
        expected = stats.chi2.sf(2 * (fits[1].llf - fits[0].llf), 1)
        assert np.log10(found[j]) == pytest.approx(np.log10(expected), rel=1e-6, abs=1e-8)


def test_place_nodes__sum_as_all_values_do():
    values = np.random.default_rng(0).lognormal(0, 0.6, 30_000)
    points, weights = place_nodes(values)
    assert len(points) == 256
    assert weights.sum() == pytest.approx(30_000)
    for slope in (-3.0, 0.5, 4.0):
        at_nodes = weights @ np.logaddexp(0, slope * points - 1)
        assert at_nodes == pytest.approx(np.logaddexp(0, slope * values - 1).sum(), rel=1e-12)


def test_place_nodes__takes_few_values_as_they_are():
    points, weights = place_nodes(np.array([3.0, 1.0, 1.0]))
    assert points.tolist() == [3.0, 1.0, 1.0]
    assert weights.tolist() == [1.0, 1.0, 1.0]


def test_measure_likelihood__takes_a_peak_that_separates_the_sides():
    mine = np.arange(40) < 20
    peak = sparse.csc_matrix(mine[:, None].astype(float))
    depth = np.random.default_rng(0).normal(100, 5, 40)
    # the deviance falls from that of depth alone to nothing
    null = sm.GLM(mine.astype(float), sm.add_constant(depth), sm.families.Binomial()).fit()
    expected = stats.chi2.sf(null.deviance, 1)
    assert measure_likelihood(peak, depth, mine)[0] == pytest.approx(expected, rel=1e-3)


def test_measure_likelihood__of_an_empty_peak_is_one():
    mine = np.arange(40) < 20
    empty = sparse.csc_matrix((40, 2))
    depth = np.random.default_rng(0).normal(100, 5, 40)
    assert measure_likelihood(empty, depth, mine).tolist() == pytest.approx([1.0, 1.0])


def test_compare_nuclei__finds_planted_peaks_and_no_others():
    # so few of so many that they do not change the depth of their nuclei
    counts, mine = make_peaks(n_peaks=3000)
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    found = compare_nuclei(sparse.csc_matrix(counts), depth, Sides(mine, ~mine), min_share=0.05)
    called = found[found["padj"] < 0.05]
    assert (called.index < 30).mean() >= 0.9
    assert (called.index < 30).sum() >= 28
    assert called.loc[called.index < 30, "log2fc"].min() > 0


def test_compare_nuclei__is_the_same_in_any_blocks(monkeypatch: pytest.MonkeyPatch):
    counts, mine = make_peaks(n_nuclei=100, n_peaks=50, n_open=5)
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    sides = Sides(mine, ~mine)
    whole = compare_nuclei(sparse.csc_matrix(counts), depth, sides, min_share=0.05)
    monkeypatch.setattr(differential_peaks, "BLOCK", 7)
    parts = compare_nuclei(sparse.csc_matrix(counts), depth, sides, min_share=0.05)
    pd.testing.assert_frame_equal(parts, whole)


def test_compare_nuclei__has_flat_pvalues_where_nothing_differs():
    counts, mine = make_peaks(n_open=0, n_peaks=800, seed=3)
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    found = compare_nuclei(sparse.csc_matrix(counts), depth, Sides(mine, ~mine), min_share=0.05)
    assert stats.kstest(found["pvalue"], "uniform").pvalue > 0.001


def test_compare_nuclei__refuses_an_empty_side():
    counts, mine = make_peaks(n_nuclei=20, n_peaks=5, n_open=1)
    nobody = np.zeros(20, bool)
    with pytest.raises(DataError, match="no nucleus is on the reference side"):
        compare_nuclei(sparse.csc_matrix(counts), np.ones(20), Sides(mine, nobody), min_share=0.1)


def test_sum_units__by_hand():
    counts = sparse.csr_matrix([[1, 0], [2, 3], [4, 4], [7, 7]])
    units = pd.DataFrame({"sample": ["b", "a", "a", "a"], "test": [True, False, False, True]})
    sums, table = sum_units(counts, units, min_nuclei=1)
    assert table.to_numpy().tolist() == [["a", False, 2], ["a", True, 1], ["b", True, 1]]
    assert sums.tolist() == [[6, 7], [7, 7], [1, 0]]
    sums, table = sum_units(counts, units, min_nuclei=2)
    assert sums.tolist() == [[6, 7]]


def test_pair_sides__keeps_samples_with_both_sides():
    units = pd.DataFrame({"sample": ["a", "a", "b", "c", "c"], "test": [0, 1, 1, 0, 1]})
    units["test"] = units["test"].astype(bool)
    paired = pair_sides(units)
    assert paired.rows.tolist() == [0, 1, 3, 4]
    assert paired.design["test"].tolist() == [0, 1, 0, 1]
    assert paired.possible


def make_sums(*, paired: bool, seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """Sums of six samples; the first 20 of 400 peaks are doubled on the test side."""
    rng = np.random.default_rng(seed)
    base = rng.lognormal(4, 1, 400)
    rows, table = [], []
    for sample in range(6):
        donor = rng.lognormal(0, 0.15, 400)
        sides = (False, True) if paired else (sample >= 3,)
        for test in sides:
            rate = base * donor
            rate[:20] *= 2.0 if test else 1.0
            rows.append(rng.poisson(rate))
            table.append((f"s{sample}", f"d{sample}", test, "NCR" if test else "CR"))
    return np.array(rows), pd.DataFrame(table, columns=["sample", "donor", "test", "group"])


def test_compare_units__finds_planted_peaks_within_samples():
    sums, units = make_sums(paired=True)
    found = compare_units(sums, pair_sides(units), confidence=0.95)
    called = found[found["padj"] < 0.05]
    assert set(range(20)) <= set(called.index)
    assert len(called) <= 23
    assert found["log2fc"][:20].mean() == pytest.approx(1.0, abs=0.1)
    inside = (found["ci_low"][:20] < 1) & (found["ci_high"][:20] > 1)
    assert inside.mean() >= 0.8


def test_compare_units__finds_planted_peaks_between_groups():
    sums, units = make_sums(paired=False)
    comparison = oppose_groups(units, Contrast(test="NCR", reference="CR"))
    found = compare_units(sums, comparison, confidence=0.95)
    assert np.isin(found.nsmallest(20, "pvalue").index, range(20)).sum() >= 15
    turned = oppose_groups(units, Contrast(test="CR", reference="NCR"))
    back = compare_units(sums, turned, confidence=0.95)
    np.testing.assert_allclose(back["log2fc"], -found["log2fc"])


def test_oppose_groups__compares_within_donors_sampled_in_both():
    units = pd.DataFrame({"group": ["NCR", "CR", "CK"] * 3, "donor": list("aazbbzccz")})
    comparison = oppose_groups(units, Contrast(test="NCR", reference="CR"))
    assert comparison.rows.tolist() == [0, 1, 3, 4, 6, 7]
    assert comparison.design.columns.tolist() == ["CR", "NCR", "donor 0", "donor 1"]
    assert comparison.possible


@pytest.mark.parametrize("group", [["NCR", "CR"], ["NCR", "NCR"]])
def test_compare_units__has_no_row_where_samples_do_not_allow_a_test(group: list[str]):
    units = pd.DataFrame({"sample": ["a", "b"], "donor": ["a", "b"], "group": group})
    comparison = oppose_groups(units, Contrast(test="NCR", reference="CR"))
    assert not comparison.possible
    assert compare_units(np.full((2, 30), 50), comparison, confidence=0.95).empty


def test_name_nearest__takes_the_start_on_the_strand():
    genes = pd.DataFrame(
        {
            "chrom": ["chr1", "chr1"],
            "start": [100, 300],
            "end": [200, 400],
            "strand": ["+", "-"],
            "gene": ["A", "B"],
        }
    )
    peaks = pd.DataFrame(
        {"chrom": ["chr1", "chr1", "chrX"], "start": [90, 330, 0], "end": [110, 350, 10]}
    )
    # starts are 100 (A) and 399 (B): the second peak's middle, 340, is 59 from B
    found = name_nearest(peaks, genes)
    assert found["gene"].tolist() == ["A", "B", ""]
    assert found["distance_bp"].tolist()[:2] == [0, 59]
