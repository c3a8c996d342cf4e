"""A course over days: how shares and scores of samples change from the start of treatment."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.compute.composition import transform_proportions
from helpers.compute.signatures import ALL_CELLS, CELL_METHODS
from helpers.compute.stats import NO_SPREAD, adjust_pvalues, compare_moderated
from helpers.schema import CELL_TYPE, DONOR, GROUP, SAMPLE, SIGNATURE, TIME, Contrast

LEAST_TIMES = 3  # two points always lie on a line
LN2 = np.log(2)
SHARE, SCORE, STATE = "cluster share", "signature", "state of cells"
# Scores of cells -> what is followed; two have the names of signatures, which are followed, too.
STATES = {
    "stemness": "stemness score", "quiescence": "quiescence score", "potential": "potential",
    "pseudotime": "pseudotime",
}  # fmt: skip
STEM_LIKE = "stem-like cluster"
TREND_TEST = "t-test of the slope of a linear model of samples"
NUMBERS = ("effect", "ci_low", "ci_high", "pvalue", "value_first", "value_last")


@dataclass(frozen=True)
class Course:
    """Samples whose change over days is asked for, and the weights of what is estimated."""

    name: str
    samples: pd.DataFrame
    """``sample``, ``group``, ``donor``, ``time_days``."""
    slopes: dict[str, float]
    """Group -> weight of its slope; an empty name stands for one slope of all samples."""

    @property
    def n_times(self) -> int:
        """Days at which samples were taken; of the group with fewest where slopes are compared."""
        if "" in self.slopes:
            return int(self.samples[TIME].nunique())
        return int(self.samples.groupby(GROUP)[TIME].nunique().min())


def list_courses(samples: pd.DataFrame, contrast: Contrast) -> list[Course]:
    """The courses of two conditions that may be asked for, the most telling first.

    Parameters
    ----------
    samples
        ``sample``, ``group``, ``donor``, ``time_days`` (missing: not part of a course).

    Returns
    -------
    Where all samples of the reference were taken at one time, before those of the test condition:
    both together, since treatment began there. The test condition by itself, and the reference
    if it has a course of its own. Where both have: the difference of their slopes.
    """
    timed = samples.dropna(subset=[TIME])
    test, reference = (timed[timed[GROUP] == g] for g in (contrast.test, contrast.reference))
    days, start = (sorted(set(side[TIME])) for side in (test, reference))
    courses = [Course(contrast.test, test, {"": 1.0})]
    if days and len(start) == 1 and start[0] < days[0]:
        name = f"{contrast.test} from {contrast.reference}"
        courses.insert(0, Course(name, pd.concat([reference, test]), {"": 1.0}))
    if len(start) >= LEAST_TIMES:
        courses.append(Course(contrast.reference, reference, {"": 1.0}))
    if min(len(days), len(start)) >= LEAST_TIMES:
        weights = {contrast.test: 1.0, contrast.reference: -1.0}
        courses.append(Course(contrast.name, pd.concat([test, reference]), weights))
    return courses


def design_course(course: Course) -> tuple[pd.DataFrame, pd.Series]:
    """Design of a linear model of a course, and the weights of its coefficients in the estimate.

    Samples share a level, or one for each condition where their slopes are compared. Where a donor
    (a patient, a flask) was sampled at several times, every donor has a level of its own, so that
    only change within donors counts.

    Returns
    -------
    Shape (n_samples, n_coefficients), indexed by sample, and shape (n_coefficients,).
    """
    sheet = course.samples.set_index(SAMPLE)
    apart = "" not in course.slopes
    part = sheet[GROUP] if apart else pd.Series("", index=sheet.index)
    level = part + ("/" + sheet[DONOR] if _is_followed(course) else "")
    design = pd.get_dummies(level, dtype=float, prefix="level")
    for name in course.slopes:
        design[f"slope {name}"] = sheet[TIME].where(part == name, 0.0)
    weights = pd.Series({f"slope {name}": weight for name, weight in course.slopes.items()})
    return design, weights.reindex(design.columns, fill_value=0.0)


def _is_followed(course: Course) -> bool:
    """Whether a donor was sampled at more than one time."""
    key = [DONOR] if "" in course.slopes else [GROUP, DONOR]
    taken = course.samples[[*key, TIME]].drop_duplicates()
    return bool(taken.duplicated(key).any())


def fit_trends(
    values: pd.DataFrame, samples: pd.DataFrame, contrast: Contrast, *, confidence: float
) -> pd.DataFrame:
    """Change per day of every feature in every course, the sample being the unit.

    Ordinary least squares, feature by feature, so that the answer is that of R's ``lm``.

    Parameters
    ----------
    values
        Shape (n_samples, n_features), indexed by sample; samples that are not listed were not
        measured.
    samples
        ``sample``, ``group``, ``donor``, ``time_days``.

    Returns
    -------
    One row a course and feature: ``course``, ``feature``, ``unit``, ``test``, ``n_samples``, ``n_times``,
    ``n_reference`` and ``n_test`` (samples of either condition), ``first_day``, ``last_day``,
    ``effect`` (per day), ``ci_low``, ``ci_high``, ``pvalue``, ``value_first`` and ``value_last`` (the
    line at both ends; missing for a difference of slopes), ``padj`` (Benjamini-Hochberg within a
    course), ``reason`` (why there is no test, else empty).
    """
    measured = samples[samples[SAMPLE].isin(values.index)]
    tables = [
        _fit_course(values, course, contrast, confidence)
        for course in list_courses(measured, contrast)
    ]
    return pd.concat(tables, ignore_index=True)


def _fit_course(
    values: pd.DataFrame, course: Course, contrast: Contrast, confidence: float
) -> pd.DataFrame:
    groups, days = course.samples[GROUP], course.samples[TIME]
    within = ", within donors" if _is_followed(course) else ""
    head = {
        "course": course.name, "unit": SAMPLE, "test": TREND_TEST + within,
        "n_samples": len(groups), "n_times": course.n_times,
        "n_reference": int((groups == contrast.reference).sum()),
        "n_test": int((groups == contrast.test).sum()),
        "first_day": days.min(), "last_day": days.max(),
    }  # fmt: skip
    table = pd.DataFrame({"feature": values.columns}).assign(**head)
    design, weights = design_course(course)
    reason = _untestable(course, design)
    if reason:
        return table.assign(**dict.fromkeys((*NUMBERS, "padj"), np.nan), reason=reason)
    rows = [
        _fit_feature(values.loc[design.index, [name]], design, weights, days.to_numpy(), confidence)
        for name in values.columns
    ]
    table = table.join(pd.DataFrame(rows))
    if "" not in course.slopes:
        table[["value_first", "value_last"]] = np.nan
    reasons = np.where(table["pvalue"].isna(), NO_SPREAD, "")
    return table.assign(padj=adjust_pvalues(table["pvalue"]), reason=reasons)


def _untestable(course: Course, design: pd.DataFrame) -> str:
    if course.n_times < LEAST_TIMES:
        return f"{course.n_times} time points: a trend needs {LEAST_TIMES}"
    if len(design) <= design.shape[1]:
        return (
            f"{len(design)} samples for {design.shape[1]} coefficients leave nothing to test with"
        )
    return ""


def _fit_feature(
    values: pd.DataFrame, design: pd.DataFrame, weights: pd.Series, days: np.ndarray, level: float
) -> dict[str, float]:
    """Slope of one feature, and the line through the middle of its samples at both ends."""
    fitted = compare_moderated(values, design, weights, confidence=level).iloc[0]
    middle, slope = float(values.iloc[:, 0].mean()), float(fitted["effect"])
    ends = {"value_first": days.min(), "value_last": days.max()}
    numbers = {name: float(fitted[name]) for name in ("effect", "ci_low", "ci_high", "pvalue")}
    return numbers | {k: middle + slope * (day - days.mean()) for k, day in ends.items()}


# What is followed


def share_values(proportions: pd.DataFrame) -> pd.DataFrame:
    """Log2 odds of every cluster in every sample, half a cell added to every count.

    Parameters
    ----------
    proportions
        From :func:`helpers.compute.composition.count_types`, clusters as ``cell_type``.

    Returns
    -------
    Shape (n_samples, n_clusters); samples without cells are left out.
    """
    counts = proportions.pivot_table(index=SAMPLE, columns=CELL_TYPE, values="n_cells")
    counts = counts[counts.sum(axis=1) > 0]
    if counts.shape[1] < 2:
        return counts.iloc[:, :0].astype(float)
    return transform_proportions(counts, transform="logit") / LN2


def score_values(scores: pd.DataFrame) -> pd.DataFrame:
    """Combined z of every signature in all cells of a sample, less that of its random sets.

    Parameters
    ----------
    scores
        From :func:`helpers.compute.signatures.list_scores`.

    Returns
    -------
    Shape (n_samples, n_signatures).
    """
    mine = scores[(scores[CELL_TYPE] == ALL_CELLS) & (scores["method"] == CELL_METHODS[0])]
    over = mine.assign(over=mine["score"] - mine["null_mean"])
    return over.pivot_table(index=SAMPLE, columns=SIGNATURE, values="over").dropna(axis=1)


def state_values(cells: pd.DataFrame) -> pd.DataFrame:
    """Mean stemness, quiescence and potential of a sample's cells, and their median pseudotime.

    Parameters
    ----------
    cells
        ``sample`` and :data:`STATES`; cells pseudotime does not reach do not count for it.
    """
    known = cells.replace({"pseudotime": {np.inf: np.nan}}).groupby(SAMPLE)
    means = known[list(STATES)].mean()
    table = means.assign(pseudotime=known["pseudotime"].median())
    return table.rename(columns=STATES).dropna(axis=1)


def follow_line(
    proportions: pd.DataFrame,
    scores: pd.DataFrame,
    cells: pd.DataFrame,
    samples: pd.DataFrame,
    contrast: Contrast,
    *,
    confidence: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everything that is followed over days, sample by sample, and its trends.

    Returns
    -------
    ``sample``, ``group``, ``time_days``, ``kind``, ``feature``, ``value``, one row a sample of the
    two conditions and feature; and the rows of :func:`fit_trends` with ``kind``. Adjusted p-values
    are within a course and kind.
    """
    kinds = {
        SHARE: share_values(proportions), SCORE: score_values(scores), STATE: state_values(cells),
    }  # fmt: skip
    sides = samples[GROUP].isin([contrast.test, contrast.reference])
    sheet = samples.loc[sides & samples[TIME].notna(), [SAMPLE, GROUP, DONOR, TIME]]
    values = [_tidy(table, sheet).assign(kind=kind) for kind, table in kinds.items()]
    trends = [
        fit_trends(table, sheet, contrast, confidence=confidence).assign(kind=kind)
        for kind, table in kinds.items()
    ]
    return pd.concat(values, ignore_index=True), pd.concat(trends, ignore_index=True)


