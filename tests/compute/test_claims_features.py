"""Claims about a subcluster or a term."""

import pandas as pd

from helpers.compute.claims import judge_claims
from helpers.schema import Claim, Effect

EFFECTS = pd.DataFrame(
    {
        "measure": "activity",
        "cell_type": "Pro-B",
        "subcluster": ["0", "0", "1"],
        "feature": ["x", "y", "x"],
        "test_group": "",
        "reference_group": "",
        "unit": "sample",
        "n_reference": 3,
        "n_test": 3,
        "effect": [1.0, 2.0, -1.0],
        "ci_low": [0.5, -1.0, -2.0],
        "ci_high": [1.5, 5.0, -0.5],
        "pvalue": 0.01,
        "reason": "",
    }
)


def judge(**effect: str) -> dict[str, object]:
    claim = Claim(
        id="c",
        source="s",
        sentence="t",
        chapter="x",
        panel="A",
        effect=Effect(measure="activity", cell_type="Pro-B", **effect),
        direction="up",
    )
    return judge_claims([claim], EFFECTS, {}).iloc[0].to_dict()


def test_judge_claims__looks_up_subcluster_and_feature():
    assert judge(subcluster="0", feature="x")["verdict"] == "holds"
    assert judge(subcluster="0", feature="y")["verdict"] == "underpowered"
    assert judge(subcluster="1", feature="x")["verdict"] == "contradicted"


def test_judge_claims__of_an_unknown_subcluster_are_not_testable():
    assert judge(subcluster="9", feature="x")["verdict"] == "not testable"


def test_judge_claims__of_a_subject_the_effects_do_not_have_are_not_testable():
    claim = Claim(
        id="c",
        source="s",
        sentence="t",
        chapter="x",
        panel="A",
        effect=Effect(measure="activity", feature="x"),
        direction="up",
    )
    judged = judge_claims([claim], EFFECTS.drop(columns="feature"), {})
    assert judged["verdict"].tolist() == ["not testable"]
