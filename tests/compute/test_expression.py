"""Expression: Wilcoxon and pseudobulk by hand, against R, and where nothing differs."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse, stats

from helpers.compute.expression import (
    compare_sums,
    count_calls,
    describe_rejections,
    join_units,
    pair_units,
    pick_expressed,
    rank_cells,
    scale_factors,
    sum_samples,
    weigh_counts,
)
from helpers.compute.normalise import log_normalise
from helpers.errors import DataError
from helpers.schema import Contrast

STIM = Contrast(test="stim", reference="ctrl")


def draw_counts(n_samples: int, n_genes: int, *, seed: int, biology: float = 0.25) -> np.ndarray:
    """Negative binomial sums without any group in them."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(4, 1.2, n_genes)
    donors = level * np.exp(rng.normal(0, biology, (n_samples, n_genes)))
    return rng.poisson(donors * rng.lognormal(0, 0.3, (n_samples, 1))).astype(float)


def test_rank_cells__by_hand():
    # Ranks of the first gene, cells a a a b b: 4, 5, 3, 1.5, 1.5; U of a is 12 - 6 = 6.
    values = sparse.csr_matrix(np.log1p([[2.0, 1], [3, 1], [1, 1], [0, 1], [0, 1]]))
    table = rank_cells(values, pd.Index(["up", "flat"]), np.array(list("aaabb")))
    first = table[table["label"] == "a"].set_index("gene")
    expected = stats.mannwhitneyu([2, 3, 1], [0, 0], method="asymptotic", use_continuity=True)
    assert first.loc["up", "pvalue"] == pytest.approx(expected.pvalue, rel=1e-12)
    assert first.loc["up", "log2fc"] == pytest.approx(np.log2(3) - np.log2(1))
    assert first.loc["up", ["pct_test", "pct_reference"]].tolist() == [1.0, 0.0]
    assert first.loc["flat", "pvalue"] == 1.0


def test_rank_cells__of_two_groups_leaves_the_third_out():
    rng = np.random.default_rng(0)
    values = sparse.csr_matrix(np.log1p(rng.poisson(1.0, (60, 4))))
    labels = np.repeat(["a", "b", "c"], 20)
    pair = rank_cells(values, pd.Index(list("wxyz")), labels, reference="b", test="a")
    alone = rank_cells(values[:40], pd.Index(list("wxyz")), labels[:40], reference="b", test="a")
    pd.testing.assert_frame_equal(pair, alone)


def test_rank_cells__needs_two_groups():
    with pytest.raises(DataError, match="between two groups of cells; found a"):
        rank_cells(sparse.csr_matrix((3, 1)), pd.Index(["g"]), np.array(["a", "a", "a"]))


@pytest.mark.slow
def test_rank_cells__equals_seurat(oracles: Path):
    counts, cells, genes = read_labelled_matrix(oracles / "inputs/kang_pbmc/ctrl")
    found = read_tsv(oracles / "seurat_markers/input/clusters.tsv.gz").set_index("cell").loc[cells]
    answer = read_tsv(oracles / "seurat_markers/output/findallmarkers_wilcox_all.tsv.gz")
    answer["label"] = answer["cluster"].astype(str)
    ours = rank_cells(log_normalise(counts), genes, found.iloc[:, 0].astype(str).to_numpy())
    both = answer.merge(ours, on=["label", "gene"])
    assert len(both) == len(answer)
    log_p = np.log10(both["p_val"])
    informative = both["p_val"] < 0.99
    relative = (both["log10_pvalue"] / log_p - 1)[informative].abs()
    assert relative.max() < 1e-6
    assert (both["log10_pvalue"] - log_p).abs().max() < 1e-2
    assert (both["log2fc"] - both["avg_log2FC"]).abs().max() < 1e-6


def test_rank_cells__gives_seurats_markers_of_pbmc3k(real_data: Path):
    from helpers.io.tenx import read_rna

    folder = real_data / "cohorts/pbmc3k"
    adata = read_rna(folder / "pbmc3k/filtered_feature_bc_matrix.h5")
    labels = pd.read_csv(folder / "labels.csv.gz").set_index("barcode")["cluster"]
    adata = adata[labels.index]
    ours = rank_cells(log_normalise(adata.X), adata.var_names, labels.astype(str).to_numpy())
    answer = pd.read_csv(folder / "seurat_markers.csv").assign(
        label=lambda table: table["cluster"].astype(str)
    )
    both = answer.merge(ours, on=["label", "gene"])
    assert len(both) == len(answer)
    shown = both["p_val"] > 1e-300
    r = np.corrcoef(np.log10(both["p_val"][shown]), both["log10_pvalue"][shown])[0, 1]
    assert r >= 0.9999


def test_log_normalise__keeps_equal_shares_tied():
    # 1 of 300 and 3 of 900 are the same share, but multiplying by 1e4 / 900 first loses a bit.
    counts = sparse.csr_matrix([[1.0, 299], [3, 897]])
    values = log_normalise(counts)
    assert values[0, 0] == values[1, 0]


