"""Verdicts: every branch by hand."""

import pandas as pd
import pytest
import yaml

from helpers.compute.claims import SCALES, count_verdicts, judge_claims, mark_untestable
from helpers.project import PARAMS
from helpers.schema import CLAIM_COLUMNS, Claim, Effect

GROUPS = {"reference": "CK", "non_responder": "NCR"}


def claim(direction: str = "up", *, test: str = "non_responder", kind: str | None = "Pro-B"):
    effect = Effect(measure="proportion", cell_type=kind, test=test, reference="reference")
    return Claim(id="x", source="a paper", sentence="It is so.", chapter="fig1_composition",
                 panel="E", effect=effect, direction=direction)  # fmt: skip


def effects(effect: float, low: float | None, high: float | None, reason: str = "") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "measure": "proportion",
                "cell_type": "Pro-B",
                "test_group": "NCR",
                "reference_group": "CK",
                "unit": "sample",
                "n_reference": 3,
                "n_test": 4,
                "effect": effect,
                "ci_low": low,
                "ci_high": high,
                "pvalue": 0.04,
                "reason": reason,
            }
        ]
    ).astype({"ci_low": float, "ci_high": float})


@pytest.mark.parametrize(
    ("direction", "numbers", "verdict"),
    [
        ("up", (1.0, 0.5, 1.5), "holds"),
        ("down", (1.0, 0.5, 1.5), "contradicted"),
        ("up", (-1.0, -1.5, -0.5), "contradicted"),
        ("down", (-1.0, -1.5, -0.5), "holds"),
        ("up", (1.0, -0.1, 2.1), "underpowered"),
        ("down", (1.0, -0.1, 2.1), "underpowered"),
        ("up", (1.0, 0.0, 2.0), "underpowered"),
    ],
)
def test_judge_claims__by_the_side_of_the_interval(direction, numbers, verdict):
    row = judge_claims([claim(direction)], effects(*numbers), GROUPS).iloc[0]
    assert row["verdict"] == verdict
    assert (row["n_reference"], row["n_test"], row["effect"]) == (3, 4, numbers[0])


def test_judge_claims__asks_a_line_for_no_cell_type_of_blood():
    marked = claim().model_copy(update={"effect": Effect(measure="proportion", cell_type="Pro-B")})
    line = {"parental": "CK", "resistant": "NCR"}
    row = judge_claims([marked], effects(1.0, 0.5, 1.5), line).iloc[0]
    assert row["verdict"] == "not testable"
    assert "one line" in row["reason"]
    assert judge_claims([marked], effects(1.0, 0.5, 1.5), {}).iloc[0]["verdict"] == "holds"


def test_judge_claims__says_on_which_side_an_underpowered_effect_lies():
    row = judge_claims([claim("down")], effects(1.0, -0.1, 2.1), GROUPS).iloc[0]
    assert row["reason"].startswith("opposite direction; the interval includes 0 (no effect)")


@pytest.mark.parametrize(
    ("asked", "measured", "reason"),
    [
        (claim(test="responder"), effects(1, 0.5, 1.5), "no group in the role responder"),
        (claim(kind="Pre-B"), effects(1, 0.5, 1.5), "no cell of this cohort was called Pre-B"),
        (claim(test="reference"), effects(1, 0.5, 1.5), "does not make this comparison"),
        (claim(), effects(1, None, None, "one sample"), "one sample"),
        (claim(), effects(1, None, None), "no interval could be computed"),
    ],
)
def test_judge_claims__says_why_a_claim_cannot_be_tested(asked, measured, reason):
    row = judge_claims([asked], measured, GROUPS).iloc[0]
    assert row["verdict"] == "not testable"
    assert reason in row["reason"]


def test_mark_untestable__keeps_the_columns():
    table = mark_untestable([claim()], "the chapter was skipped")
    assert tuple(table.columns) == CLAIM_COLUMNS
    assert table["reason"].tolist() == ["the chapter was skipped"]


