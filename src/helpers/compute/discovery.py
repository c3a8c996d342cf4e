"""A frozen signature in patients who took no part: risk, calibration, what it adds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.learning import Signature, hash_name, score_expression
from helpers.compute.levels import ALL_CELLS
from helpers.compute.survival import (
    GLOBAL,
    CoxFit,
    bootstrap_auc,
    check_proportionality,
    compare_calibration,
    compare_models,
    compare_survival,
    estimate_survival,
    fit_cox,
    measure_concordance,
)
from helpers.errors import DataError
from helpers.schema import CELL_TYPE, CONTRAST, GENE, SAMPLE

HAZARD = ["model", "term", "n", "n_events", "effect", "ci_low", "ci_high", "pvalue", "added_pvalue"]
ALONE, CLINICAL, ADJUSTED = "score", "age and risk", "score, age and risk"
MIN_EVENTS_A_TERM = 5  # fewer give a hazard ratio no estimate to speak of
LOW, HIGH = "low risk", "high risk"
SCORE, AGE, RISK = "score (per SD)", "age (per 10 years)", "cytogenetic risk"


def describe_genes(genes: pd.DataFrame, *, fdr: float) -> str:
    """What genes were compared between, by which test, in how many, as sentences of a caption.

    Parameters
    ----------
    genes
        ``unit``, ``test``, ``contrast``, ``n_reference``, ``n_test``, ``padj``,
        ``measured``; ``cell_type`` where samples were compared.
    """
    row = genes.iloc[0]
    called = (
        f"{(genes['padj'] < fdr).sum():,} of {len(genes):,} genes called (adjusted p < {fdr:g})"
    )
    numbers = f"n = {row['n_test']} and {row['n_reference']}"
    by = f"{row['test']}, Benjamini-Hochberg"
    if row["unit"] != SAMPLE:
        return f"Genes of {row[CONTRAST]} training patients ({by}). {numbers} patients; {called}."
    cells = ALL_CELLS if row[CELL_TYPE] == ALL_CELLS else f"{row[CELL_TYPE]} cells"
    return (
        f"Genes of {row[CONTRAST]}, counts summed over {cells} of every "
        f"sample ({by}). {numbers} samples; {called}, {genes['measured'].sum():,} measured in the "
        "training patients. None of those patients gave cells: their fates had no part in the "
        "choice of genes."
    )


@dataclass(frozen=True)
class Validation:
    """Patients with their scores from a frozen signature."""

    signature: Signature
    patients: pd.DataFrame
    """Indexed by patient: ``score`` (per training standard deviation, 0 at the training median),
    ``group``, ``time_months``, ``event``, ``age``, ``cytogenetic_risk``."""

    @property
    def time(self) -> np.ndarray:
        return self.patients["time_months"].to_numpy(dtype=float)

    @property
    def event(self) -> np.ndarray:
        return self.patients["event"].to_numpy().astype(bool)

    @property
    def score(self) -> np.ndarray:
        return self.patients["score"].to_numpy(dtype=float)


def open_validation(
    signature: Signature, expression: pd.DataFrame, clinical: pd.DataFrame
) -> Validation:
    """Score patients who took no part in learning.

    Parameters
    ----------
    signature
        Learnt and frozen before.
    expression
        log2, shape (n_patients, n_genes).
    clinical
        The same patients' follow-up.

    Raises
    ------
    DataError
        If a patient was among those the signature was learnt from, or gave the cells that its
        candidate genes come from, or genes are missing.
    """
    for what, known in (
        ("training patients", signature.patients),
        ("donors of the cells", signature.donors),
    ):
        both = [name for name in expression.index if hash_name(str(name)) in known]
        if both:
            msg = (
                f"{len(both)} patients of the validation tables are {what}, too "
                f"({', '.join(both[:3])}): a signature is not tried on those it was learnt from"
            )
            raise DataError(msg)
    raw = score_expression(expression, signature)
    table = clinical.assign(
        score=(raw - signature.cut) / signature.spread,
        group=np.where(raw > signature.cut, HIGH, LOW),
    )
    return Validation(signature, table)


def list_patients(validation: Validation) -> pd.DataFrame:
    """Patients with score, group and follow-up, by score."""
    table = validation.patients.rename_axis(SAMPLE).reset_index()
    return table.sort_values("score", kind="stable", ignore_index=True)


def draw_survival(validation: Validation, *, confidence: float) -> pd.DataFrame:
    """Kaplan-Meier curves of the risk groups.

    Returns
    -------
    ``group`` and the columns of :func:`helpers.compute.survival.estimate_survival`.
    """
    parts = []
    for group in (LOW, HIGH):
        mine = validation.patients[validation.patients["group"] == group]
        if not mine.empty:
            time, event = mine["time_months"].to_numpy(), mine["event"].to_numpy()
            curve = estimate_survival(time, event, confidence=confidence)
            parts.append(curve.assign(group=group))
    return pd.concat(parts, ignore_index=True)


def compare_risk_groups(validation: Validation) -> float:
    """P-value of the log-rank test between risk groups; missing if all patients are in one."""
    groups = validation.patients["group"].to_numpy()
    if len(set(groups)) < 2:
        return float("nan")
    return compare_survival(validation.time, validation.event, groups)[2]


def summarise_validation(validation: Validation, *, confidence: float) -> pd.DataFrame:
    """What the signature is worth in these patients, one number a row.

    Returns
    -------
    ``measure`` (C-index; log-rank chi-square; calibration slope: 1 if hazards differ as much as
    predicted; events seen over those expected by the frozen hazard), ``value``, ``ci_low``,
    ``ci_high``, ``null`` and ``pvalue`` (of the value against it), ``n``, ``n_events``.

    References
    ----------
    Crowson et al. (2016) Stat. Methods Med. Res. 25:1692. doi:10.1177/0962280213497434
    """
    time, event = validation.time, validation.event
    found = measure_concordance(validation.score, time, event)
    z = (found.c_index - 0.5) / found.error
    low, high = found.interval(confidence)
    rows = [("C-index", found.c_index, low, high, 0.5, 2 * float(stats.norm.sf(abs(z))))]
    if len(set(validation.patients["group"])) > 1:
        _, chi2, pvalue = compare_survival(time, event, validation.patients["group"].to_numpy())
        rows.append(("log-rank chi-square", chi2, np.nan, np.nan, np.nan, pvalue))
    predictor = pd.DataFrame({"linear predictor": validation.score * validation.signature.spread})
    fit = fit_cox(predictor, time, event)
    error = float(np.sqrt(fit.covariance[0, 0]))
    slope, half = float(fit.coefficients[0]), float(stats.norm.ppf(0.5 + confidence / 2)) * error
    pvalue = 2 * float(stats.norm.sf(abs((slope - 1) / error)))
    rows.append(("calibration slope", slope, slope - half, slope + half, 1.0, pvalue))
    rows.append(("events, seen / expected", *_compare_events(validation, confidence)))
    columns = ["measure", "value", "ci_low", "ci_high", "null", "pvalue"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(n=len(time), n_events=int(event.sum()))


def _compare_events(
    validation: Validation, confidence: float
) -> tuple[float, float, float, float, float]:
    """Events over those expected, with exact Poisson interval, 1, and p-value against it."""
    seen = int(validation.event.sum())
    expected = float(predict_hazard(validation, validation.time).sum())
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * seen) / 2 / expected
    high = stats.chi2.isf(tail, 2 * seen + 2) / 2 / expected
    ends = stats.poisson.cdf(seen, expected), stats.poisson.sf(seen - 1, expected)
    return seen / expected, float(low), float(high), 1.0, min(1.0, 2 * float(min(ends)))


def predict_hazard(validation: Validation, until: float | np.ndarray) -> np.ndarray:
    """Cumulative hazard of each patient until a time, or one's own; level after the last event."""
    signature = validation.signature
    levels = np.concatenate([[0.0], signature.hazard])
    level = levels[np.searchsorted(signature.times, until, side="right")]
    return np.asarray(level * np.exp(validation.score * signature.spread + signature.cut))


