"""What the sentences of the sources come to in the cohort at hand."""

import numpy as np
import pandas as pd

from helpers.compute.levels import ALL_CELLS
from helpers.schema import CELL_TYPE, CLAIM_COLUMNS, SUBCLUSTER, Claim

# Columns a table of effects must have for claims to be looked up in it.
EFFECT_COLUMNS = (
    "measure",
    CELL_TYPE,
    "test_group",
    "reference_group",
    "unit",
    "n_reference",
    "n_test",
    "effect",
    "ci_low",
    "ci_high",
    "pvalue",
    "reason",
)
# What else a claim may be about: fields of its effect, and columns of the effects that have them.
SUBJECTS = (CELL_TYPE, SUBCLUSTER, "feature")
LINE_ROLES = {"parental", "resistant"}  # of a line, whose clusters are no cell types of blood


def judge_claims(
    claims: list[Claim], effects: pd.DataFrame, groups: dict[str, str]
) -> pd.DataFrame:
    """Verdict on each claim: holds, contradicted, underpowered or not testable.

    Parameters
    ----------
    claims
        Claims of one chapter.
    effects
        What the chapter measured, with :data:`EFFECT_COLUMNS`; the sample is the unit.
    groups
        Role to group label of this cohort.

    Returns
    -------
    One row a claim, with the columns of ``claims.csv``.
    """
    rows = [_judge(claim, effects, groups) for claim in claims]
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def _judge(claim: Claim, effects: pd.DataFrame, groups: dict[str, str]) -> dict[str, object]:
    row = _head(claim)
    roles = [role for role in (claim.effect.test, claim.effect.reference) if role is not None]
    missing = [role for role in roles if role not in groups]
    if missing:
        return row | untestable(f"the cohort has no group in the role {' or '.join(missing)}")
    if claim.effect.cell_type not in (None, ALL_CELLS) and _is_line(groups):
        return row | untestable("all groups are of one line; this is about a cell type of blood")
    found = effects[effects["measure"] == claim.effect.measure]
    for column, role in (
        ("test_group", claim.effect.test),
        ("reference_group", claim.effect.reference),
    ):
        if role is not None:
            found = found[found[column] == groups[role]]
    for column in SUBJECTS:
        subject = getattr(claim.effect, column)
        if subject is not None:
            found = found[found[column] == subject] if column in found else found.iloc[:0]
    if found.empty:
        return row | untestable(_absence(claim, effects))
    measured = found.iloc[0]
    numbers = {name: measured[name] for name in CLAIM_COLUMNS if name in EFFECT_COLUMNS}
    return row | numbers | _verdict(measured, claim.direction)


def _is_line(groups: dict[str, str]) -> bool:
    return bool(groups) and set(groups) <= LINE_ROLES


def _head(claim: Claim) -> dict[str, object]:
    return {
        "id": claim.id,
        "source": claim.source,
        "sentence": claim.sentence,
        "chapter": claim.chapter,
        "panel": claim.panel,
    }


def untestable(reason: str) -> dict[str, object]:
    """The part of a claim's row that says why there is no verdict."""
    return {"verdict": "not testable", "reason": reason}


def mark_untestable(claims: list[Claim], reason: str) -> pd.DataFrame:
    """Claims of a chapter that was not run, with the reason."""
    rows = [_head(claim) | untestable(reason) for claim in claims]
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def _absence(claim: Claim, effects: pd.DataFrame) -> str:
    kind = claim.effect.cell_type
    if kind is None and claim.effect.test is None:
        return f"the cohort has no measurement of {claim.effect.feature or claim.effect.measure}"
    if kind is not None and kind not in set(effects[CELL_TYPE]):
        return f"no cell of this cohort was called {kind}"
    return "the cohort does not make this comparison"


def _verdict(measured: pd.Series, direction: str) -> dict[str, object]:
    """Holds if the interval lies on the claimed side of no effect, contradicted if opposite."""
    if pd.isna(measured["ci_low"]) or pd.isna(measured["ci_high"]):
        return untestable(str(measured["reason"] or "no interval could be computed"))
    sign = 1.0 if direction == "up" else -1.0
    low, high = sorted((sign * measured["ci_low"], sign * measured["ci_high"]))
    if low > 0:
        return {"verdict": "holds", "reason": "right direction; the interval excludes no effect"}
    if high < 0:
        return {
            "verdict": "contradicted",
            "reason": "opposite direction; the interval excludes no effect",
        }
    seen = "right" if sign * measured["effect"] > 0 else "opposite"
    return {
        "verdict": "underpowered",
        "reason": f"{seen} direction; the interval includes no effect",
    }


def count_verdicts(verdicts: pd.DataFrame) -> pd.Series:
    """How many claims came to each verdict, all four listed."""
    order = ["holds", "contradicted", "underpowered", "not testable"]
    return verdicts["verdict"].value_counts().reindex(order, fill_value=0).astype(np.int64)
