"""Pruning by motifs in linked peaks and by motif rankings: by hand and on planted targets."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from helpers.compute.pruning import (
    count_support,
    link_peaks,
    pick_supported,
    prune_by_peaks,
    prune_by_rankings,
    rate_motif_support,
    split_complexes,
)
from helpers.errors import DataError

PEAKS = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr1", "chr2"],
        "start": [100, 1000, 5000, 100],
        "end": [600, 1500, 5500, 600],
    }
)


def test_link_peaks__measures_from_the_start_to_the_nearest_base():
    genes = pd.DataFrame(
        {"gene": ["A", "B", "C"], "chrom": ["chr1", "chr1", "chr3"], "tss": [800, 1200, 800]}
    )
    links = link_peaks(PEAKS, genes, distance_bp=201)
    # A at 800: the first peak ends with base 599, 201 away; the second begins 200 on. B lies inside.
    assert links.sort_values(["gene", "peak"]).to_numpy().tolist() == [
        [0, "A", 201],
        [1, "A", 200],
        [1, "B", 0],
    ]
    assert link_peaks(PEAKS, genes, distance_bp=200)["gene"].tolist() == ["A", "B"]
    assert link_peaks(PEAKS, genes.iloc[2:], distance_bp=10**6).empty


def test_link_peaks__finds_what_every_pair_compared_finds():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 50_000, 300)
    peaks = pd.DataFrame(
        {"chrom": "chr1", "start": starts, "end": starts + rng.integers(50, 4000, 300)}
    )
    genes = pd.DataFrame(
        {"gene": [f"g{i}" for i in range(40)], "chrom": "chr1", "tss": rng.integers(0, 50_000, 40)}
    )
    links = link_peaks(peaks, genes, distance_bp=700)
    expected = {
        (peak, gene)
        for peak, (start, end) in enumerate(zip(peaks["start"], peaks["end"], strict=True))
        for gene, tss in zip(genes["gene"], genes["tss"], strict=True)
        if start - 700 <= tss <= end - 1 + 700
    }
    assert set(zip(links["peak"], links["gene"], strict=True)) == expected


def test_split_complexes__gives_each_member():
    assert split_complexes(["FOS::JUN", "Ebf1", "RORA(var.2)"]) == [
        ["FOS", "JUN"],
        ["EBF1"],
        ["RORA"],
    ]


LINKS = pd.DataFrame({"peak": [0, 1, 1, 2], "gene": ["a", "a", "b", "c"]})
MATCHES = sparse.csr_matrix([[1, 0], [3, 0], [0, 1], [1, 1]])
FACTORS = ["F", "F::G"]


def test_count_support__counts_peaks_not_motifs():
    support = count_support(LINKS, MATCHES, FACTORS)
    assert support.loc["a"].to_dict() == {"F": 2, "G": 0}
    assert support.loc["b"].to_dict() == {"F": 1, "G": 0}
    assert support.loc["c"].to_dict() == {"F": 1, "G": 1}


def test_count_support__refuses_what_does_not_fit():
    with pytest.raises(DataError, match="2 motifs were matched, and 1 have a factor"):
        count_support(LINKS, MATCHES, ["F"])
    with pytest.raises(DataError, match="a link names peak 9; motifs were matched in 4"):
        count_support(LINKS.assign(peak=9), MATCHES, FACTORS)


def modules_of(pairs: list[tuple[str, str]]) -> pd.DataFrame:
    table = pd.DataFrame(pairs, columns=["tf", "target"])
    return table.assign(module="top", importance=1.0, rho=0.5)


def test_prune_by_peaks__keeps_targets_with_the_motif_in_a_linked_peak():
    modules = modules_of([("F", "a"), ("F", "z"), ("G", "a"), ("G", "c"), ("H", "a")])
    kept = prune_by_peaks(pd.concat([modules, modules]), LINKS, MATCHES, FACTORS)
    assert kept[["tf", "target", "support", "pruned"]].to_numpy().tolist() == [
        ["F", "a", 2, True],
        ["G", "c", 1, True],
    ]


def make_chromatin(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, sparse.csr_matrix, set[str]]:
    """400 genes of two peaks each; 20 targets of F hold its motif, others by chance (10 %)."""
    rng = np.random.default_rng(seed)
    genes = [f"g{i}" for i in range(400)]
    links = pd.DataFrame({"peak": np.arange(800), "gene": np.repeat(genes, 2)})
    matches = (rng.random((800, 3)) < 0.1).astype(int)
    matches[np.arange(0, 40, 2), 0] = 1
    expressed = [*genes[:20], *rng.choice(genes[20:], 60, replace=False)]
    modules = modules_of([(factor, gene) for factor in "FGH" for gene in expressed])
    return modules, links, sparse.csr_matrix(matches), set(genes[:20])


def test_prune_by_peaks__raises_the_share_of_planted_targets():
    modules, links, matches, planted = make_chromatin(0)
    kept = prune_by_peaks(modules, links, matches, list("FGH"))
    mine = kept[kept["tf"] == "F"]
    assert planted <= set(mine["target"])
    before = modules.loc[modules["tf"] == "F", "target"].isin(planted).mean()
    assert mine["target"].isin(planted).mean() > 2 * before


def test_rate_motif_support__finds_the_factor_whose_targets_hold_its_motif():
    modules, links, matches, _ = make_chromatin(1)
    rated = rate_motif_support(modules, links, matches, list("FGH")).set_index("tf")
    assert rated.loc["F", "padj"] < 1e-4
    assert rated.loc[["G", "H"], "padj"].min() > 0.05
    assert rated.loc["F", ["n_targets", "n_others"]].tolist() == [80, 320]
    row = rated.loc["F"]
    table = [
        [row["n_with_motif"], 80 - row["n_with_motif"]],
        [row["others_with_motif"], 320 - row["others_with_motif"]],
    ]
    assert row["pvalue"] == stats.fisher_exact(table, alternative="greater").pvalue
    odds = (np.array(table, dtype=float) + 0.5).ravel()
    assert row["log2_odds"] == pytest.approx(np.log2(odds[0] * odds[3] / odds[1] / odds[2]))
    assert row["error"] == pytest.approx(np.sqrt((1 / odds).sum()) / np.log(2))


def make_rankings(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fifty random rankings of 1,000 genes; motif m0, of factor F, has g0 to g29 first."""
    rng = np.random.default_rng(seed)
    genes = [f"g{i}" for i in range(1000)]
    places = np.array([rng.permutation(1000) for _ in range(50)])
    places[0] = np.concatenate([rng.permutation(30), 30 + rng.permutation(970)])
    rankings = pd.DataFrame(places, index=[f"m{i}" for i in range(50)], columns=genes)
    return rankings, pd.DataFrame({"motif": ["m0", "m1"], "tf": ["F", "G"]})


