"""Gene sets: by hand, against clusterProfiler, fgsea and GSVA, and on real interferon data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_tsv

from helpers.compute.enrichment import (
    collapse_terms,
    enrichment_scores,
    find_overrepresented,
    find_terms,
    log_rates,
    mean_rates,
    measure_terms,
    pick_terms,
    rank_groups,
    rank_sets,
    rate_pathways,
    score_gsva,
    score_pseudobulk,
    score_ssgsea,
    show_terms,
)
from helpers.errors import DataError
from helpers.io.gene_sets import read_gene_sets
from helpers.schema import Contrast


def read_bare(*paths: Path) -> dict[tuple[str, str], list[str]]:
    """Sets of GMT files under their raw names."""
    import gzip

    sets = {}
    for path in paths:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt") as lines:
            for line in lines:
                name, _, *genes = line.rstrip("\n").split("\t")
                sets["x", name] = [gene for gene in genes if gene]
    return sets


def test_find_overrepresented__by_hand():
    background = [f"g{i}" for i in range(20)]
    sets = {("L", "five"): background[:5], ("L", "none"): background[10:15]}
    table = find_overrepresented([*background[:4], "other"], background, sets, min_size=5)
    (row,) = table.to_dict("records")
    # 4 of 4 hits in a set of 5 of 20: C(5,4) / C(20,4) = 5 / 4845
    assert row["pvalue"] == pytest.approx(5 / 4845)
    assert (row["overlap"], row["n_hits"], row["size"], row["n_background"]) == (4, 4, 5, 20)
    assert row["odds_ratio"] == pytest.approx((4.5 * 15.5) / (0.5 * 1.5))
    assert row["padj"] == row["pvalue"]


@pytest.mark.parametrize("universe", ["default", "given"])
def test_find_overrepresented__equals_clusterprofiler(oracles: Path, universe: str):
    folder = oracles / "clusterprofiler"
    terms = read_tsv(folder / "input/kegg_term2gene.tsv.gz")
    sets = {("KEGG", name): list(genes) for name, genes in terms.groupby("term")["gene"]}
    measured = set(read_tsv(folder / "input/geneList.tsv.gz")["symbol"])
    annotated = set(terms["gene"])
    background = annotated if universe == "default" else annotated & measured
    hits = (folder / "input/de_genes_symbol.txt").read_text().split()
    ours = find_overrepresented(hits, sorted(background), sets).set_index("term")
    answer = read_tsv(folder / f"output/enricher_kegg_{universe}_universe.tsv.gz").set_index("ID")
    assert set(ours.index) == set(answer.index)
    np.testing.assert_allclose(ours.loc[answer.index, "pvalue"], answer["pvalue"], rtol=1e-8)
    np.testing.assert_allclose(ours.loc[answer.index, "padj"], answer["p.adjust"], rtol=1e-8)


def test_collapse_terms__folds_a_copy_and_keeps_another():
    terms = pd.DataFrame(
        {"term": ["best", "copy", "other"], "genes": ["A, B, C, D", "A, B, C", "X, Y, Z"]}
    )
    assert collapse_terms(terms, similarity=0.5).tolist() == ["best", "best", "other"]


def test_enrichment_scores__by_hand():
    # Set at ranks 1 and 3 of 4, statistics 3, 2, 1, -1: hits add 3/4 and 1/4, misses take 1/2.
    score = enrichment_scores(np.array([3.0, 2, 1, -1]), np.array([[0, 2], [1, 3]]))
    # second set: -1/2 first, then +2/3, -1/2, +1/3: lowest -1/2
    assert score.tolist() == [0.75, -0.5]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.floats(-5, 5), min_size=8, max_size=30), st.data())
def test_enrichment_scores__stay_between_minus_one_and_one(
    values: list[float], data: st.DataObject
):
    ranked = np.sort(values)[::-1]
    size = data.draw(st.integers(1, len(values) - 1))
    chosen = data.draw(st.permutations(range(len(values))))[:size]
    (score,) = enrichment_scores(ranked, np.sort(chosen)[None, :])
    assert -1 - 1e-9 <= score <= 1 + 1e-9


def test_rank_sets__equals_fgsea(oracles: Path):
    folder = oracles / "fgsea"
    ranks = read_tsv(folder / "input/ranks.tsv.gz", dtype={"gene": str}).set_index("gene")["stat"]
    sets = read_bare(folder / "input/pathways.gmt.gz")
    ours = rank_sets(ranks, sets, n_permutations=4000, seed=0, min_size=15).set_index("term")
    exact = read_tsv(folder / "output/enrichment_scores_exact.tsv.gz").set_index("pathway")
    answer = read_tsv(folder / "output/fgsea_simple_nperm10000.tsv.gz").set_index("pathway")
    spread = read_tsv(folder / "output/nes_seed_spread.tsv.gz").set_index("pathway").iloc[:, 0]
    assert set(ours.index) == set(answer.index)
    np.testing.assert_allclose(ours["es"], exact.loc[ours.index, "ES_weight1"], atol=1e-6)
    distance = (ours["nes"] - answer.loc[ours.index, "NES"]).abs()
    # As far from fgsea as fgsea's own seeds are from each other; the spread of five seeds is
    # itself uncertain, so that it is judged over all sets.
    assert np.sqrt((distance**2).mean()) <= 1.5 * np.sqrt((spread**2).mean())
    assert distance.max() < 0.05


def test_rank_sets__finds_nothing_in_noise():
    rng = np.random.default_rng(0)
    noise = pd.Series(rng.normal(size=2000), [f"g{i}" for i in range(2000)])
    sets = {("L", str(i)): list(rng.choice(noise.index, 30, replace=False)) for i in range(200)}
    table = rank_sets(noise, sets, n_permutations=1000, seed=1)
    assert (table["pvalue"] < 0.05).mean() == pytest.approx(0.05, abs=0.035)
    assert (table["padj"] < 0.05).sum() == 0


def test_rank_sets__refuses_a_gene_twice():
    with pytest.raises(DataError, match="gene A stands twice"):
        rank_sets(pd.Series([1.0, 2.0], ["A", "A"]), {}, n_permutations=10, seed=0)


@pytest.mark.parametrize(
    ("score", "name"), [(score_gsva, "gsva_gaussian_maxdiff"), (score_ssgsea, "ssgsea_norm")]
)
def test_scores__equal_gsva(oracles: Path, score, name: str):
    folder = oracles / "gsva"
    values = read_tsv(folder / "input/leukemia_log2.tsv.gz").set_index("gene")
    sets = read_bare(folder / "input/hallmark.gmt", folder / "input/aml_celltype.gmt")
    ours = score(values, sets, min_size=5).droplevel("library")
    answer = read_tsv(folder / f"output/{name}.tsv.gz").set_index("set")
    assert set(ours.index) == set(answer.index)
    np.testing.assert_allclose(ours.loc[answer.index, answer.columns], answer, atol=1e-3)
    r = np.corrcoef(
        ours.loc[answer.index, answer.columns].to_numpy().ravel(), answer.to_numpy().ravel()
    )
    assert r[0, 1] >= 0.999


def test_mean_rates__is_the_mean_over_the_samples_mean():
    rates = pd.DataFrame({"s": [4.0, 2.0, 0.0, 2.0]}, index=list("ABCD"))
    table = mean_rates(rates, {("L", "set"): ["A", "B", "missing"]}, min_size=2)
    assert table.loc[("L", "set"), "s"] == 1.0


def test_log_rates__by_hand():
    rates = log_rates(np.array([[1.0, 3.0]]), pd.Index(["A", "B"]), pd.Index(["s"]))
    np.testing.assert_allclose(rates["s"], np.log2([250_001, 750_001]))


def test_measure_terms__finds_a_planted_shift_and_says_when_it_cannot():
    rng = np.random.default_rng(0)
    genes, names = [f"g{i}" for i in range(200)], list("abcdef")
    rates = pd.DataFrame(rng.normal(5, 0.2, (200, 6)), genes, names)
    rates.iloc[:20, 3:] += 1.0
    groups = pd.Series(["CR"] * 3 + ["NCR"] * 3, names)
    sets = {("L", "up"): genes[:20], ("L", "flat"): genes[50:70], ("L", "same"): genes[90:120]}
    contrast = Contrast(test="NCR", reference="CR")
    options = {"cell_type": "T", "min_size": 10, "confidence": 0.95}
    table = measure_terms(rates, groups, contrast, sets, **options).set_index("feature")
    assert table.loc["L: up", "effect"] == pytest.approx(0.9, abs=0.1)
    assert table.loc["L: up", "ci_low"] > 0.7
    # The others move down only by the tenth that the mean of all genes moved up.
    assert table.loc[["L: flat", "L: same"], "effect"].abs().max() < 0.25
    few = measure_terms(rates[["a"]], groups, contrast, sets, **options)
    assert few["effect"].isna().all()
    assert few["reason"].iloc[0] == "1 and 0 samples have enough cells: a group needs two"


def test_find_terms__of_both_directions_against_the_genes_tested():
    genes = pd.DataFrame({"gene": [f"g{i}" for i in range(100)], "cell_type": "T", "contrast": "x"})
    genes = genes.assign(log2fc=0.0, padj=1.0)
    genes.loc[:9, ["log2fc", "padj"]] = [1.0, 0.001]
    genes.loc[10:19, ["log2fc", "padj"]] = [-1.0, 0.001]
    sets = {
        ("L", "first"): list(genes["gene"][:12]),
        ("L", "copy"): list(genes["gene"][:11]),
        ("L", "second"): list(genes["gene"][10:22]),
    }
    options = {"fdr": 0.05, "min_log2fc": 0.25, "similarity": 0.5, "min_size": 5, "max_size": 50}
    terms = find_terms(genes, sets, **options)
    best = {
        side: show_terms(terms, cell_type="T", direction=side, n=5, fdr=0.05)["term"].tolist()
        for side in ("up", "down")
    }
    assert best == {"up": ["copy"], "down": ["second"]}
    assert set(terms["n_background"]) == {100}


def test_pick_terms__takes_turns():
    ranked = pd.DataFrame(
        {
            "part": ["a", "a", "b", "b"],
            "library": "L",
            "term": ["t1", "t2", "t3", "t4"],
            "nes": [3.0, 2.5, -1.5, 1.2],
            "padj": [0.01, 0.01, 0.01, 0.5],
        }
    )
    assert pick_terms(ranked, by="part", n=2, fdr=0.05) == [("L", "t1"), ("L", "t3")]


def test_rate_pathways__wants_the_direction_and_the_threshold():
    ranked = pd.DataFrame(
        {
            "subcluster": ["0", "0", "1"],
            "library": "L",
            "term": ["Hypoxia", "Apoptosis", "Hypoxia"],
            "nes": [2.0, 2.0, 1.5],
            "padj": [0.01, 0.01, 0.2],
        }
    )
    planted = pd.DataFrame(
        {
            "subcluster": ["0", "0", "1"],
            "pathway": ["hypoxia", "apoptosis", "hypoxia"],
            "log2fc": [1.0, -1.0, 1.0],
        }
    )
    table = rate_pathways(ranked, planted, by="subcluster", fdr=0.05)
    found = table.set_index(["subcluster", "pathway"])["found"].to_dict()
    assert found == {("0", "apoptosis"): False, ("0", "hypoxia"): True, ("1", "hypoxia"): False}


def test_score_pseudobulk__has_both_methods_for_every_column():
    rng = np.random.default_rng(0)
    rates = pd.DataFrame(rng.normal(5, 1, (60, 4)), [f"g{i}" for i in range(60)], list("wxyz"))
    rates.iloc[:15, 0] += 5
    table = score_pseudobulk(rates, {("L", "t"): [f"g{i}" for i in range(15)]}, min_size=10)
    best = table.loc[table.groupby("method")["score"].idxmax()].set_index("method")["column"]
    assert best.to_dict() == {"GSVA": "w", "ssGSEA": "w"}


def test_rank_groups__puts_interferon_first_in_stimulated_blood(real_data: Path):
    from scipy import sparse

    from helpers.compute.expression import rank_cells
    from helpers.compute.normalise import log_normalise
    from helpers.io.tenx import read_rna

    folder = real_data / "cohorts/kang"
    labels = pd.read_csv(folder / "labels.csv.gz")
    blocks, cells = [], []
    for sample in ("ctrl101", "ctrl107", "stim101", "stim107"):
        adata = read_rna(folder / sample / "filtered_feature_bc_matrix.h5")
        mine = labels[labels["sample"] == sample].set_index("barcode")["cell_type"]
        blocks.append(adata[mine.index].X)
        cells.append(pd.DataFrame({"cell_type": mine.to_numpy(), "group": sample[:4]}))
    expression, table = log_normalise(sparse.vstack(blocks, format="csr")), pd.concat(cells)
    sets = read_gene_sets([real_data / "genesets/h.all.v7.0.symbols.gmt.gz"])
    parts = []
    for kind in sorted(table["cell_type"].unique()):
        mine = (table["cell_type"] == kind).to_numpy()
        groups = table.loc[mine, "group"].to_numpy()
        ranked = rank_cells(
            expression[mine], adata.var_names, groups, reference="ctrl", test="stim"
        )
        parts.append(ranked.assign(cell_type=kind))
    found = rank_groups(
        pd.concat(parts),
        sets,
        by=["cell_type"],
        statistic="z",
        n_permutations=1000,
        seed=0,
        min_size=10,
        max_size=500,
    )
    first = found.sort_values("nes", ascending=False).groupby("cell_type").head(1)
    assert len(first) == table["cell_type"].nunique() == 5
    assert first["term"].str.startswith("Interferon").all()