def test_sum_samples__by_hand():
    counts = sparse.csr_matrix([[1, 0], [2, 5], [4, 0], [8, 1]])
    sums, names = sum_samples(counts, np.array(["b", "a", "b", "a"]), min_cells=2)
    assert names.tolist() == ["a", "b"]
    assert sums.tolist() == [[10, 6], [5, 0]]
    assert sum_samples(counts, np.array(["b", "a", "b", "b"]), min_cells=2)[1].tolist() == ["b"]


def test_pick_expressed__by_hand():
    # Median depth 1,000: a gene must reach 10 in 1,000 in two samples, and 15 in all.
    sums = np.array([[10, 10, 4, 976], [10, 9, 4, 977], [0, 0, 4, 996], [0, 0, 4, 996]])
    kept = pick_expressed(sums, np.array(["a", "a", "b", "b"]))
    assert kept.tolist() == [True, False, False, True]


def test_scale_factors__of_one_composition_are_one():
    level = np.random.default_rng(0).integers(5, 500, 200)
    np.testing.assert_allclose(scale_factors(np.array([level, 2 * level, 5 * level])), 1.0)


def test_scale_factors__make_up_for_a_few_genes_that_take_over():
    rng = np.random.default_rng(0)
    a, b = rng.poisson(rng.lognormal(5, 1, 500)), None
    b = a.copy()
    b[:10] += 20 * a.sum() // 100
    factors = scale_factors(np.array([a, b]).astype(float))
    # The genes that did not change must come out alike: depth times factor in the ratio of one.
    assert (a.sum() * factors[0]) / (b.sum() * factors[1]) == pytest.approx(1.0, abs=0.02)


def test_compare_sums__equals_limma_voom(oracles: Path):
    counts = read_tsv(oracles / "bulk_de/input/pseudobulk_counts.tsv.gz").set_index("gene")
    answer = read_tsv(oracles / "bulk_de/output/limma_voom.tsv.gz").set_index("gene")
    factors = read_tsv(oracles / "bulk_de/output/tmm_norm_factors.tsv")["norm.factors"]
    groups = np.array([name[:4] for name in counts.columns])
    sums = counts.T.to_numpy(dtype=float)
    tested = pick_expressed(sums, groups)
    assert set(counts.index[tested]) == set(answer.index)
    np.testing.assert_allclose(scale_factors(sums[:, tested]), factors, rtol=1e-9)
    ours = compare_sums(sums, counts.index, groups, STIM, confidence=0.95).set_index("gene")
    ours = ours.loc[answer.index]
    np.testing.assert_allclose(ours["log2fc"], answer["logFC"], atol=1e-7)
    np.testing.assert_allclose(np.log(ours["pvalue"]), np.log(answer["P.Value"]), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_compare_sums__agrees_with_deseq2(oracles: Path):
    counts = read_tsv(oracles / "bulk_de/input/pseudobulk_counts.tsv.gz").set_index("gene")
    answer = read_tsv(oracles / "bulk_de/output/deseq2_wald.tsv.gz").set_index("gene").dropna()
    groups = np.array([name[:4] for name in counts.columns])
    ours = compare_sums(
        counts.T.to_numpy(dtype=float),
        counts.index,
        groups,
        STIM,
        confidence=0.95,
        method="deseq2",
    )
    both = answer.join(ours.set_index("gene"), rsuffix="_ours", how="inner").dropna()
    assert len(both) >= 0.99 * len(answer)
    shown = both[(both["pvalue"] > 1e-300) & (both["pvalue_ours"] > 1e-300)]
    r = np.corrcoef(np.log(shown["pvalue"]), np.log(shown["pvalue_ours"]))[0, 1]
    assert r >= 0.999


def test_compare_sums__holds_its_error_rate_where_nothing_differs():
    rates = []
    for seed in range(8):
        sums = draw_counts(9, 1000, seed=seed)
        groups = np.repeat(["ctrl", "stim", "third"], 3)
        table = compare_sums(sums, pd.RangeIndex(1000), groups, STIM, confidence=0.95)
        rates.append((table["pvalue"] < 0.05).mean())
    assert 0.035 <= np.mean(rates) <= 0.06


def test_compare_sums__interval_holds_a_planted_fold():
    sums = draw_counts(12, 400, seed=1)
    sums[6:, :40] *= 4
    groups = np.repeat(["ctrl", "stim"], 6)
    table = compare_sums(sums, pd.RangeIndex(400), groups, STIM, confidence=0.95)
    planted = table[table["gene"] < 40]
    inside = (planted["ci_low"] < 2) & (planted["ci_high"] > 2)
    assert inside.mean() >= 0.85
    assert (planted["padj"] < 0.05).mean() >= 0.95


def test_weigh_counts__trusts_deep_samples_more():
    sums = draw_counts(6, 500, seed=2, biology=0.0)
    sums[0] = np.round(sums[0] / 20)
    _, weights = weigh_counts(sums, np.ones((6, 1)))
    assert np.median(weights[0]) < 0.5 * np.median(weights[1:])


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        (["ctrl"] * 4, "no sample of group stim"),
        (["ctrl", "stim"], r"needs two samples for a test by sample \(ctrl: 1, stim: 1\)"),
    ],
)
def test_compare_sums__says_what_is_missing(groups: list[str], match: str):
    sums = draw_counts(len(groups), 50, seed=0)
    with pytest.raises(DataError, match=match):
        compare_sums(sums, pd.RangeIndex(50), np.array(groups), STIM, confidence=0.95)


