"""The design of simulated cohorts: who is in them, and what the difficulty changes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import ParamsError
from helpers.synth.design import (
    COMPOSITION,
    COPY_NUMBER,
    DIFFICULTIES,
    SUBCLUSTERS,
    draw_proportions,
    make_design,
    split_total,
)

SAMPLES = ["CK1", "CK2", "CK3", "CR1", "CR2", "CR3", "NCR1", "NCR2", "NCR3"]
# The ten populations Liu et al. 2025 name (Results, cellular composition; Figure 1A).
TEN_TYPES = {
    "CD8+ NKT-like",
    "Classical monocytes",
    "HSC/MPP",
    "Memory CD4+ T",
    "Naive B",
    "Naive CD4+ T",
    "Naive CD8+ T",
    "Pre-B",
    "Pro-B",
    "Progenitor",
}


@pytest.mark.parametrize("profile", ["demo", "null", "paper"])
def test_make_design__has_three_samples_in_each_of_three_groups(profile):
    design = make_design(profile)
    assert [s.sample for s in design.samples] == SAMPLES
    assert [s.group for s in design.samples] == ["CK"] * 3 + ["CR"] * 3 + ["NCR"] * 3


def test_make_design__paper_has_the_cells_and_genes_of_the_study():
    design = make_design("paper")
    controls = [s.n_cells for s in design.samples if s.group == "CK"]
    patients = [s.n_cells for s in design.samples if s.group != "CK"]
    # Liu et al. 2025, Results: 76,458 cells, of which 38,773 of controls and 37,685 of patients;
    # neither can be divided evenly among its samples
    assert sum(controls) + sum(patients) == 76_458
    assert abs(sum(controls) - 38_773) <= 1
    assert max(controls) - min(controls) <= 1
    assert max(patients) - min(patients) <= 1
    assert design.n_genes == 20_000


def test_make_design__demo_and_null_are_alike_but_for_the_effects():
    demo, null = make_design("demo", seed=4), make_design("null", seed=4)
    assert (demo.group_effects, null.group_effects) == (True, False)
    assert replace(null, profile="demo", title=demo.title, group_effects=True) == demo


@given(st.integers(9, 100_000), st.sampled_from(["demo", "null", "paper"]))
@settings(derandomize=True, deadline=None)
def test_make_design__has_exactly_the_cells_asked_for(n_cells, profile):
    assert sum(s.n_cells for s in make_design(profile, n_cells=n_cells).samples) == n_cells


def test_make_design__gives_samples_their_own_random_numbers():
    seeds = [s.seed for seed in (0, 1) for s in make_design("demo", seed=seed).samples]
    assert len(set(seeds)) == 18


@pytest.mark.parametrize(
    ("profile", "options", "message"),
    [
        ("demmo", {}, r"no profile 'demmo'; there are demo, null, paper"),
        (
            "demo",
            {"difficulty": "brutal"},
            r"no difficulty 'brutal'; there are easy, standard, hard",
        ),
        ("demo", {"n_cells": 8}, r"8 cells are too few: 9 samples"),
        ("demo", {"seed": -1}, r"seed is -1; it must be 0 or more"),
    ],
)
def test_make_design__refuses_what_cannot_be_simulated(profile, options, message):
    with pytest.raises(ParamsError, match=message):
        make_design(profile, **options)


def test_difficulties__get_harder_in_order():
    assert list(DIFFICULTIES) == ["easy", "standard", "hard"]
    levels = pd.DataFrame([vars(d) for d in DIFFICULTIES.values()])
    falls, rises = ["depth", "contrast"], ["donor_sd", "ambient", "doublet_rate", "proportion_sd"]
    assert (levels[falls].diff().iloc[1:] < 0).all(axis=None)
    assert (levels[rises].diff().iloc[1:] > 0).all(axis=None)
    assert (levels[["dying_rate", "dispersion"]].diff().iloc[1:] >= 0).all(axis=None)


def test_make_design__takes_the_difficulty_named():
    assert make_design("demo", difficulty="hard").difficulty == DIFFICULTIES["hard"]
    assert make_design("demo").difficulty == DIFFICULTIES["standard"]


def test_drawn_as__is_the_own_group_unless_groups_do_not_differ():
    assert [make_design("demo").drawn_as(g) for g in ("CK", "CR", "NCR")] == ["CK", "CR", "NCR"]
    assert [make_design("null").drawn_as(g) for g in ("CK", "CR", "NCR")] == ["CK"] * 3


def test_composition__has_the_ten_types_of_the_study():
    assert set(COMPOSITION.index) == TEN_TYPES
    assert COMPOSITION.sum().tolist() == [100, 100, 100]


def test_composition__follows_the_sentences_of_the_study():
    assert COMPOSITION["NCR"].idxmax() == "Pro-B"
    fold = COMPOSITION["NCR"] / COMPOSITION["CR"]
    assert fold["Pro-B"] > 2
    assert fold["HSC/MPP"] > 2
    assert fold[["Naive CD4+ T", "Naive B"]].max() < 1 / 2
    # controls and remission: naive CD4 T and CD8 NKT-like cells are the two largest, and no type
    # differs by more than a quarter
    for group in ("CK", "CR"):
        assert set(COMPOSITION[group].nlargest(2).index) == {"Naive CD4+ T", "CD8+ NKT-like"}
    assert np.abs(np.log(COMPOSITION["CR"] / COMPOSITION["CK"])).max() < np.log(1.25)


def test_subclusters__each_belong_to_a_group():
    for table in SUBCLUSTERS.values():
        assert table.sum().tolist() == [100, 100, 100]
        assert table.idxmax().tolist() == ["1", "2", "0"]
    pro_b = SUBCLUSTERS["Pro-B"]
    assert pro_b.loc["3"].idxmax() == "NCR"
    assert pro_b.loc["4"].idxmax() == "CK"


def test_copy_number__is_altered_in_non_remission_alone_most_in_subcluster_0():
    counts = {place: len(arms) for place, arms in COPY_NUMBER.items()}
    assert {sample for sample, _, _ in counts} == {"NCR1", "NCR2", "NCR3"}
    for sample in ("NCR1", "NCR2", "NCR3"):
        assert counts[sample, "Pro-B", "0"] > counts[sample, "Pro-B", "3"]
        assert COPY_NUMBER[sample, "HSC/MPP", "0"] == COPY_NUMBER[sample, "Pro-B", "0"]


def test_split_total__by_hand():
    # thirds of 10 are 3.33 each: the first gets the one left over
    assert split_total(10, np.ones(3)).tolist() == [4, 3, 3]
    # 7 in 1:2:4 is exact; 8 is 1.14, 2.29, 4.57: the one left goes to the largest fraction
    assert split_total(7, np.array([1, 2, 4])).tolist() == [1, 2, 4]
    assert split_total(8, np.array([1, 2, 4])).tolist() == [1, 2, 5]


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 100), min_size=1, max_size=12))
@settings(derandomize=True, deadline=None)
def test_split_total__adds_up_and_is_never_a_whole_cell_off(total, weights):
    share = np.array(weights)
    parts = split_total(total, share)
    assert parts.sum() == total
    assert np.abs(parts - total * share / share.sum()).max() < 1


def test_draw_proportions__are_the_groups_own_without_noise():
    drawn = draw_proportions("NCR", proportion_sd=0.0, rng=np.random.default_rng(0))
    np.testing.assert_allclose(drawn, COMPOSITION["NCR"] / 100)


def test_draw_proportions__scatter_by_the_deviation_asked_for():
    rng = np.random.default_rng(1)
    draws = np.array([draw_proportions("CK", proportion_sd=0.25, rng=rng) for _ in range(2000)])
    np.testing.assert_allclose(draws.sum(axis=1), 1)
    # the ratio of two types has twice the variance: sd 0.25 * sqrt(2) = 0.354; its standard
    # error over 2,000 draws is 0.354 / sqrt(4000) = 0.0056
    ratio = np.log(draws[:, 0] / draws[:, 5])
    assert abs(ratio.std() - 0.3536) < 4 * 0.0056
    assert abs(ratio.mean() - np.log(21 / 25)) < 4 * 0.354 / np.sqrt(2000)


def test_make_design__bulk_has_no_sample_and_takes_no_number_of_cells():
    assert make_design("bulk", seed=3).samples == ()
    assert make_design("bulk", seed=3).seed != make_design("bulk", seed=4).seed
    with pytest.raises(ParamsError, match="has no cells; leave out --cells"):
        make_design("bulk", n_cells=100)
