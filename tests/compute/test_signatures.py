"""Signatures: coverage, scores by hand and against the originals, random sets, contrasts."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_tsv
from scipy import sparse, stats
from sklearn.metrics import roc_auc_score

from helpers.compute.normalise import log_normalise
from helpers.compute.rank_scores import score_ucell
from helpers.compute.signatures import (
    CHUNK,
    Family,
    average_parts,
    average_types,
    compare_scores,
    correlate_signatures,
    draw_matched,
    list_scores,
    log_moments,
    make_family,
    match_genes,
    measure_signatures,
    multiply,
    place_signatures,
    rate_agreement,
    rate_separation,
    rate_shifts,
    score_cells,
    score_linear,
    score_samples,
    score_z,
    side_weights,
)
from helpers.errors import DataError
from helpers.io.gene_sets import read_gene_sets
from helpers.io.reference import symbol_of_id
from helpers.io.signatures import gather_signatures, read_registry
from helpers.params import marker_file
from helpers.schema import Contrast, Signature

ALIASES = {"OLD": "NEW"}
NCR_CR = Contrast(test="NCR", reference="CR")


def make_signature(weights: dict[str, float], **more: object) -> Signature:
    fields = {
        "id": "s",
        "name": "S",
        "topic": "other",
        "linear": False,
        "status": "exact",
        "source": "",
    }
    return Signature(weights=weights, **(fields | more))


def registered(lists_folder: Path | None = None) -> dict[str, Signature]:
    registry = read_registry(marker_file("signatures.yml"))
    return {s.id: s for s in gather_signatures(registry, {}, lists_folder=lists_folder)}


# Genes and their names


@pytest.mark.parametrize(
    ("measured", "expected"),
    [(["NEW"], "NEW"), (["OLD"], "OLD"), (["OLD", "NEW"], "NEW"), (["X"], None)],
)
def test_match_genes__finds_a_gene_under_either_symbol(measured, expected):
    assert match_genes(pd.Index(measured), ["NEW"], ALIASES).get("NEW") == expected


def test_match_genes__takes_the_name_asked_for_where_both_are_measured():
    assert match_genes(pd.Index(["OLD", "NEW"]), ["OLD"], ALIASES) == {"OLD": "OLD"}


def test_place_signatures__lists_missing_genes_and_refuses_below_the_limit():
    signatures = [
        make_signature({"A": 1.0, "B": -1.0, "C": 1.0, "OLD": 1.0}, id="most"),
        make_signature({"A": 1.0, "X": 1.0, "Y": 1.0, "Z": 1.0}, id="few"),
        make_signature({"A": 1.0}, id="one"),
        make_signature({}, id="none", reason="its list is not public"),
    ]
    placed, table = place_signatures(
        signatures, pd.Index(["A", "B", "NEW"]), ALIASES, min_coverage=0.6, min_genes=2
    )
    assert {name: weights.to_dict() for name, weights in placed.items()} == {
        "most": {"A": 1.0, "B": -1.0, "NEW": 1.0}
    }
    assert table["missing"].tolist() == ["C", "X, Y, Z", "", ""]
    assert table["reason"].tolist() == [
        "",
        "1 of 4 genes measured; needed: 60%",
        "1 genes measured; needed: 2",
        "its list is not public",
    ]
    assert table["n_present"].tolist() == [3, 1, 1, 0]
    assert table["scored"].tolist() == [True, False, False, False]


# Linear score and combined z


def test_score_linear__lsc17_is_the_sum_worked_by_hand_with_old_symbols_too():
    lsc17 = registered()["lsc17"]
    aliases = read_registry(marker_file("signatures.yml")).aliases
    values = pd.Series(np.arange(1.0, 18.0), index=list(lsc17.weights))
    # 1*.0874 - 2*.0347 + 3*.00865 - 4*.0138 + 5*.00582 + 6*.0258 + 7*.0284 + 8*.0196 - 9*.0704
    # - 10*.0258 + 11*.0271 - 12*.0226 + 13*.0146 + 14*.0465 + 15*.0338 - 16*.0402 + 17*.0501
    by_hand = 1.21985
    frame = values.to_frame("patient")
    assert score_linear(frame, lsc17, aliases)["patient"] == pytest.approx(by_hand, abs=1e-12)
    earlier = {"FAM30A": "KIAA0125", "ADGRG1": "GPR56", "BEX3": "NGFRAP1"}
    renamed = frame.rename(index=earlier)
    assert score_linear(renamed, lsc17, aliases)["patient"] == pytest.approx(by_hand, abs=1e-12)
    assert set(earlier.values()) <= set(renamed.index)


def test_score_linear__refuses_a_score_without_a_gene():
    with pytest.raises(DataError, match="S needs all its genes; not measured: B"):
        score_linear(pd.DataFrame({"p": [1.0]}, index=["A"]), make_signature({"A": 1, "B": 2}), {})


def test_side_weights__by_hand():
    assert side_weights(np.array([1.0, 1, 1, 1, -1])).tolist() == [0.5, 0.5, 0.5, 0.5, -1]
    assert side_weights(np.array([3.0, 4.0])).tolist() == [0.6, 0.8]


def test_score_z__by_hand():
    frame = pd.DataFrame([[0.0, 2, 4], [1, 1, 4], [3, 3, 3], [4, 2, 0]], index=list("ABCD"))
    # z of A and D: -1, 0, 1 and back; of B: -1/sqrt 3, the same, 2/sqrt 3; C does not vary
    score = score_z(frame, pd.Series({"A": 1.0, "B": 1.0, "C": 1.0, "D": -1.0}))
    root = np.sqrt(2)
    b = np.array([-1, -1, 2]) / np.sqrt(3)
    np.testing.assert_allclose(score, (np.array([-1, 0, 1]) + b) / root - np.array([1, 0, -1]))


def test_score_z__equals_the_combined_z_of_gsva(oracles: Path):
    folder = oracles / "gsva"
    values = read_tsv(folder / "input/leukemia_log2.tsv.gz").set_index("gene")
    sets = {}
    for path in ("hallmark.gmt", "aml_celltype.gmt"):
        for line in (folder / "input" / path).read_text().splitlines():
            name, _, *genes = line.split("\t")
            sets[name] = [gene for gene in dict.fromkeys(genes) if gene in values.index]
    answer = read_tsv(folder / "output/zscore.tsv.gz").set_index("set")
    ours = pd.DataFrame(
        {name: score_z(values, pd.Series(1.0, index=sets[name])) for name in answer.index}
    ).T
    np.testing.assert_allclose(ours[answer.columns], answer, atol=1e-9)


# Real cells: dormant against cycling


@pytest.fixture
def ebinger(real_data: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Genes x cells of Ebinger et al. 2016 by symbol, and which cells retained their label."""
    adata = ad.read_h5ad(real_data / "signatures/ebinger_LRC.h5ad")
    names = adata.var_names.map(lambda name: symbol_of_id().get(name, name))
    frame = pd.DataFrame(adata.X.T.astype(float), index=names, columns=adata.obs_names)
    frame = frame[~frame.index.duplicated()]
    return frame, (adata.obs["group"] == "LRC").to_numpy()