def test_count_verdicts__lists_all_four():
    table = pd.DataFrame({"verdict": ["holds", "holds", "not testable"]})
    assert count_verdicts(table).to_dict() == {
        "holds": 2,
        "contradicted": 0,
        "underpowered": 0,
        "not testable": 1,
    }


@pytest.mark.parametrize(
    ("direction", "numbers", "reason"),
    [
        ("up", (1.0, 0.5, 1.5), "right direction; the interval excludes 0 (no effect)"),
        (
            "down",
            (-1.0, -2.1, 0.1),
            (
                "right direction; the interval includes 0 (no effect); "
                "it excludes effects below -2.1 and above 0.1"
            ),
        ),
        ("down", (1.0, 0.5, 1.5), "opposite direction; the interval excludes 0 (no effect)"),
        (
            "up",
            (0.0033, -0.00912, 0.01573),  # a precise nought
            (
                "right direction; the interval includes 0 (no effect); "
                "it excludes effects below -0.0091 and above 0.016"
            ),
        ),
    ],
)
def test_judge_claims__says_what_the_verdict_rests_on(direction, numbers, reason):
    row = judge_claims([claim(direction)], effects(*numbers), GROUPS).iloc[0]
    assert row["reason"] == reason
    assert (row["ci_low"], row["ci_high"], row["pvalue"], row["unit"]) == (
        *numbers[1:],
        0.04,
        "sample",
    )


def test_judge_claims__names_every_role_that_is_missing_and_keeps_the_sentence():
    row = judge_claims([claim(test="responder")], effects(1, 0.5, 1.5), {"other": "x"}).iloc[0]
    assert row["reason"] == "the cohort has no group in the role responder or reference"
    assert (row["id"], row["sentence"], row["panel"]) == ("x", "It is so.", "E")
    assert pd.isna(row["effect"])


def test_judge_claims__of_no_type_or_no_reference_takes_the_row_of_its_group():
    measured = pd.concat(
        [
            effects(1.0, 0.5, 1.5).assign(measure="lead", test_group="CK", reference_group=""),
            effects(-1.0, -1.5, -0.5).assign(measure="lead", reference_group=""),
            effects(2.0, 1.5, 2.5).assign(measure="similarity", cell_type=""),
        ],
        ignore_index=True,
    )
    lead = Effect(measure="lead", cell_type="Pro-B", test="non_responder", reference=None)
    alike = Effect(
        measure="similarity", cell_type=None, test="non_responder", reference="reference"
    )
    asked = [claim().model_copy(update={"effect": effect}) for effect in (lead, alike)]
    table = judge_claims(asked, measured, GROUPS)
    assert table["verdict"].tolist() == ["contradicted", "holds"]
    assert table["effect"].tolist() == [-1.0, 2.0]


def test_judge_claims__keeps_an_effect_that_has_no_interval():
    row = judge_claims([claim()], effects(1.5, None, None, "1 sample"), GROUPS).iloc[0]
    assert (row["verdict"], row["effect"], row["reason"]) == ("not testable", 1.5, "1 sample")


def test_judge_claims__one_row_a_claim_in_their_order_with_all_columns():
    asked = [claim("up"), claim("down"), claim(kind="Pre-B")]
    table = judge_claims(asked, effects(1, 0.5, 1.5), GROUPS)
    assert tuple(table.columns) == CLAIM_COLUMNS
    assert table["verdict"].tolist() == ["holds", "contradicted", "not testable"]
    assert judge_claims([], effects(1, 0.5, 1.5), GROUPS).empty


def test_judge_claims__of_a_feature_needs_no_group():
    asked = claim().model_copy(update={"effect": Effect(measure="index", feature="selinexor")})
    measured = effects(2.0, 1.0, 3.0).assign(measure="index", feature="selinexor")
    assert judge_claims([asked], measured, {})["verdict"].tolist() == ["holds"]
    other = measured.assign(feature="cytarabine")
    row = judge_claims([asked], other, {}).iloc[0]
    assert row["verdict"] == "not testable"
    assert row["reason"] == "the cohort has no measurement of selinexor"


