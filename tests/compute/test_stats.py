"""Adjusted p-values and moderated tests: by hand, laws, R, and planted priors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_tsv
from scipy import special, stats

from helpers.compute.stats import (
    Sides,
    adjust_pvalues,
    compare_means,
    compare_moderated,
    count_sides,
    design_contrast,
    fit_variance_prior,
    mean_interval,
    moderate_variances,
    pair_samples,
)
from helpers.errors import DataError
from helpers.schema import Contrast

PAIR = Contrast(test="B", reference="A")


def test_adjust_pvalues__by_hand_and_missing_ones_do_not_count():
    # of three: 0.01 * 3, 0.02 * 3 / 2, 0.9
    adjusted = adjust_pvalues(np.array([0.02, np.nan, 0.01, 0.9]))
    np.testing.assert_allclose(adjusted, [0.03, np.nan, 0.03, 0.9])


def test_adjust_pvalues__equals_r(oracles):
    table = read_tsv(oracles / "stats_basic/output/p_adjust.tsv")
    np.testing.assert_allclose(adjust_pvalues(table["p"]), table["BH"], rtol=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(derandomize=True, deadline=None)
def test_adjust_pvalues__never_falls_below_and_keeps_the_order(values):
    pvalues = np.array(values)
    adjusted = adjust_pvalues(pvalues)
    assert (adjusted >= pvalues - 1e-12).all()
    order = np.argsort(pvalues, kind="stable")
    assert (np.diff(adjusted[order]) >= -1e-12).all()


def test_variance_prior__is_the_one_the_variances_were_drawn_from():
    rng = np.random.default_rng(0)
    df, prior_df, scale = 4, 10.0, 2.0
    true = scale * prior_df / rng.chisquare(prior_df, 20_000)
    observed = true * rng.chisquare(df, 20_000) / df
    prior = fit_variance_prior(observed, df)
    assert prior.df == pytest.approx(prior_df, rel=0.1)
    assert prior.variance == pytest.approx(scale, rel=0.05)


def test_moderate_variances__draws_all_to_one_where_they_do_not_differ():
    rng = np.random.default_rng(1)
    observed = 3.0 * rng.chisquare(6, 5000) / 6
    posterior, df = moderate_variances(observed, 6)
    assert np.ptp(posterior) < 0.2
    assert posterior.mean() == pytest.approx(3.0, rel=0.05)
    assert df > 100


def test_compare_moderated__of_one_feature_is_students_t_test():
    values = pd.DataFrame({"x": [1.0, 2.0, 3.0, 5.0, 7.0, 6.0]}, index=list("abcdef"))
    design = pd.DataFrame(
        {"A": [1.0] * 3 + [0.0] * 3, "B": [0.0] * 3 + [1.0] * 3}, index=values.index
    )
    row = compare_moderated(values, design, pd.Series({"A": -1.0, "B": 1.0}), confidence=0.95).iloc[
        0
    ]
    student = stats.ttest_ind(values["x"][3:], values["x"][:3])
    assert row["effect"] == pytest.approx(4.0)
    assert row["t"] == pytest.approx(student.statistic)
    assert row["pvalue"] == pytest.approx(student.pvalue)
    assert row["ci_low"] == pytest.approx(student.confidence_interval().low)


def test_compare_moderated__refuses_without_replicates():
    values = pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])
    design = pd.DataFrame({"A": [1.0, 0.0], "B": [0.0, 1.0]}, index=["a", "b"])
    with pytest.raises(DataError, match="2 samples for 2 groups leave nothing to test with"):
        compare_moderated(values, design, pd.Series({"A": -1.0, "B": 1.0}), confidence=0.95)


def test_compare_means__of_one_feature_is_one_way_anova():
    values = pd.DataFrame({"x": [1.0, 2.0, 3.0, 5.0, 7.0, 6.0, 1.0, 0.0]}, index=list("abcdefgh"))
    groups = pd.Series(list("AAABBBCC"), index=values.index)
    row = compare_means(values, groups).iloc[0]
    anova = stats.f_oneway(values["x"][:3], values["x"][3:6], values["x"][6:])
    assert row["f"] == pytest.approx(anova.statistic)
    assert row["pvalue"] == pytest.approx(anova.pvalue)


def test_compare_means__refuses_one_group():
    values = pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])
    with pytest.raises(DataError, match="1 group: an overall test compares at least two"):
        compare_means(values, pd.Series(["A", "A"], index=values.index))


def test_adjust_pvalues__of_none_known_are_none():
    assert np.isnan(adjust_pvalues(np.array([np.nan, np.nan]))).all()
    assert adjust_pvalues(np.array([])).tolist() == []


def test_variance_prior__by_hand():
    variances, df = np.array([1.0, 4.0, 64.0]), 2
    log = np.log(variances) - special.digamma(1)
    prior = fit_variance_prior(variances, df)
    # the logs' variance is trigamma(df / 2) from sampling and trigamma(prior / 2) from the prior
    spread = log.var(ddof=1) - special.polygamma(1, 1)
    assert special.polygamma(1, prior.df / 2) == pytest.approx(spread)
    half = prior.df / 2
    assert np.log(prior.variance) == pytest.approx(
        log.mean() + special.digamma(half) - np.log(half)
    )


def test_variance_prior__lifts_zeros_to_a_hundred_thousandth_of_the_median_or_of_1():
    lifted = fit_variance_prior(np.array([2e-5, 2.0, 4.0]), 3)
    assert fit_variance_prior(np.array([0.0, 2.0, 4.0]), 3) == lifted
    lifted = fit_variance_prior(np.array([1e-5, 1e-5, 4.0]), 3)
    assert fit_variance_prior(np.array([0.0, 0.0, 4.0]), 3) == lifted


def test_moderate_variances__have_no_more_degrees_of_freedom_than_all_features_together():
    # three alike: their prior is worth infinitely many, of which 3 * 4 were measured
    posterior, df = moderate_variances(np.array([2.0, 2.0, 2.0]), 4)
    assert posterior.tolist() == [2.0, 2.0, 2.0]
    assert df == 12
    assert moderate_variances(np.array([2.0, 2.0, 2.0]), 4, n_free=2)[1] == 8


def test_moderate_variances__leaves_a_lone_feature_as_it_is():
    posterior, df = moderate_variances(np.array([3.0]), 4)
    assert posterior.tolist() == [3.0]
    assert df == 4


def test_moderate_variances__lie_between_their_own_and_the_prior():
    observed = np.array([0.5, 1.0, 8.0, 30.0])
    prior = fit_variance_prior(observed, 2).variance
    posterior, df = moderate_variances(observed, 2)
    assert (np.sign(posterior - observed) == np.sign(prior - observed)).all()
    assert (np.abs(posterior - prior) < np.abs(observed - prior)).all()
    assert 2 < df <= 8


def make_model(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Seven samples of three groups, eight features, and the design."""
    rng = np.random.default_rng(seed)
    values = pd.DataFrame(rng.normal(size=(7, 8)) * rng.gamma(2, 1, 8), index=list("abcdefg"))
    groups = pd.Series(list("AAABBCC"), index=values.index)
    return values, pd.get_dummies(groups, dtype=float)