def _tidy(values: pd.DataFrame, sheet: pd.DataFrame) -> pd.DataFrame:
    long = values.rename_axis(columns="feature").reset_index().melt(SAMPLE)
    return sheet[[SAMPLE, GROUP, TIME]].merge(long, on=SAMPLE, how="inner")


def main_course(trends: pd.DataFrame) -> pd.DataFrame:
    """Trends of the first course, the one figures draw and claims are looked up in."""
    return trends[trends["course"] == trends["course"].iloc[0]] if len(trends) else trends


def measure_course(trends: pd.DataFrame, stem_like: list[str], contrast: Contrast) -> pd.DataFrame:
    """Trends as claims look them up: the stem-like cluster's share, and every signature.

    Effects are changes from the first day to the last, so that they can stand beside others.

    Parameters
    ----------
    trends
        From :func:`follow_line`.
    stem_like
        From :func:`helpers.compute.resistance.find_stem_like`.
    """
    main = main_course(trends)
    lasted = main["last_day"] - main["first_day"]
    main = main.assign(**{name: main[name] * lasted for name in ("effect", "ci_low", "ci_high")})
    shares = main[(main["kind"] == SHARE) & main["feature"].astype(str).isin(stem_like[:1])]
    parts = [shares.assign(measure="course_share", feature=STEM_LIKE)]
    if shares.empty:
        row = {
            "measure": "course_share", "feature": STEM_LIKE, "unit": SAMPLE, "n_reference": 0,
            "n_test": 0, "reason": "there is no stem-like cluster to follow",
        }  # fmt: skip
        parts = [pd.DataFrame([row]).assign(**dict.fromkeys(NUMBERS[:4], np.nan))]
    parts.append(main[main["kind"] == SCORE].assign(measure="course_score"))
    sides = {"test_group": contrast.test, "reference_group": contrast.reference}
    kept = ["measure", "feature", "unit", "n_reference", "n_test", *NUMBERS[:4], "reason"]
    rows = pd.concat([part[kept] for part in parts if len(part)], ignore_index=True)
    return rows.assign(**{CELL_TYPE: ALL_CELLS}, **sides)