def test_score_z__g0_arrest_is_z_up_less_z_down_and_tells_dormant_cells(ebinger, real_data: Path):
    frame, dormant = ebinger
    signature = registered(real_data / "signatures")["g0_arrest"]
    aliases = read_registry(marker_file("signatures.yml")).aliases
    placed, _ = place_signatures([signature], frame.index, aliases, min_coverage=0.5, min_genes=3)
    score = score_z(frame, placed["g0_arrest"])
    expected = np.zeros(frame.shape[1])
    for sign in (1.0, -1.0):
        genes = [g for g, w in placed["g0_arrest"].items() if w == sign and frame.loc[g].std() > 0]
        z = stats.zscore(frame.loc[genes].to_numpy(), axis=1, ddof=1)
        expected += sign * z.sum(axis=0) / np.sqrt(len(genes))
    np.testing.assert_allclose(score, expected, rtol=0, atol=1e-10)
    area, low, high = rate_separation(score.to_numpy(), dormant, confidence=0.95)
    # 14 label-retaining cells against 34 others
    assert dormant.sum() == 14
    assert len(dormant) == 48
    assert (round(area, 3), round(low, 3), round(high, 3)) == (0.903, 0.769, 1.0)


def test_score_z__the_projects_own_quiescence_list_tells_less(ebinger):
    frame, dormant = ebinger
    placed, _ = place_signatures(
        [registered()["quiescence"]], frame.index, {}, min_coverage=0.5, min_genes=3
    )
    area, low, high = rate_separation(
        score_z(frame, placed["quiescence"]).to_numpy(), dormant, confidence=0.95
    )
    assert (round(area, 2), round(low, 2), round(high, 2)) == (0.62, 0.44, 0.8)


