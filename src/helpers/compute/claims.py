"""What the sentences of the sources come to in the cohort at hand."""

import numpy as np
import pandas as pd

from helpers.compute.levels import ALL_CELLS
from helpers.schema import CELL_TYPE, CLAIM_COLUMNS, SUBCLUSTER, Claim, Effect

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
# What a table may have besides: a p-value adjusted for all that was tested beside this effect.
PADJ = "padj"
# What else a claim may be about: fields of its effect, and columns of the effects that have them.
SUBJECTS = (CELL_TYPE, SUBCLUSTER, "feature")
# Columns of the effects that random sets of genes have: an effect among them is nothing special.
CHANCE = ("null_low", "null_high")
LOG2 = "log2 ratio"
# What an effect of each measure is given in.
SCALES = {
    **dict.fromkeys(("proportion", "lead", "similarity", "activity", "markers"), LOG2),
    **dict.fromkeys(("regulon", "regulon_lead", "motif_support"), LOG2),
    **dict.fromkeys(("motif", "motif_of_type", "expression", "expression_of_type"), LOG2),
    **dict.fromkeys(("peaks", "resistance_index", "reversal", "course_share"), LOG2),
    **dict.fromkeys(("signature_hazard", "signature_adjusted"), "log2 hazard ratio"),
    **dict.fromkeys(("signature", "course_score"), "difference of z"),
    "stem_like": "standard deviations",
    **dict.fromkeys(("cnv", "cnv_lead", "cnv_subcluster", "cnv_second"), "copy-number level, log2"),
    **dict.fromkeys(("dormant", "dormant_excess"), "fraction of cells"),
}
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
        What the chapter measured, with :data:`EFFECT_COLUMNS`; the unit is the one each row names.
        Where it has the columns :data:`CHANCE`, a verdict needs the interval outside them. A row of a
        feature without a cell type says in ``reason`` why the feature has no number anywhere.
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
    found = _look_up(claim.effect, effects, groups)
    if found.empty:
        return row | untestable(_absence(claim.effect, effects, groups))
    measured = found.iloc[0]
    numbers = {name: measured[name] for name in CLAIM_COLUMNS if name in EFFECT_COLUMNS}
    numbers |= {PADJ: measured.get(PADJ), "scale": SCALES.get(claim.effect.measure, "")}
    return row | numbers | _verdict(measured, claim.direction)


def _look_up(effect: Effect, effects: pd.DataFrame, groups: dict[str, str]) -> pd.DataFrame:
    """Rows of the effects that are of the measure, the groups and the subjects asked for."""
    found = effects[effects["measure"] == effect.measure]
    for column, role in (("test_group", effect.test), ("reference_group", effect.reference)):
        if role is not None:
            found = found[found[column] == groups[role]]
    for column in SUBJECTS:
        subject = getattr(effect, column)
        if subject is not None:
            found = found[found[column] == subject] if column in found else found.iloc[:0]
    return found


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


def _absence(effect: Effect, effects: pd.DataFrame, groups: dict[str, str]) -> str:
    """Why the effects have no row for what is asked."""
    kind, feature = effect.cell_type, effect.feature
    if kind is not None and kind not in set(effects[CELL_TYPE]):
        return f"no cell of this cohort was called {kind}"
    said = _said_of(effect, effects)
    if said:
        return said
    if kind is None and effect.test is None:
        return f"the cohort has no measurement of {feature or effect.measure}"
    others = _look_up(effect.model_copy(update={"feature": None}), effects, groups)
    if feature is None or others.empty:
        return "the cohort does not make this comparison"
    return f"{feature} has no number in this comparison: it was not measured or not scored"


def _said_of(effect: Effect, effects: pd.DataFrame) -> str:
    """What a row of a feature and of no cell type says of why the feature has no number."""
    if effect.feature is None or "feature" not in effects:
        return ""
    mine = (effects["measure"] == effect.measure) & (effects["feature"] == effect.feature)
    reasons = effects.loc[mine & (effects[CELL_TYPE] == ""), "reason"]
    return "" if reasons.empty else str(reasons.iloc[0])


def _verdict(measured: pd.Series, direction: str) -> dict[str, object]:
    """Holds if the interval lies on the claimed side of no effect, contradicted if opposite.

    Where random sets of genes stand beside the effect, no effect is all that they give.
    """
    if pd.isna(measured["ci_low"]) or pd.isna(measured["ci_high"]):
        return untestable(str(measured["reason"] or "no interval could be computed"))
    sign = 1.0 if direction == "up" else -1.0
    low, high = sorted((sign * measured["ci_low"], sign * measured["ci_high"]))
    least, most = sorted(sign * bound for bound in _chance(measured))
    verdict = "underpowered"
    if low > max(most, 0.0):
        verdict = "holds"
    elif high < min(least, 0.0):
        verdict = "contradicted"
    seen = "right" if sign * measured["effect"] > 0 else "opposite"
    return {"verdict": verdict, "reason": f"{seen} direction; {_rests_on(measured, verdict)}"}


def _chance(measured: pd.Series) -> tuple[float, float]:
    """Range of the effects of random sets of genes; 0 and 0 where there are none."""
    low, high = (measured.get(name, np.nan) for name in CHANCE)
    return (0.0, 0.0) if pd.isna(low) or pd.isna(high) else (float(low), float(high))


def _rests_on(measured: pd.Series, verdict: str) -> str:
    """What the interval includes and excludes, as the end of a sentence."""
    low, high, (least, most) = measured["ci_low"], measured["ci_high"], _chance(measured)
    if low <= 0 <= high:
        return (
            "the interval includes 0 (no effect); it excludes effects "
            f"below {low:.2g} and above {high:.2g}"
        )
    if (least, most) == (0.0, 0.0):
        return "the interval excludes 0 (no effect)"
    random_sets = f"random sets of genes give ({least:.2g} to {most:.2g})"
    if verdict == "underpowered":
        return f"the interval excludes 0, but not what {random_sets}"
    return f"the interval excludes 0 and all that {random_sets}"


def count_verdicts(verdicts: pd.DataFrame) -> pd.Series:
    """How many claims came to each verdict, all four listed."""
    order = ["holds", "contradicted", "underpowered", "not testable"]
    return verdicts["verdict"].value_counts().reindex(order, fill_value=0).astype(np.int64)