def rate_course(trends: pd.DataFrame, planted: pd.DataFrame, stem_like: list[str]) -> pd.DataFrame:
    """Whether every planted trend was found in its direction, and none where none was planted.

    Parameters
    ----------
    trends
        From :func:`follow_line`.
    planted
        ``feature`` (:data:`STEM_LIKE` or a signature), ``direction`` (1, -1 or 0).

    Returns
    -------
    ``feature``, ``direction``, ``course``, ``n_samples``, ``effect``, ``ci_low``, ``ci_high``,
    ``as_planted``: the interval lies on the planted side of 0, or holds 0 where nothing was planted.
    """
    mine = main_course(trends)
    stem = (mine["kind"] == SHARE) & mine["feature"].astype(str).isin(stem_like[:1])
    named = mine.assign(feature=mine["feature"].astype(str).where(~stem, STEM_LIKE))
    asked = planted[["feature", "direction"]].drop_duplicates()
    both = asked.merge(named[named["kind"].eq(SCORE) | stem], on="feature", how="left")
    sign = np.sign(both["ci_low"]).where(np.sign(both["ci_low"]) == np.sign(both["ci_high"]), 0.0)
    kept = ["feature", "direction", "course", "n_samples", "effect", "ci_low", "ci_high"]
    known = both["ci_low"].notna()
    return both[kept].assign(as_planted=(sign == both["direction"]) & known)