def test_registry__ferroptosis_answers_erastin_in_the_known_direction(real_data: Path):
    table = pd.read_csv(real_data / "signatures/erastin_limma.csv", index_col=0)
    assert table.loc["SLC7A11", "logFC"] > 0.5
    assert table.loc["SLC7A11", "adj.P.Val"] < 1e-4
    placed, _ = place_signatures(
        list(registered().values()), table.index, {}, min_coverage=0.5, min_genes=3
    )
    shift = {
        name: float(table.loc[w.index, "logFC"] @ np.sign(w)) / len(w) for name, w in placed.items()
    }
    mine = placed["ferroptosis_markers"].index
    drawn = draw_matched(
        table["AveExpr"].to_numpy() - table["AveExpr"].min() + 1,
        table.index.get_indexer(mine),
        n_draws=500,
        seed=0,
    )
    random = table["logFC"].to_numpy()[drawn].mean(axis=1)
    assert shift["ferroptosis_markers"] > random.max()
    assert shift["glutathione"] > 0.1
    assert shift["ferroptosis_suppressors"] > 0.1
    assert (table.loc[mine, "logFC"] > 0).all()


# Random sets


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(0, 10))
def test_draw_matched__draws_other_genes_each_once(n_members: int, seed: int):
    rng = np.random.default_rng(seed)
    levels = rng.lognormal(0, 1, 300)
    members = rng.choice(300, n_members, replace=False)
    drawn = draw_matched(levels, members, n_draws=5, seed=seed)
    assert drawn.shape == (5, n_members)
    assert not set(drawn.ravel()) & set(members)
    assert all(len(set(row)) == n_members for row in drawn)


def test_draw_matched__takes_genes_of_like_expression_and_never_silent_ones():
    levels = np.concatenate([np.zeros(500), np.linspace(1, 10, 2000)])
    members = np.array([600, 1500, 2400])
    drawn = draw_matched(levels, members, n_draws=200, seed=0)
    assert np.abs(levels[drawn].mean(axis=0) - levels[members]).max() < 0.1
    # the hundred nearest genes lie within 0.23 of the middle of the ranking
    assert np.abs(levels[drawn] - levels[members]).max() < 0.5
    assert drawn.min() >= 500


def test_draw_matched__needs_as_many_genes_outside():
    with pytest.raises(DataError, match="1 genes outside a signature of 2"):
        draw_matched(np.ones(3), np.array([0, 1]), n_draws=1, seed=0)


# Cells


def make_counts(n_cells: int = 60, n_genes: int = 200, seed: int = 0) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(0, 1, n_genes) * rng.lognormal(0, 0.3, (n_cells, 1))
    return sparse.csr_matrix(rng.poisson(rate).astype(np.float32))


GENES = pd.Index([f"g{i}" for i in range(200)])
WEIGHTS = {
    "both": pd.Series({"g0": 1.0, "g1": 1.0, "g2": 1.0, "g3": -1.0, "g4": -1.0}),
    "weighted": pd.Series({"g5": 0.5, "g6": 2.0}),
}


@pytest.fixture(scope="module")
def scored():
    counts = make_counts()
    totals = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    levels, _ = log_moments(counts, totals=totals, target_sum=1e4)
    family = make_family(WEIGHTS, GENES, levels, n_random=10, seed=3)
    units = np.repeat([0, 1, 2], 20)
    scores = score_cells(
        counts, GENES, family, units, totals=totals, target_sum=1e4, max_rank=100, top=0.1
    )
    logs = pd.DataFrame(log_normalise(counts, totals=totals).toarray().T, index=GENES)
    return counts, family, scores, logs


def test_log_moments__are_those_of_the_dense_matrix(scored):
    counts, _, _, logs = scored
    totals = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    mean, sd = log_moments(counts, totals=totals, target_sum=1e4)
    np.testing.assert_allclose(mean, logs.mean(axis=1))
    np.testing.assert_allclose(sd, logs.std(axis=1, ddof=1))