@pytest.mark.parametrize(
    ("direction", "numbers", "verdict", "rest"),
    [
        # random sets give -0.3 to 0.25
        ("up", (1.0, 0.3, 1.7), "holds", "and all that random sets of genes give (-0.3 to 0.25)"),
        ("up", (1.0, 0.2, 1.8), "underpowered", "but not what random sets of genes give"),
        ("up", (-0.48, -0.94, -0.03), "underpowered", "but not what random sets of genes give"),
        ("up", (-1.0, -1.6, -0.4), "contradicted", "and all that random sets of genes give"),
        ("down", (-1.0, -1.6, -0.4), "holds", "and all that random sets of genes give"),
        ("down", (-1.0, -1.75, -0.27), "underpowered", "but not what random sets of genes give"),
        ("down", (1.0, 0.27, 1.7), "contradicted", "and all that random sets of genes give"),
        ("up", (0.1, -0.1, 0.3), "underpowered", "excludes effects below -0.1 and above 0.3"),
    ],
)
def test_judge_claims__needs_the_interval_outside_what_random_sets_give(
    direction, numbers, verdict, rest
):
    measured = effects(*numbers).assign(null_low=-0.3, null_high=0.25)
    row = judge_claims([claim(direction)], measured, GROUPS).iloc[0]
    assert row["verdict"] == verdict
    assert rest in row["reason"]


def test_judge_claims__needs_the_interval_on_its_side_of_zero_whatever_random_sets_give():
    shifted = effects(-0.5, -0.6, -0.4).assign(null_low=-2.0, null_high=-1.0)
    assert judge_claims([claim("up")], shifted, GROUPS)["verdict"].tolist() == ["underpowered"]
    unknown = shifted.assign(null_low=float("nan"), null_high=float("nan"))
    assert judge_claims([claim("up")], unknown, GROUPS)["verdict"].tolist() == ["contradicted"]


def test_judge_claims__names_the_scale_and_the_adjusted_p_value_where_there_is_one():
    row = judge_claims([claim()], effects(1, 0.5, 1.5).assign(padj=0.3), GROUPS).iloc[0]
    assert (row["scale"], row["pvalue"], row["padj"]) == ("log2 ratio", 0.04, 0.3)
    assert pd.isna(judge_claims([claim()], effects(1, 0.5, 1.5), GROUPS).iloc[0]["padj"])


def test_scales__cover_every_measure_of_the_claims():
    entries = yaml.safe_load((PARAMS / "claims.yml").read_text(encoding="utf-8"))
    assert {entry["effect"]["measure"] for entry in entries} <= set(SCALES)


def test_judge_claims__says_why_a_feature_of_a_comparison_that_was_made_has_no_number():
    effect = Effect(
        measure="regulon", cell_type="Pro-B", feature="SP1", test="non_responder",
        reference="reference",
    )  # fmt: skip
    asked = claim().model_copy(update={"effect": effect})
    made = effects(1, 0.5, 1.5).assign(measure="regulon", feature="EBF1")
    row = judge_claims([asked], made, GROUPS).iloc[0]
    assert row["verdict"] == "not testable"
    assert row["reason"] == (
        "SP1 has no number in this comparison: it was not measured or not scored"
    )
    said = made.assign(cell_type="", test_group="", feature="SP1", reason="8 targets; needed: 10")
    row = judge_claims([asked], pd.concat([made, said]), GROUPS).iloc[0]
    assert (row["verdict"], row["reason"]) == ("not testable", "8 targets; needed: 10")
    not_made = made.assign(test_group="CR")
    row = judge_claims([asked], not_made, GROUPS).iloc[0]
    assert row["reason"] == "the cohort does not make this comparison"