def predict_survival(validation: Validation, horizon: float) -> np.ndarray:
    """Probability of each patient to have no event until a time, from the frozen hazard."""
    return np.exp(-predict_hazard(validation, horizon))


def rate_calibration(
    validation: Validation, *, horizons: list[float], n_groups: int, confidence: float
) -> pd.DataFrame:
    """Predicted against seen survival at each horizon.

    Returns
    -------
    ``time`` and the columns of :func:`helpers.compute.survival.compare_calibration`.
    """
    parts = [
        compare_calibration(
            predict_survival(validation, horizon),
            validation.time,
            validation.event,
            horizon=horizon,
            n_groups=n_groups,
            confidence=confidence,
        ).assign(time=horizon)
        for horizon in horizons
    ]
    return pd.concat(parts, ignore_index=True)


def rate_horizons(
    validation: Validation, *, horizons: list[float], n_draws: int, confidence: float, seed: int
) -> pd.DataFrame:
    """AUC at each horizon with its interval, see :func:`helpers.compute.survival.bootstrap_auc`."""
    return bootstrap_auc(
        validation.score,
        validation.time,
        validation.event,
        horizons=horizons,
        n_draws=n_draws,
        confidence=confidence,
        seed=seed,
    )


def adjust_score(validation: Validation, *, confidence: float) -> pd.DataFrame:
    """Hazard ratios of the score alone, of age and cytogenetic risk alone, and of all together.

    Patients whose age or risk is missing, or in whose class of risk there was no event (its hazard
    has no estimate), are left out of the models that need it. A covariate is left out of the model
    where it is the same in all, or known of fewer than half of them or of so few that five events
    a term would not be left. The risk is compared with its most frequent class.

    Returns
    -------
    ``model``, ``term``, ``n``, ``n_events``, ``effect`` (log2 hazard ratio), ``ci_low``,
    ``ci_high``, ``pvalue``; in the last model ``added_pvalue`` is that of the score beside the
    others (likelihood ratio). Where the score could not be adjusted, the row of the adjusted score
    has the ``reason`` and no effect.
    """
    models, reason = _fit_models(validation)
    parts = [_tabulate(model, confidence).assign(reason="") for model in models]
    if reason:
        parts.append(pd.DataFrame([{"model": ADJUSTED, "term": SCORE, "reason": reason}]))
    else:
        _, clinical, every = models
        parts[-1] = parts[-1].assign(added_pvalue=compare_models(every.fit, clinical.fit)[2])
    return pd.concat(parts, ignore_index=True).reindex(columns=[*HAZARD, "reason"])