def test_multiply__equals_the_dense_product():
    rng = np.random.default_rng(0)
    left = sparse.random_array((30, 50), density=0.2, rng=rng, format="csr")
    right = sparse.random_array((50, 70), density=0.3, rng=rng, format="csr")
    np.testing.assert_allclose(multiply(left, right), left.toarray() @ right.toarray())


def test_score_cells__weighted_z_is_that_of_the_dense_matrix(scored):
    _, family, scores, logs = scored
    for i, name in enumerate(family.ids):
        np.testing.assert_allclose(
            scores.score["weighted z"][:, i], score_z(logs, WEIGHTS[name]), atol=1e-5
        )


def test_score_cells__ucell_is_that_of_the_genes_for_less_those_against(scored):
    counts, _, scores, _ = scored
    sides = score_ucell(
        counts, GENES, {"up": ["g0", "g1", "g2"], "down": ["g3", "g4"]}, max_rank=100
    )
    np.testing.assert_allclose(scores.score["UCell"][:, 0], sides["up"] - sides["down"], atol=1e-6)


def test_score_cells__random_sets_are_scored_as_signatures_are(scored):
    _, family, scores, logs = scored
    weights = WEIGHTS["both"].to_numpy()
    random = np.array(
        [score_z(logs, pd.Series(weights, GENES[row])) for row in family.places[0][1:]]
    )
    np.testing.assert_allclose(scores.null_mean["weighted z"][:, 0], random.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        scores.null_sd["weighted z"][:, 0], random.std(axis=0, ddof=1), atol=1e-5
    )
    np.testing.assert_allclose(
        scores.unit_mean["weighted z"][1, 0, 1:], random[:, 20:40].mean(axis=1), atol=1e-6
    )


def test_score_cells__gives_the_same_whatever_the_parts(scored, monkeypatch):
    counts, family, scores, _ = scored
    monkeypatch.setattr("helpers.compute.signatures.CHUNK", 7)
    totals = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    again = score_cells(
        counts,
        GENES,
        family,
        np.repeat([0, 1, 2], 20),
        totals=totals,
        target_sum=1e4,
        max_rank=100,
        top=0.1,
    )
    assert CHUNK > 7
    for method, values in scores.score.items():
        np.testing.assert_allclose(again.score[method], values, atol=1e-6)
        np.testing.assert_allclose(again.unit_mean[method], scores.unit_mean[method], atol=1e-9)


def test_score_cells__signatures_of_random_genes_lie_among_their_random_sets():
    """A hundred sets of unrelated genes: their places among their random sets are even."""
    counts = make_counts(n_cells=40, n_genes=200, seed=5)
    totals = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    rng = np.random.default_rng(0)
    placed = {str(i): pd.Series(1.0, GENES[rng.choice(200, 10, replace=False)]) for i in range(100)}
    levels, _ = log_moments(counts, totals=totals, target_sum=1e4)
    family = make_family(placed, GENES, levels, n_random=20, seed=0)
    scores = score_cells(
        counts,
        GENES,
        family,
        np.zeros(40, int),
        totals=totals,
        target_sum=1e4,
        max_rank=100,
        top=0.1,
    )
    over = (scores.score["weighted z"] - scores.null_mean["weighted z"]) / scores.null_sd[
        "weighted z"
    ]
    assert abs(over.mean()) < 0.15
    assert over.std() == pytest.approx(1.08, abs=0.12)  # a t with 19 degrees of freedom, a new draw


# Samples


def test_score_samples__both_methods_raise_the_sample_that_has_more():
    rng = np.random.default_rng(0)
    rates = pd.DataFrame(rng.normal(5, 1, (200, 6)), index=GENES)
    rates.loc[["g0", "g1", "g2"], 0] += 4
    rates.loc[["g3", "g4"], 0] -= 4
    family = make_family(WEIGHTS, GENES, np.ones(200), n_random=15, seed=0)
    found = score_samples(rates, family, np.array(["T"] * 6))
    for values in found.values():
        assert values[:, 0, 0].argmax() == 0
        assert (values[0, 0, 0] > values[0, 0, 1:]).all()
    alone = score_samples(rates, family, np.array(["T"] * 5 + ["U"]))
    assert np.isnan(alone["GSVA"][5]).all()
    np.testing.assert_allclose(alone["ssGSEA"], found["ssGSEA"])


def make_units(kinds: tuple[str, ...] = ("T",)) -> pd.DataFrame:
    rows = [
        (f"{group}{i}", group, kind) for kind in kinds for group in ("CR", "NCR") for i in range(4)
    ]
    return pd.DataFrame(rows, columns=["sample", "group", "cell_type"])