@given(st.integers(0, 2**31), st.floats(0.01, 100))
@settings(derandomize=True, deadline=None)
def test_compare_moderated__turns_with_the_contrast_and_scales_with_the_unit(seed, unit):
    values, design = make_model(seed)
    contrast = pd.Series({"A": -1.0, "B": 1.0, "C": 0.0})
    plain = compare_moderated(values, design, contrast, confidence=0.9)
    turned = compare_moderated(values * unit + 5, design, -contrast, confidence=0.9)
    np.testing.assert_allclose(turned["effect"], -unit * plain["effect"], atol=1e-9 * unit)
    np.testing.assert_allclose(turned["ci_low"], -unit * plain["ci_high"], atol=1e-6 * unit)
    np.testing.assert_allclose(turned["pvalue"], plain["pvalue"], rtol=1e-6)
    assert (plain["ci_low"] < plain["effect"]).all()
    assert (plain["effect"] < plain["ci_high"]).all()
    excludes = (plain["ci_low"] > 0) | (plain["ci_high"] < 0)
    assert (excludes == (plain["pvalue"] < 0.1)).all()


@given(st.integers(0, 2**31))
@settings(derandomize=True, deadline=None)
def test_compare_means__of_two_groups_is_the_square_of_the_moderated_t(seed):
    values, _ = make_model(seed)
    groups = pd.Series(list("AAABBBB"), index=values.index)
    design = pd.get_dummies(groups, dtype=float)
    t = compare_moderated(values, design, pd.Series({"A": 1.0, "B": -1.0}), confidence=0.95)
    f = compare_means(values, groups)
    np.testing.assert_allclose(f["f"], t["t"] ** 2, rtol=1e-9)
    np.testing.assert_allclose(f["pvalue"], t["pvalue"], rtol=1e-9)


