"""The design of a cohort: by hand."""

import pandas as pd

from helpers.compute.design import count_groups, describe_samples

SHEET = pd.DataFrame(
    {
        "sample": ["s1", "s2", "s3"],
        "donor": ["d1", "d1", "d2"],
        "group": ["A", "A", "B"],
        "batch": ["", "", ""],
        "rna": [True, True, False],
        "fragments": [False, True, True],
        "time_days": float("nan"),
    }
)


def test_describe_samples__shows_batches_only_where_there_are_some():
    assert "batch" not in describe_samples(SHEET)
    with_batch = describe_samples(SHEET.assign(batch=["x", "", ""]))
    assert with_batch["batch"].tolist() == ["x", "", ""]
    assert with_batch["chromatin"].tolist() == [False, True, True]


def test_describe_samples__shows_days_only_where_there_are_some():
    assert "time_days" not in describe_samples(SHEET)
    assert describe_samples(SHEET.assign(time_days=[0.0, 7.0, 14.0]))["time_days"].tolist() == [
        0,
        7,
        14,
    ]


def test_count_groups__by_hand():
    table = count_groups(describe_samples(SHEET), {"reference": "A", "other": "B"}, few_samples=1)
    assert table["n_samples"].tolist() == [2, 1]
    assert table["n_donors"].tolist() == [1, 1]
    assert table["RNA"].tolist() == [2, 0]
    assert table["few"].tolist() == [False, True]


def test_count_groups__lists_a_role_without_samples_and_says_few_up_to_the_limit():
    table = count_groups(
        describe_samples(SHEET), {"reference": "A", "responder": "Q"}, few_samples=2
    )
    assert table["role"].tolist() == ["reference", "responder"]
    assert table["n_samples"].tolist() == [2, 0]
    assert table["chromatin"].tolist() == [1, 0]
    assert table["few"].tolist() == [True, True]


def test_describe_samples__keeps_names_as_they_were_typed():
    named = SHEET.assign(sample=["<b>", "a, b", '"'])
    assert describe_samples(named)["sample"].tolist() == ["<b>", "a, b", '"']