def test_list_scores__puts_random_sets_beside():
    values = np.array([[[2.0, 1.0, 0.0, -1.0]]])
    units = pd.DataFrame({"sample": ["a"], "cell_type": ["T"]})
    (row,) = list_scores({"weighted z": values}, units, ["s"]).itertuples()
    assert (row.signature, row.method, row.score, row.null_mean, row.null_sd) == (
        "s",
        "weighted z",
        2.0,
        0.0,
        1.0,
    )
    assert row.null_z == 2.0


def test_compare_scores__finds_a_shift_that_random_sets_do_not_have():
    rng = np.random.default_rng(3)
    units = make_units()
    values = rng.normal(0, 0.3, (8, 5, 21))
    values[4:, 0, 0] += 2
    values[4:, 1] += 2  # all genes of this level shift, the random sets as well
    table = compare_scores({"weighted z": values}, units, list("abcde"), NCR_CR, confidence=0.95)
    table = table.set_index("signature")
    assert (table.loc[["a", "b"], "padj"] < 0.01).all()
    assert table.loc["a", "effect"] == pytest.approx(2, abs=0.5)
    assert table.loc["a", "ci_low"] > 0
    assert table.loc["a", "null_pvalue"] == pytest.approx(1 / 21)
    assert table.loc["b", "null_low"] < table.loc["b", "effect"] < table.loc["b", "null_high"]
    assert table.loc["b", "null_pvalue"] > 0.1
    assert (table.loc[["c", "d", "e"], "padj"] > 0.05).all()


def test_compare_scores__compares_within_donors_sampled_in_both_groups():
    rng = np.random.default_rng(3)
    donors = pd.Series([f"d{i}" for i in range(4)] * 2, make_units()["sample"])
    of_donor = np.tile(rng.normal(0, 3, 4), 2)[:, None, None]
    values = rng.normal(0, 0.1, (8, 5, 21)) + of_donor
    values[4:, 0, 0] += 1
    ids = list("abcde")
    compare = {"units": make_units(), "ids": ids, "contrast": NCR_CR, "confidence": 0.95}
    apart = compare_scores({"m": values}, **compare).set_index("signature")
    within = compare_scores({"m": values}, **compare, donors=donors).set_index("signature")
    assert apart.loc["a", "pvalue"] > 0.1
    assert within.loc["a", "pvalue"] < 1e-4
    assert within.loc["a", "effect"] == pytest.approx(apart.loc["a", "effect"])
    assert within.loc["a", "null_pvalue"] == pytest.approx(1 / 21)
    assert within["test"].str.contains("within donors").all()
    # a fifth donor, of one group alone, has no part in it
    units = pd.concat(
        [make_units(), pd.DataFrame([("NCR9", "NCR", "T")], columns=make_units().columns)]
    )
    more = np.concatenate([values, np.full((1, 5, 21), 50.0)])
    who = pd.concat([donors, pd.Series({"NCR9": "d9"})])
    again = compare_scores({"m": more}, **(compare | {"units": units}), donors=who)
    pd.testing.assert_frame_equal(again, within.reset_index()[again.columns])


def test_compare_scores__says_when_a_group_is_too_small():
    values = np.zeros((3, 1, 4))
    units = make_units().iloc[[0, 1, 4]]
    units = units[units["group"] == "CR"]
    table = compare_scores({"m": values[:2]}, units, ["s"], NCR_CR, confidence=0.95)
    assert table["reason"].tolist() == [
        "2 and 0 samples have enough cells: both groups need one, one of them two"
    ]
    assert table["pvalue"].isna().all()


