"""Tables of motifs: ranks, levels, expression joined, planted factors, numbers for claims."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.compute.claims import judge_claims
from helpers.compute.motif_tables import (
    ABSENT,
    FLAT,
    OPPOSITE,
    SAME,
    UNTESTED,
    average_deviations,
    compare_deviations,
    compare_expression,
    count_peaks,
    enrich_contrasts,
    join_motifs,
    measure_motifs,
    pick_peaks,
    rank_groups,
    rate_motifs,
    summarise_expression,
)
from helpers.schema import Claim, Contrast

OF_TYPE = "Pro-B vs others"
CONTRAST = Contrast(test="NCR", reference="CR")
MOTIFS = pd.DataFrame(
    {"tf": ["EBF1", "EBF3", "SP1", "FOX"], "motif_group": ["EBF", "EBF", "SP", "FOX"]},
    index=pd.Index(["M1", "M2", "M3", "M4"], name="motif_id"),
)


def some_peaks() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "contrast": OF_TYPE,
            "unit": ["cell", "cell", "cell", "cell", "sample"],
            "peak": [4, 2, 9, 7, 1],
            "log2fc": [1.0, 0.5, -2.0, 0.1, 3.0],
            "padj": [0.01, 0.001, 0.001, 0.001, 0.001],
        }
    )


def test_pick_peaks__by_hand():
    peaks = some_peaks()
    assert pick_peaks(peaks, OF_TYPE, "up", fdr=0.05, min_log2fc=0.25).tolist() == [2, 4]
    assert pick_peaks(peaks, OF_TYPE, "down", fdr=0.05, min_log2fc=0.25).tolist() == [9]
    assert pick_peaks(peaks, "NCR vs CR", "up", fdr=0.05, min_log2fc=0.25).tolist() == []


def test_count_peaks__by_hand():
    counts = count_peaks(some_peaks(), [OF_TYPE], fdr=0.005, min_log2fc=0.25)
    assert counts.to_numpy().tolist() == [
        [OF_TYPE, "cell", 4, 1, 1, ""],
        [OF_TYPE, "sample", 1, 1, 0, ""],
    ]


def test_count_peaks__says_where_nothing_was_tested():
    peaks = some_peaks().query("unit == 'cell'")
    counts = count_peaks(peaks, [OF_TYPE, "NCR vs CR"], fdr=0.05, min_log2fc=0.25)
    assert counts["n_tested"].tolist() == [4, 0, 0, 0]
    by_cell, by_sample = UNTESTED["cell"], UNTESTED["sample"]
    assert counts["reason"].tolist() == ["", by_sample, by_cell, by_sample]


def test_rank_groups__gives_motifs_alike_the_place_of_the_best():
    table = pd.DataFrame(
        {
            "motif_group": ["A", "A", "B", "C", "C"],
            "pvalue": [0.5, 1e-9, 1e-4, 0.0, 0.2],
            "fold": [1.0, 3, 2, 4, 1],
        }
    )
    assert rank_groups(table).tolist() == [2, 2, 3, 1, 1]
    # equal p-values: the larger fold comes first
    equal = table.assign(pvalue=0.0)
    assert rank_groups(equal).tolist() == [2, 2, 3, 1, 1]


def planted_peaks(seed: int = 0) -> tuple[pd.DataFrame, sparse.csr_matrix, pd.DataFrame]:
    """1,500 tested peaks, of which 200 are up; M1 and M2 lie in half of those, the rest anywhere."""
    rng = np.random.default_rng(seed)
    up = np.arange(1500) < 200
    matches = rng.random((1500, 4)) < 0.1
    matches[:, 0] |= up & (rng.random(1500) < 0.5)
    matches[:, 1] |= matches[:, 0] & (rng.random(1500) < 0.8)
    peaks = pd.DataFrame(
        {
            "contrast": OF_TYPE,
            "unit": "cell",
            "peak": np.arange(1500),
            "log2fc": np.where(up, 1.0, 0.0),
            "padj": np.where(up, 1e-5, 0.9),
        }
    )
    places = pd.DataFrame(
        {"gc": rng.uniform(0.3, 0.7, 1500), "insertions": rng.lognormal(3, 1, 1500)}
    )
    return peaks, sparse.csr_matrix(matches), places


def enrich_planted() -> pd.DataFrame:
    peaks, matches, places = planted_peaks()
    return enrich_contrasts(
        peaks, matches, places, MOTIFS, contrasts=[OF_TYPE], fdr=0.05, min_log2fc=0.25,
        n_background=5000, min_peaks=10, seed=0,
    )  # fmt: skip


def test_enrich_contrasts__finds_what_was_planted_and_nothing_else():
    table = enrich_planted()
    assert set(table["direction"]) == {"up"}
    called = table[table["padj"] < 0.05]
    assert set(called["tf"]) == {"EBF1", "EBF3"}
    assert called["rank"].tolist() == [1, 1]
    assert table.set_index("tf")["fold"]["EBF1"] == pytest.approx(5.5, rel=0.3)


def test_enrich_contrasts__has_no_row_where_too_few_peaks_differ():
    peaks, matches, places = planted_peaks()
    few = peaks.assign(padj=np.where(peaks["peak"] < 9, 1e-5, 0.9))
    table = enrich_contrasts(
        few, matches, places, MOTIFS, contrasts=[OF_TYPE], fdr=0.05, min_log2fc=0.25,
        n_background=5000, min_peaks=10, seed=0,
    )  # fmt: skip
    assert table.empty
    assert table.columns.tolist() == enrich_planted().columns.tolist()
    nothing = pd.DataFrame(columns=["contrast", "motif_id", "effect", "padj"])
    expressed = pd.DataFrame(columns=["contrast", "gene", "log2fc", "padj", "level"])
    joined = join_motifs(table, nothing, expressed, fdr=0.05)
    assert joined.empty
    wanted = {"tf_log2fc", "tf_padj", "agreement", "deviation", "fold", "pvalue"}
    assert wanted <= set(joined.columns)


def test_enrich_contrasts__leaves_out_peaks_of_unknown_sequence():
    peaks, matches, places = planted_peaks()
    unknown = peaks["peak"].isin([0, 1, 2, 1000])
    found = [
        enrich_contrasts(
            table, matches, places.assign(gc=gc), MOTIFS, contrasts=[OF_TYPE], fdr=0.05,
            min_log2fc=0.25, n_background=5000, min_peaks=10, seed=0,
        )
        for table, gc in (
            (peaks, places["gc"].mask(unknown)),
            (peaks[~unknown], places["gc"]),
        )
    ]  # fmt: skip
    assert (found[0]["n_foreground"] == 197).all()
    pd.testing.assert_frame_equal(*found)


def test_enrich_contrasts__has_no_row_where_no_other_peak_is_alike():
    peaks, matches, places = planted_peaks()
    apart = places.assign(gc=np.where(peaks["peak"] < 200, 0.95, places["gc"] - 0.2))
    table = enrich_contrasts(
        peaks, matches, apart, MOTIFS, contrasts=[OF_TYPE], fdr=0.05, min_log2fc=0.25,
        n_background=5000, min_peaks=10, seed=0,
    )  # fmt: skip
    assert table.empty


def test_rate_motifs__by_planted_and_others():
    planted = pd.DataFrame(
        {"contrast": OF_TYPE, "cell_type": ["Pro-B", "Pro-B", "HSC/MPP"],
         "tf": ["EBF1", "NRF1", "FOS"], "direction": "up"}
    )  # fmt: skip
    rated = rate_motifs(planted, enrich_planted(), MOTIFS, "Pro-B", fdr=0.05).set_index("tf")
    assert rated.index.tolist() == ["EBF1", "NRF1", "not planted"]
    assert rated.loc["EBF1", "rank"] == 1
    assert np.isnan(rated.loc["NRF1", "rank"])
    # EBF3 is alike a planted one: SP1 and FOX are the others
    assert rated.loc["not planted", ["n_others", "n_called", "share_called"]].tolist() == [2, 0, 0]


def test_average_deviations__by_hand():
    deviation = np.array([[1.0, np.nan], [3.0, np.nan], [-2.0, 0.0], [0.0, 0.0]])
    units = pd.DataFrame({"sample": ["a", "a", "b", "c"]})
    levels, table = average_deviations(deviation, pd.Index(["x", "y"]), units, min_nuclei=1)
    # means 2, -2 and 0; one plus them: 3, cut at 0.05, and 1; y is missing in a
    np.testing.assert_allclose(levels["x"], np.log2([3, 0.05, 1]))
    assert levels.columns.tolist() == ["x"]
    assert table.to_numpy().tolist() == [["a", 2], ["b", 1], ["c", 1]]


def test_average_deviations__averages_motifs_of_one_name_that_could_be_judged():
    deviation = np.array([[1.0, 3.0, np.nan, 0.0], [0.0, 0.0, 0.0, 1.0]])
    units = pd.DataFrame({"sample": ["a", "b"]})
    names = pd.Index(["x", "x", "x", "y"])
    levels, _ = average_deviations(deviation, names, units, min_nuclei=1)
    # log2 of 2 and 4, of which the mean is 1.5; the third is missing in a
    assert levels["x"].tolist() == [1.5, 0.0]
    assert levels["y"].tolist() == [0.0, 1.0]


def make_levels(seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """Deviations of nuclei of 6 samples; motif 0 is open in Pro-B, motif 1 lost there in NCR."""
    rng = np.random.default_rng(seed)
    cells = pd.DataFrame(
        [(f"{group}{i}", f"{group}{i}", group, kind) for group in ("CR", "NCR") for i in range(3)
         for kind in ["Pro-B"] * 15 + ["T"] * 15 + ["unassigned"]],
        columns=["sample", "donor", "group", "cell_type"],
    )  # fmt: skip
    deviation = rng.normal(0, 0.2, (len(cells), 40))
    pro_b, ncr = cells["cell_type"] == "Pro-B", cells["group"] == "NCR"
    deviation[pro_b, 0] += 1.0
    deviation[pro_b & ncr, 1] -= 0.5
    return deviation, cells


def test_compare_deviations__finds_planted_motifs_with_samples_as_units():
    deviation, cells = make_levels()
    names = pd.Index([f"m{i}" for i in range(40)], name="motif_id")
    found = compare_deviations(
        deviation, names, cells, "Pro-B", [CONTRAST], min_nuclei=5, confidence=0.95
    )
    by_type = found[found["contrast"] == OF_TYPE].set_index("motif_id")
    between = found[found["contrast"] == "NCR vs CR"].set_index("motif_id")
    assert by_type["pvalue"].idxmin() == "m0"
    assert by_type.loc["m0", "effect"] == pytest.approx(1.0, abs=0.1)
    assert by_type.loc["m0", ["n_test", "n_reference"]].tolist() == [6, 6]
    assert between["pvalue"].idxmin() == "m1"
    assert between.loc["m1", "effect"] == pytest.approx(-1.0, abs=0.15)
    assert between.loc["m1", ["n_test", "n_reference"]].tolist() == [3, 3]
    assert (between.drop(index="m1")["padj"] < 0.05).sum() == 0


def test_compare_deviations__tests_a_factor_once_by_the_mean_of_its_motifs():
    deviation, cells = make_levels()
    deviation[:, 1] = deviation[:, 0]  # of one factor twice the same: nothing is gained
    names = pd.Index(["A", "A", *(f"m{i}" for i in range(38))], name="tf")
    settings = {"min_nuclei": 5, "confidence": 0.95}
    found = compare_deviations(deviation, names, cells, "Pro-B", [], **settings)
    once = compare_deviations(deviation[:, 1:], names[1:], cells, "Pro-B", [], **settings)
    assert (found["tf"] == "A").sum() == 1
    pd.testing.assert_frame_equal(found, once)


def pair_donors(cells: pd.DataFrame) -> pd.DataFrame:
    """Donors 0 and 1 sampled in both groups, the third sample of either group of another donor."""
    last = cells["sample"].str[-1]
    return cells.assign(donor=np.where(last == "2", cells["sample"], "D" + last))


def test_compare_deviations__counts_the_samples_of_pairs_alone():
    deviation, cells = make_levels()
    # three donors in both groups, and one more in each
    more = cells[cells["sample"].isin(["CR2", "NCR2"])]
    copied = more.assign(sample=more["sample"] + "b", donor="D2")
    everyone = pd.concat([pair_donors(cells), copied], ignore_index=True)
    values = np.vstack([deviation, deviation[more.index]])
    found = compare_deviations(
        values, pd.RangeIndex(40, name="motif_id"), everyone, "Pro-B", [CONTRAST],
        min_nuclei=5, confidence=0.95,
    )  # fmt: skip
    between = found[found["contrast"] == "NCR vs CR"]
    assert set(between["n_test"]) == set(between["n_reference"]) == {3}


def test_compare_deviations__has_no_row_for_groups_without_replicates():
    deviation, cells = make_levels()
    few = cells["sample"].isin(["CR0", "NCR0"]).to_numpy()
    found = compare_deviations(
        deviation[few], pd.RangeIndex(40, name="motif_id"), cells[few], "Pro-B", [CONTRAST],
        min_nuclei=5, confidence=0.95,
    )  # fmt: skip
    assert set(found["contrast"]) == {OF_TYPE}


def test_summarise_expression__by_hand():
    units = pd.DataFrame({"cell_type": ["B", "T", "B"], "n_cells": [2, 5, 2]})
    sums = np.array([[6.0, 4], [0, 10], [0, 10]])
    shown = np.array([[2, 1], [0, 5], [0, 2]])
    found = summarise_expression(sums, shown, units, pd.Index(["x", "y"]), by="cell_type")
    assert found["cell_type"].tolist() == ["B", "B", "T", "T"]
    assert found["fraction"].tolist() == [0.5, 0.75, 0.0, 1.0]
    np.testing.assert_allclose(found["mean"], np.log1p([3000, 7000, 0, 10000]))
    assert found["scaled"].tolist() == [1, 0, 0, 1]
    assert found["n_cells"].tolist() == [4, 4, 5, 5]


def test_join_motifs__says_whether_factor_and_motif_agree():
    enriched = pd.DataFrame(
        {
            "contrast": OF_TYPE,
            "direction": ["up", "down", "up", "up", "up"],
            "motif_id": ["a", "b", "c", "d", "e"],
            "tf": ["EBF1", "EBF1", "SP1", "FOS::JUN", "MAZ"],
        }
    )
    deviations = pd.DataFrame(
        {"contrast": OF_TYPE, "motif_id": ["a"], "effect": [0.7], "padj": [0.01]}
    )
    expressed = pd.DataFrame(
        {
            "contrast": OF_TYPE,
            "gene": ["EBF1", "SP1", "FOS", "JUN"],
            "log2fc": [2.0, 0.1, -1.0, 3.0],
            "padj": [0.001, 0.5, 0.01, 0.001],
            "level": [5.0, 3.0, 1.0, 4.0],
        }
    )
    table = join_motifs(enriched, deviations, expressed, fdr=0.05).set_index("motif_id")
    assert table["agreement"].tolist() == [SAME, OPPOSITE, FLAT, OPPOSITE, ABSENT]
    assert table.loc["d", "tf_gene"] == "FOS"  # expressed less than JUN
    assert table.loc["a", "deviation"] == 0.7
    assert np.isnan(table.loc["e", "tf_log2fc"])


def make_sums(seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """RNA of 6 samples and 3 types; gene 0 is high in Pro-B, gene 1 low there in NCR."""
    rng = np.random.default_rng(seed)
    base = rng.lognormal(4, 1, 300)
    rows, table = [], []
    for group in ("CR", "NCR"):
        for i in range(3):
            donor = rng.lognormal(0, 0.1, 300)
            for kind in ("Pro-B", "T", "Mono"):
                rate = base * donor
                rate[0] = 2000.0 if kind == "Pro-B" else 100.0
                rate[1] = 100.0 if (kind, group) == ("Pro-B", "NCR") else 900.0
                rows.append(rng.poisson(rate))
                table.append((f"{group}{i}", f"{group}{i}", group, kind, 30))
    units = pd.DataFrame(table, columns=["sample", "donor", "group", "cell_type", "n_cells"])
    return np.array(rows, dtype=float), units


def test_compare_expression__finds_planted_genes():
    sums, units = make_sums()
    genes = pd.Index([f"g{i}" for i in range(300)])
    found = compare_expression(
        sums, genes, units, "Pro-B", [CONTRAST], min_cells=10, confidence=0.95
    )
    by_type = found[found["contrast"] == OF_TYPE].set_index("gene")
    between = found[found["contrast"] == "NCR vs CR"].set_index("gene")
    assert by_type["pvalue"].idxmin() == "g0"
    assert by_type.loc["g0", "log2fc"] == pytest.approx(np.log2(20), abs=0.4)
    assert between["pvalue"].idxmin() == "g1"
    assert between.loc["g1", "log2fc"] == pytest.approx(-np.log2(9), abs=0.4)
    assert between.loc["g1", ["n_test", "n_reference"]].tolist() == [3, 3]


def test_compare_expression__counts_the_samples_of_pairs_alone():
    sums, units = make_sums()
    more = units[units["sample"].isin(["CR2", "NCR2"])]
    copied = more.assign(sample=more["sample"] + "b", donor="D2")
    everyone = pd.concat([pair_donors(units), copied], ignore_index=True)
    found = compare_expression(
        np.vstack([sums, sums[more.index] + 5]), pd.Index(range(300)), everyone, "Pro-B",
        [CONTRAST], min_cells=10, confidence=0.95,
    )  # fmt: skip
    between = found[found["contrast"] == "NCR vs CR"]
    assert set(between["n_test"]) == set(between["n_reference"]) == {3}


def test_measure_motifs__keeps_types_and_groups_apart():
    both = {"contrast": [OF_TYPE, OF_TYPE, "NCR vs CR"], "n_test": 3, "n_reference": 3}
    numbers = {"ci_low": [0.5, 0.7, -2.0], "ci_high": [1.0, 1.2, -1.0], "pvalue": [0.1, 0.3, 0.01]}
    deviations = pd.DataFrame(
        both | numbers | {"tf": ["EBF1", "SP1", "SP1"], "effect": [0.8, 1.0, -1.5]}
    )
    expressed = pd.DataFrame(
        both
        | numbers
        | {"gene": ["EBF1", "SP1", "SP1"], "log2fc": [0.8, 0.9, -1.5], "padj": [0.2, 0.4, 0.05]}
    )
    counts = pd.DataFrame(
        {
            "contrast": ["NCR vs CR", "NCR vs CR", OF_TYPE],
            "unit": ["cell", "sample", "sample"],
            "n_tested": 100,
            "n_up": [50, 2, 0],
            "n_down": [0, 8, 0],
            "reason": "",
        }
    )
    effects = measure_motifs(
        deviations, expressed, counts,
        factors=["EBF1", "SP1"], cell_type="Pro-B", contrasts=[CONTRAST],
    )  # fmt: skip

    def row(measure: str, feature: str) -> pd.Series:
        mine = effects[(effects["measure"] == measure) & (effects["feature"] == feature)]
        assert len(mine) == 1
        return mine.iloc[0]

    assert row("motif_of_type", "EBF1")["effect"] == 0.8
    between = row("motif", "SP1")
    assert between[["effect", "test_group", "reference_group"]].tolist() == [-1.5, "NCR", "CR"]
    assert row("expression", "SP1")[["effect", "padj"]].tolist() == [-1.5, 0.05]
    assert row("expression_of_type", "SP1")["test_group"] == ""
    both = effects[effects["measure"] == "peaks"].set_index("test_group")
    assert both.loc["", "reason"] == "no peak differs between the groups, samples being the unit"
    peaks = both.loc["NCR"]
    assert peaks["unit"] == "peak"
    assert peaks["effect"] == pytest.approx(np.log2(2.5 / 8.5))
    # the factors that were not tested between groups say so
    assert row("motif", "EBF1")["reason"] == UNTESTED["motif"]
    assert row("expression", "EBF1")["reason"] == UNTESTED["expression"]
    assert row("motif", "SP1")["reason"] == ""


def judge_peaks(n_tested: int, n_up: int, n_down: int) -> pd.Series:
    """Verdict on most peaks being lost, of a table of counts."""
    peaks = pd.DataFrame(
        {"contrast": "NCR vs CR", "unit": "sample", "peak": range(n_tested), "padj": 0.9}
    ).assign(log2fc=1.0)
    peaks.loc[: n_up - 1, "padj"] = 0.01
    peaks.loc[n_up : n_up + n_down - 1, ["padj", "log2fc"]] = 0.01, -1.0
    counts = count_peaks(peaks, ["NCR vs CR"], fdr=0.05, min_log2fc=0.25)
    numbers = ("effect", "ci_low", "ci_high", "pvalue", "n_test", "n_reference")
    nothing = pd.DataFrame(columns=["contrast", "tf", *numbers]).astype(
        dict.fromkeys(numbers, float)
    )
    effects = measure_motifs(
        nothing, nothing.rename(columns={"tf": "gene", "effect": "log2fc"}), counts,
        factors=[], cell_type="Pro-B", contrasts=[CONTRAST],
    )  # fmt: skip
    claim = Claim.model_validate(
        {
            "id": "lost", "source": "s", "sentence": "Most are lost.", "panel": "E",
            "chapter": "fig8_pro_b_motifs", "direction": "down",
            "effect": {"measure": "peaks", "cell_type": "Pro-B", "test": "b", "reference": "a"},
        }
    )  # fmt: skip
    return judge_claims([claim], effects, {"a": "CR", "b": "NCR"}).iloc[0]


def test_measure_motifs__takes_no_interval_from_how_many_peaks_differ():
    found = judge_peaks(200, n_up=4, n_down=142)
    assert found["verdict"] == "not testable"
    assert found["effect"] == pytest.approx(np.log2(4.5 / 142.5))
    assert found["reason"].startswith("by sample 4 peaks are up and 142 down; peaks share samples")


def test_measure_motifs__parts_no_difference_from_no_test():
    assert judge_peaks(200, 0, 0)["reason"].startswith("no peak differs between the groups")
    untested = judge_peaks(0, 0, 0)
    assert untested["verdict"] == "not testable"
    assert untested["reason"] == UNTESTED["sample"]