def describe_adjustment(hazards: pd.DataFrame) -> str:
    """In whom the score was adjusted, or why it was not, as a sentence of a caption.

    Parameters
    ----------
    hazards
        From :func:`adjust_score`.
    """
    row = hazards[hazards["model"] == ADJUSTED].iloc[0]
    if row["reason"]:
        return f"Not adjusted: {row['reason']}."
    return (
        f"Adjusted in the n = {row['n']:.0f} patients whose covariates are known, "
        f"{row['n_events']:.0f} events."
    )


def check_hazards(validation: Validation) -> pd.DataFrame:
    """Whether hazard ratios change with time, in the models of :func:`adjust_score`.

    The classes of cytogenetic risk are one term.

    Returns
    -------
    ``model`` and the columns of :func:`helpers.compute.survival.check_proportionality`, ``n``,
    ``n_events``.
    """
    parts = []
    for model in _fit_models(validation)[0]:
        terms = [RISK if name.startswith(f"{RISK}:") else name for name in model.covariates]
        found = check_proportionality(
            model.covariates, model.time, model.event, model.fit, terms=terms
        )
        found.insert(0, "model", model.name)
        parts.append(found.assign(n=model.fit.n, n_events=model.fit.n_events))
    return pd.concat(parts, ignore_index=True)


