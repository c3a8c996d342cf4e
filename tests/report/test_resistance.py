"""What the page on resistance says of a course, and of its absence."""

import numpy as np
import pandas as pd
import pytest

from helpers.report.resistance import course_absence, describe_course

TREND = {
    "course": "R from P", "n_samples": 6, "n_times": 4, "effect": 0.1, "reason": "",
}  # fmt: skip


def trends(**changes: object) -> pd.DataFrame:
    return pd.DataFrame([TREND | changes])


def test_course_absence__is_empty_where_there_is_a_course():
    assert course_absence(trends()) == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"n_samples": 0, "n_times": 0, "reason": "0 time points: a trend needs 3"},
            (
                "The sample sheet does not say when samples were taken (column time_days): change with time "
                "is not shown, and the order of cells is that of pseudotime alone."
            ),
        ),
        (
            {"n_times": 2, "reason": "2 time points: a trend needs 3"},
            (
                "Change with time is not shown (R from P: 2 time points: a trend needs 3; column time_days "
                "of the sample sheet), and the order of cells is that of pseudotime alone."
            ),
        ),
    ],
)
def test_course_absence__says_why_in_a_sentence(changes, sentence):
    assert course_absence(trends(effect=np.nan, **changes)) == sentence


def test_describe_course__counts_samples_and_days():
    assert describe_course(trends()) == "R from P (n = 6 samples, 4 days)"
    assert describe_course(trends().iloc[:0]) == "no course"
