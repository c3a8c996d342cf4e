"""The planted truth is what the cells were drawn from, and empty where nothing is planted."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from helpers.io.reference import read_genes
from helpers.synth.design import COMPOSITION, COPY_NUMBER, SUBCLUSTERS, make_design
from helpers.synth.programmes import CELL_TYPES
from helpers.synth.rna import choose_genes, make_landscape
from helpers.synth.truth import make_truth

TABLES = {
    "composition",
    "subclusters",
    "markers",
    "subcluster_markers",
    "pathways",
    "signatures",
    "copy_number",
    "regulons",
}


@cache
def truth_of(profile: str, difficulty: str = "standard") -> dict[str, pd.DataFrame]:
    design = make_design(profile, difficulty=difficulty)
    genes = choose_genes(read_genes(), design, wanted=set())
    return make_truth(make_landscape(genes, design), design)


@pytest.mark.parametrize("profile", ["demo", "null"])
def test_make_truth__has_the_same_tables_for_every_profile(profile):
    tables = truth_of(profile)
    assert set(tables) == TABLES
    for name, table in tables.items():
        assert list(table.columns) == list(truth_of("demo")[name].columns)


def test_make_truth__composition_is_that_of_the_design():
    wide = truth_of("demo")["composition"].pivot_table(
        index="cell_type", columns="group", values="fraction"
    )
    pd.testing.assert_frame_equal(
        wide, COMPOSITION.loc[wide.index] / 100, check_names=False, check_like=True
    )


def test_make_truth__composition_has_the_shifts_of_the_study():
    table = truth_of("demo")["composition"].set_index(["group", "cell_type"])["fraction"]
    assert table["NCR"].idxmax() == "Pro-B"
    assert table["NCR", "HSC/MPP"] > table["CR", "HSC/MPP"]
    assert table["NCR", "Naive CD4+ T"] < table["CR", "Naive CD4+ T"]
    assert table["NCR", "Naive B"] < table["CR", "Naive B"]
    assert np.abs(table["CR"] - table["CK"]).max() < 0.025


def test_make_truth__subclusters_are_those_of_the_design():
    found = truth_of("demo")["subclusters"]
    for cell_type, table in SUBCLUSTERS.items():
        mine = found[found["cell_type"] == cell_type]
        wide = mine.pivot_table(index="subcluster", columns="group", values="fraction")
        assert wide.to_numpy().tolist() == (table / 100).to_numpy().tolist()


@pytest.mark.parametrize("name", ["composition", "subclusters"])
def test_make_truth__null_gives_every_group_the_shares_of_controls(name):
    keys = ["cell_type"] if name == "composition" else ["cell_type", "subcluster"]
    null = truth_of("null")[name]
    assert null.groupby(keys)["fraction"].nunique().max() == 1
    controls = [table[table["group"] == "CK"] for table in (null, truth_of("demo")[name])]
    pd.testing.assert_frame_equal(*controls)
    assert truth_of("demo")[name].groupby(keys)["fraction"].nunique().max() > 1


def test_make_truth__null_has_no_difference_between_groups():
    assert len(truth_of("null")["copy_number"]) == 0
    assert len(truth_of("demo")["copy_number"]) > 0
    assert set(truth_of("null")["pathways"]["contrast"]) == {""}
    assert set(truth_of("null")["signatures"]["contrast"]) == {""}
    assert set(truth_of("demo")["pathways"]["contrast"]) == {"", "NCR vs CR"}


@pytest.mark.parametrize("name", ["markers", "subcluster_markers"])
def test_make_truth__null_has_the_same_states_of_cells(name):
    pd.testing.assert_frame_equal(truth_of("null")[name], truth_of("demo")[name])


def test_make_truth__copy_number_lists_every_arm():
    table = truth_of("demo")["copy_number"]
    assert len(table) == sum(len(arms) for arms in COPY_NUMBER.values())
    first = table[(table["sample"] == "NCR2") & (table["cell_type"] == "HSC/MPP")]
    assert first[["arm", "state"]].to_numpy().tolist() == [
        ["7p", "loss"],
        ["7q", "loss"],
        ["21q", "gain"],
    ]


def test_make_truth__markers_say_the_level_that_was_planted():
    standard, hard = (
        truth_of("demo", level)["markers"].set_index(["cell_type", "gene"])["umis_per_10k"]
        for level in ("standard", "hard")
    )
    assert set(standard.index.get_level_values(0)) == set(CELL_TYPES)
    # written as 4 per 10,000 in a profile whose levels add up to some 9,340
    assert standard["HSC/MPP", "AVP"] == pytest.approx(4 * 10_000 / 9_340, rel=0.01)
    # contrast 0.8: 0.03 * (4 / 0.03) ** 0.8 = 1.504
    assert hard["HSC/MPP", "AVP"] == pytest.approx(1.504 * 10_000 / 9_302, rel=0.01)


def test_make_truth__subcluster_markers_are_log2_folds_against_the_type():
    table = truth_of("demo")["subcluster_markers"]
    log2fc = {(*place,): fold for *place, fold in table.itertuples(index=False)}
    assert log2fc["HSC/MPP", "1", "RPS27"] == pytest.approx(1.7)
    # CRIM1 rises from the background of 0.03 to 4: log2 of 133
    assert log2fc["HSC/MPP", "0", "CRIM1"] == pytest.approx(np.log2(4 / 0.03))
    assert log2fc["Pro-B", "2", "PTPRC"] == pytest.approx(2.0)


def test_make_truth__pathways_name_place_and_direction():
    table = truth_of("demo")["pathways"]
    keys = ["cell_type", "subcluster", "contrast", "pathway"]
    sign = table.groupby(keys)["log2fc"].agg(["min", "max"]).to_dict("index")
    receptor = "B cell receptor signaling pathway"
    assert sign["HSC/MPP", "", "NCR vs CR", receptor] == {"min": 2.0, "max": 2.0}
    assert sign["Pro-B", "", "NCR vs CR", "DNA replication"] == {"min": -1.0, "max": -1.0}
    assert sign["Pro-B", "3", "", "mismatch repair"] == {"min": 1.6, "max": 1.6}


def test_make_truth__regulons_load_on_the_activity_of_their_factor():
    design = make_design("demo")
    genes = choose_genes(read_genes(), design, wanted=set())
    landscape = make_landscape(genes, design)
    loadings = pd.DataFrame(landscape.loadings, columns=landscape.genes["gene"])
    table = truth_of("demo")["regulons"]
    assert table["tf"].nunique() == len(loadings) == 5
    for row, (factor, part) in enumerate(table.groupby("tf", sort=False)):
        targets = set(part["target"])
        loaded = loadings.columns[loadings.iloc[row] > 0]
        assert set(loaded) == targets | {factor}
        assert (
            loadings.loc[row, list(targets)].unique().tolist() == part["loading"].unique().tolist()
        )


def test_make_truth__signatures_lists_what_moves_and_the_share_of_dormant_cells():
    table = truth_of("demo")["signatures"]
    moved = table[table["contrast"] == "NCR vs CR"].set_index("gene")["log2fc"]
    assert moved[["BCL3", "OAS2", "GPX4", "SDHA"]].tolist() == [1.2, -1.2, 0.8, 0.7]
    (dormant,) = table[table["signature"] == "dormant cells"].itertuples()
    assert (dormant.cell_type, dormant.subcluster, dormant.fraction) == ("HSC/MPP", "0", 0.25)
