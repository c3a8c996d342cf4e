import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import read_tsv
from scipy import stats

from helpers.compute.stats import (
    adjust_pvalues,
    compare_means,
    compare_moderated,
    fit_variance_prior,
    moderate_variances,
)
from helpers.errors import DataError


def test_adjust_pvalues__by_hand_and_missing_ones_do_not_count():
    # of three: 0.01 * 3, 0.02 * 3 / 2, 0.9
    adjusted = adjust_pvalues(np.array([0.02, np.nan, 0.01, 0.9]))
    np.testing.assert_allclose(adjusted, [0.03, np.nan, 0.03, 0.9])


def test_adjust_pvalues__equals_r(oracles):
    table = read_tsv(oracles / "stats_basic/output/p_adjust.tsv")
    np.testing.assert_allclose(adjust_pvalues(table["p"]), table["BH"], rtol=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
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