def test_compare__gives_no_test_of_a_lone_feature_that_does_not_vary_within_groups():
    values = pd.DataFrame({"x": [1.0, 1.0, 2.0, 2.0]}, index=list("abcd"))
    groups = pd.Series(list("AABB"), index=values.index)
    design = pd.get_dummies(groups, dtype=float)
    row = compare_moderated(values, design, pd.Series({"A": -1.0, "B": 1.0}), confidence=0.95).iloc[
        0
    ]
    assert row["effect"] == pytest.approx(1.0)
    assert row[["ci_low", "ci_high", "pvalue"]].isna().all()
    assert compare_means(values, groups)[["f", "pvalue"]].isna().all(axis=None)


def test_compare_means__refuses_without_replicates():
    values = pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])
    with pytest.raises(DataError, match="2 samples for 2 groups leave nothing to test with"):
        compare_means(values, pd.Series(["A", "B"], index=values.index))


def test_design_contrast__of_other_donors_has_a_level_for_each_group():
    groups = pd.Series(["A", "B", "C", "A"], index=list("wxyz"))
    design, weights = design_contrast(groups, PAIR, donors=pd.Series(list("1234"), groups.index))
    assert design.to_numpy().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert weights.to_dict() == {"A": -1.0, "B": 1.0, "C": 0.0}


def test_design_contrast__of_the_same_donors_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    groups = pd.Series(["A", "B"] * 5 + ["C"], index=[f"s{i}" for i in range(11)])
    donors = pd.Series([str(i // 2) for i in range(11)], index=groups.index)
    values = pd.DataFrame({"x": rng.normal(size=11)}, index=groups.index)
    design, weights = design_contrast(groups, PAIR, donors=donors)
    assert list(design.index) == list(groups.index[:10])
    ours = compare_moderated(values.loc[design.index], design, weights, confidence=0.95).iloc[0]
    expected = stats.ttest_rel(values["x"].iloc[1:10:2], values["x"].iloc[0:10:2])
    assert ours["t"] == pytest.approx(expected.statistic)
    assert ours["pvalue"] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (ours["ci_low"], ours["ci_high"]) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("donors", "paired"),
    [
        ("1122", "ABAB"),
        ("1123", ""),
        ("1234", ""),
        ("1212", ""),
        ("112234", ""),
        ("112233", "ABABAB"),
    ],
)
def test_pair_samples__wants_more_donors_in_both_groups_than_in_one(donors, paired):
    groups = pd.Series(list("ABABAB")[: len(donors)])
    assert "".join(pair_samples(groups, PAIR, pd.Series(list(donors)))) == paired


def test_pair_samples__leaves_out_the_donor_who_lacks_a_sample():
    groups = pd.Series(list("ABABAC"), index=list("uvwxyz"))
    donors = pd.Series(list("112233"), index=groups.index)
    assert list(pair_samples(groups, PAIR, donors).index) == list("uvwx")
    assert count_sides(groups, PAIR, donors) == Sides(n_reference=2, n_test=2, paired=True)
    design, _ = design_contrast(groups, PAIR, donors=donors)
    assert list(design.index) == list("uvwx")
    assert list(design.columns) == ["A", "B", "donor 0"]


def test_count_sides__counts_all_samples_of_unrelated_donors():
    groups = pd.Series(list("ABBC"))
    assert count_sides(groups, PAIR, pd.Series(list("1234"))) == Sides(1, 2, paired=False)
    assert count_sides(groups, PAIR, None) == Sides(1, 2, paired=False)


def test_pair_samples__asks_for_the_samples_at_hand_alone():
    donors = pd.Series(list("1213"), index=list("wxyz"))
    assert len(pair_samples(pd.Series(["A", "B"], index=["w", "y"]), PAIR, donors)) == 2
    assert len(pair_samples(pd.Series(["A", "B"], index=["w", "z"]), PAIR, donors)) == 0


def test_mean_interval__is_the_one_sample_t_test():
    values = np.array([0.4, 1.1, 0.7, 0.2])
    found = mean_interval(values, confidence=0.9)
    expected = stats.ttest_1samp(values, 0.0)
    interval = expected.confidence_interval(0.9)
    assert found == pytest.approx(
        {
            "effect": 0.6,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "pvalue": expected.pvalue,
        }
    )


@pytest.mark.parametrize(("values", "mean"), [([], np.nan), ([2.0], 2.0), ([2.0, 2.0], 2.0)])
def test_mean_interval__is_missing_where_nothing_varies(values, mean):
    found = mean_interval(np.array(values), confidence=0.95)
    np.testing.assert_equal(
        found, {"effect": mean, "ci_low": np.nan, "ci_high": np.nan, "pvalue": np.nan}
    )