def describe_proportionality(checks: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """Which terms of which models have hazard ratios that seem to change with time, in words.

    Parameters
    ----------
    checks
        From :func:`check_hazards`.
    """
    doubtful = checks[checks["pvalue"] < alpha]
    if doubtful.empty:
        lowest = checks["pvalue"].min()
        return f"No test speaks against proportional hazards (smallest p = {lowest:.2g})."
    listed = "; ".join(
        f"{'all terms together' if row.term == GLOBAL else row.term} in the model of {row.model} "
        f"(p = {row.pvalue:.2g})"
        for row in doubtful.itertuples()
    )
    return (
        f"Proportional hazards are doubtful; of {len(checks)} tests, p < {alpha:g} in {listed}. A "
        "hazard ratio there is an average over the follow-up, and another early than late."
    )


@dataclass(frozen=True)
class _Model:
    """A hazard model with what it was fitted to."""

    name: str
    covariates: pd.DataFrame
    time: np.ndarray
    event: np.ndarray
    fit: CoxFit


def _fit_models(validation: Validation) -> tuple[list[_Model], str]:
    """The score alone and, where age or risk are known, these alone and all together.

    Or the score alone and why it could not be adjusted.
    """
    patients = validation.patients
    score = pd.DataFrame({SCORE: validation.score}, index=patients.index)
    models = [_fit(ALONE, score, patients)]
    known = _covariates(patients)
    if known.empty:
        return models, (
            "neither age nor cytogenetic risk is known, and differs, in half of the patients with "
            f"{MIN_EVENTS_A_TERM} events a term"
        )
    mine = patients.loc[known.index]
    try:
        clinical = _fit(CLINICAL, known, mine)
        every = _fit(ADJUSTED, score.loc[known.index].join(known), mine)
    except DataError as error:
        return models, str(error)
    return [*models, clinical, every], ""


def _covariates(patients: pd.DataFrame) -> pd.DataFrame:
    """Age and classes of risk as columns, of the patients in whom they are known."""
    mine, age = patients, patients["age"]
    with_age = _enough(patients[age.notna()], of=patients, n_terms=2) and age.max() > age.min()
    if with_age:
        mine = patients[age.notna()]
    risk = mine["cytogenetic_risk"]
    with_event = set(risk[mine["event"] == 1]) - {""}
    classes = risk[risk.isin(with_event)].value_counts().index
    with_risk = len(classes) > 1 and _enough(
        mine[risk.isin(with_event)], of=mine, n_terms=len(classes) + with_age
    )
    if with_risk:
        mine = mine[risk.isin(with_event)]
    columns = {AGE: mine["age"] / 10} if with_age else {}
    for name in sorted(classes[1:]) if with_risk else []:
        columns[f"{RISK}: {name} (vs {classes[0]})"] = (risk[mine.index] == name).astype(float)
    return pd.DataFrame(columns, index=mine.index)


def _enough(known: pd.DataFrame, *, of: pd.DataFrame, n_terms: int) -> bool:
    """Whether a hazard model of so many terms, the score one of them, can be fitted to some."""
    enough_events = known["event"].sum() >= MIN_EVENTS_A_TERM * n_terms
    return bool(enough_events and 2 * len(known) >= len(of))


def _fit(name: str, covariates: pd.DataFrame, patients: pd.DataFrame) -> _Model:
    varied = covariates.loc[:, covariates.max() > covariates.min()]
    time, event = patients["time_months"].to_numpy(), patients["event"].to_numpy().astype(bool)
    return _Model(name, varied, time, event, fit_cox(varied, time, event))


def _tabulate(model: _Model, confidence: float) -> pd.DataFrame:
    table = model.fit.tabulate(confidence=confidence)
    return table.assign(model=model.name, n=model.fit.n, n_events=model.fit.n_events)


def measure_signature(hazards: pd.DataFrame) -> pd.DataFrame:
    """What claims about the signature are judged by: its hazard ratio, alone and adjusted.

    Returns
    -------
    The columns of :data:`helpers.compute.claims.EFFECT_COLUMNS` and ``feature``; the patient is
    the unit.
    """
    mine = hazards[hazards["term"] == SCORE]
    measures = {ALONE: "signature_hazard", ADJUSTED: "signature_adjusted"}
    return mine.assign(
        measure=mine["model"].map(measures),
        feature="overall survival",
        cell_type="",
        test_group="",
        reference_group="",
        unit="patient",
        n_reference=mine["n"] - mine["n_events"],
        n_test=mine["n_events"],
    )


def rate_signature(truth: pd.DataFrame, genes: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """How many planted genes were found: by difference, and in the signature.

    Parameters
    ----------
    truth
        ``gene``, ``log_hazard`` per standard deviation (0: a gene without effect).
    genes
        ``gene``, ``padj``, ``candidate``.
    weights
        ``gene``, ``weight``.
    """
    planted = truth[truth["log_hazard"] != 0].set_index(GENE)["log_hazard"]
    called = set(genes.loc[genes["padj"] < 0.05, GENE])
    candidates = set(genes.loc[genes["candidate"], GENE])
    chosen = weights.set_index(GENE)["weight"]
    right = chosen[chosen.index.isin(planted.index)]
    agree = (np.sign(right) == np.sign(planted[right.index])).sum()
    rows = [
        ("planted genes", len(planted)),
        ("called different", len(called)),
        ("of these planted", len(called & set(planted.index))),
        ("candidates", len(candidates)),
        ("of these planted", len(candidates & set(planted.index))),
        ("genes in the signature", len(chosen)),
        ("of these planted", len(right)),
        ("of these with the right sign", int(agree)),
    ]
    return pd.DataFrame(rows, columns=["what", "n"])