def test_compare_scores__holds_its_error_rate_where_nothing_differs():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (8, 400, 3))
    ids = [f"s{i}" for i in range(400)]
    table = compare_scores({"m": values}, make_units(), ids, NCR_CR, confidence=0.95)
    assert (table["pvalue"] < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert ((table["ci_low"] > 0) | (table["ci_high"] < 0)).mean() == pytest.approx(0.05, abs=0.025)


def test_measure_signatures__is_by_sample_with_the_groups_named():
    values = np.random.default_rng(0).normal(0, 1, (8, 1, 5))
    means = {"weighted z": values, "UCell": values}
    table = compare_scores(means, make_units(), ["s"], NCR_CR, confidence=0.95)
    (row,) = measure_signatures(table, [NCR_CR]).itertuples()
    assert (row.measure, row.feature, row.test_group, row.reference_group, row.unit) == (
        "signature", "s", "NCR", "CR", "sample",
    )  # fmt: skip


# Tables


def test_correlate_signatures__by_hand():
    scores = pd.DataFrame({"a": [1.0, 2, 3], "b": [10.0, 20, 15], "c": [3.0, 2, 1]})
    table = correlate_signatures(scores)
    assert table.loc["a", "b"] == pytest.approx(0.5)
    assert table.loc["a", "c"] == pytest.approx(-1)


def test_rate_agreement__by_hand():
    a = pd.DataFrame({"s": [1.0, 2, 3]})
    table = rate_agreement({"x": a, "y": a**3, "z": -a})
    assert table[["first", "second"]].to_numpy().tolist() == [["x", "y"], ["x", "z"], ["y", "z"]]
    np.testing.assert_allclose(table["correlation"], [1, -1, -1])


def test_average_types__is_the_mean_over_samples_of_the_first_method():
    scores = pd.DataFrame(
        {
            "signature": "s",
            "method": ["weighted z", "weighted z", "UCell"],
            "cell_type": "T",
            "null_z": [1.0, 3.0, 100.0],
        }
    )
    assert average_types(scores, by=["cell_type"]).loc["s", "T"] == 2.0


def test_average_parts__leaves_cells_of_no_part_out():
    scores = pd.DataFrame({"s": [1.0, 3.0, 100.0]})
    parts = pd.Series(["A", "A", None])
    assert average_parts(scores, parts).to_dict() == {"A": {"s": 2.0}}


def test_rate_shifts__found_needs_direction_and_p_value():
    planted = pd.DataFrame(
        {"cell_type": "T", "signature": ["a", "a", "b", "c"], "gene": list("wxyz"), "log2fc": 1.0}
    ).assign(direction=1)
    contrasts = pd.DataFrame(
        {
            "cell_type": "T",
            "signature": list("abc"),
            "method": "m",
            "effect": [1.0, -1.0, 1.0],
            "ci_low": 0.5,
            "ci_high": 1.5,
            "padj": [0.01, 0.01, 0.2],
            "null_pvalue": 0.04,
        }
    )
    table = rate_shifts(contrasts, planted, fdr=0.05).set_index("signature")
    assert table["found"].to_dict() == {"a": True, "b": False, "c": False}
    assert table.loc["a", "n_moved"] == 2


def test_rate_separation__area_is_sklearns_and_the_interval_is_worked_by_hand():
    score, positive = np.array([3.0, 1, 2, 0]), np.array([True, True, False, False])
    # cases win 1 and 1/2 of their pairs, controls lose 1/2 and 1: variances 1/8, over 2 and 2
    area, low, high = rate_separation(score, positive, confidence=0.95)
    assert area == 0.75
    assert low == pytest.approx(0.75 - 1.959964 * np.sqrt(1 / 8), abs=1e-6)
    assert high == 1.0
    rng = np.random.default_rng(0)
    score, positive = rng.normal(0, 1, 100), rng.random(100) < 0.3
    area, _, _ = rate_separation(score, positive, confidence=0.95)
    assert area == pytest.approx(roc_auc_score(positive, score))


def test_rate_separation__interval_covers_the_true_area():
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    positive = np.arange(80) < 30
    hits = 0
    for _ in range(400):
        score = rng.normal(0, 1, 80) + positive
        _, low, high = rate_separation(score, positive, confidence=0.95)
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_rate_separation__needs_two_cells_a_side():
    with pytest.raises(DataError, match="1 cells on one side and 1 on the other"):
        rate_separation(np.array([1.0, 2.0]), np.array([True, False]), confidence=0.95)


def test_family__counts_the_signature_itself():
    assert Family(["s"], [np.ones(2)], [np.zeros((11, 2), int)]).n_sets == 11


def test_registry__sets_are_in_the_built_in_collection():
    sets = read_gene_sets([marker_file("gene_sets.gmt")])
    registry = read_registry(marker_file("signatures.yml"))
    found = {s.id: s for s in gather_signatures(registry, sets, lists_folder=None)}
    assert all(len(found[e.id].weights) > 10 for e in registry.entries if e.sets)