def test_prune_by_rankings__keeps_the_leading_edge_of_an_enriched_motif():
    rankings, known = make_rankings(0)
    members = [f"g{i}" for i in range(20)] + [f"g{i}" for i in range(500, 520)]
    modules = modules_of([(factor, gene) for factor in "FGH" for gene in members])
    kept = prune_by_rankings(modules, rankings, known, top=0.05, min_nes=3.0)
    assert set(kept["tf"]) == {"F"}
    planted = {f"g{i}" for i in range(20)}
    assert planted <= set(kept["target"])
    assert len(set(kept["target"]) - planted) <= 3  # of 20: chance puts a few near the front
    assert kept[["support", "pruned"]].drop_duplicates().to_numpy().tolist() == [[1, True]]


def test_prune_by_rankings__keeps_nothing_where_no_motif_is_enriched():
    rankings, known = make_rankings(1)
    modules = modules_of([("F", f"g{i}") for i in range(500, 540)])
    kept = prune_by_rankings(modules, rankings, known, top=0.05, min_nes=3.0)
    assert kept.empty
    assert kept.columns.tolist() == ["tf", "target", "importance", "rho", "support", "pruned"]


def test_pick_supported__takes_the_smallest_p_and_leaves_out_motifs_that_tell_nothing():
    # F: more often among targets; G: held by all genes; H: by none; I: more seldom.
    support = pd.DataFrame(
        {
            "tf": list("GFIH"),
            "n_targets": 10,
            "n_with_motif": [10, 9, 1, 0],
            "n_others": 90,
            "others_with_motif": [90, 20, 60, 0],
            "log2_odds": [-3.0, 4.0, -4.0, 3.0],
            "error": [2.0, 1.0, 0.5, 2.0],
            "pvalue": [0.001, 0.01, 0.99, 0.002],
        }
    )
    picked = pick_supported(support, n=3, confidence=0.95)
    assert picked["tf"].tolist() == ["F", "I"]
    # 1.96 standard errors on either side
    np.testing.assert_allclose(picked["ci_low"], [4 - 1.959964, -4 - 0.979982], atol=1e-6)
    np.testing.assert_allclose(picked["ci_high"], [4 + 1.959964, -4 + 0.979982], atol=1e-6)
    assert pick_supported(support, n=1, confidence=0.95)["tf"].tolist() == ["F"]
    assert pick_supported(support.head(0), n=3, confidence=0.95).empty