def test_join_units__names_who_calls_a_gene():
    genes = list("abcde")
    cells = pd.DataFrame({"gene": genes, "log2fc": 1.0, "pvalue": 0.0, "pct_test": 1.0})
    cells = cells.assign(pct_reference=0.0, padj=[0.01, 0.01, 0.5, 0.5, 0.01])
    samples = pd.DataFrame({"gene": genes[:4], "padj": [0.01, 0.5, 0.01, 0.5]})
    samples[["log2fc", "ci_low", "ci_high", "t", "pvalue"]] = 0.5
    called = join_units(cells, samples, fdr=0.05)["called"]
    assert called.tolist() == ["both", "cell only", "sample only", "neither", "untested"]


def test_count_calls__counts_genes_tested_by_both():
    rows = {"cell_type": "T", "contrast": "x", "test": "", "pct_test": 1.0, "pct_reference": 1.0}
    cell = pd.DataFrame(
        {"gene": list("abc"), "padj": [0.01, 0.01, 0.9], "pvalue": [0.01, 0.02, 0.9]}
    )
    sample = pd.DataFrame({"gene": list("ab"), "padj": [0.01, 0.9], "pvalue": [0.001, 0.9]})
    parts = [
        part.assign(**rows, unit=unit, log2fc=[1.0, 2.0, 3.0][: len(part)], statistic=1.0)
        for part, unit in ((cell, "cell"), (sample, "sample"))
    ]
    table = pd.concat(parts).assign(ci_low=0.0, ci_high=1.0)
    (row,) = count_calls(pair_units(table, fdr=0.05), by=["cell_type", "contrast"]).to_dict(
        "records"
    )
    assert (row["n_genes"], row["both"], row["cell_only"], row["sample_only"]) == (2, 1, 1, 0)
    assert (row["rejected_cell"], row["rejected_sample"]) == (1.0, 0.5)


def test_describe_rejections__weighs_types_by_their_genes():
    calls = pd.DataFrame(
        {
            "n_genes": [100, 300, 0],
            "rejected_cell": [0.5, 0.1, np.nan],
            "rejected_sample": [0.05, 0.05, np.nan],
        }
    )
    assert describe_rejections(calls).startswith(
        "Unadjusted p < 0.05: 5.0% of genes by sample, 20.0% by cell"
    )
    assert describe_rejections(calls.tail(1)) == "No gene could be tested by sample."


@pytest.mark.slow
def test_rank_cells__z_is_scanpys_but_for_continuity():
    sc = pytest.importorskip("scanpy")
    rng = np.random.default_rng(0)
    values = sparse.csr_matrix(np.log1p(rng.poisson(0.7, (300, 20)).astype(float)))
    labels = rng.choice(["a", "b", "c"], 300)
    ours = rank_cells(values, pd.Index([f"g{i}" for i in range(20)]), labels)
    cells = pd.Index([str(i) for i in range(300)])
    adata = ad.AnnData(values, obs=pd.DataFrame({"k": pd.Categorical(labels)}, index=cells))
    adata.var_names = [f"g{i}" for i in range(20)]
    sc.tl.rank_genes_groups(adata, "k", method="wilcoxon", tie_correct=True)
    theirs = sc.get.rank_genes_groups_df(adata, group=None)
    both = theirs.merge(ours, left_on=["group", "names"], right_on=["label", "gene"])
    assert (both["scores"] - both["z"]).abs().max() < 0.002


@pytest.mark.filterwarnings("ignore:The dispersion trend curve:UserWarning")
@pytest.mark.parametrize("method", ["voom", "deseq2"])
def test_compare_sums__within_donors_sees_a_shift_that_donors_hide(method: str):
    rng = np.random.default_rng(2)
    level = np.repeat(rng.uniform(2.0, 7.0, (5, 60)), 2, axis=0)  # a donor's own log level
    level[1::2, 0] += 0.7
    sums = rng.negative_binomial(50, 50 / (50 + np.exp(level)))
    groups = np.array(["A", "B"] * 5)
    asked = {"confidence": 0.95, "method": method}
    genes = pd.Index([f"g{i}" for i in range(60)])
    contrast = Contrast(test="B", reference="A")
    alone = compare_sums(sums.astype(float), genes, groups, contrast, **asked)
    donors = np.repeat(list("abcde"), 2)
    within = compare_sums(sums.astype(float), genes, groups, contrast, donors=donors, **asked)
    first = [table.set_index("gene").loc["g0"] for table in (alone, within)]
    assert first[0]["padj"] > 0.05 > 0.001 > first[1]["padj"]
    assert first[1]["ci_low"] < 0.7 / np.log(2) < first[1]["ci_high"]
