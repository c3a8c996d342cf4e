"""A prognostic signature, learnt from the training patients alone and frozen before it is tried."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from helpers.compute.stats import adjust_pvalues, compare_moderated
from helpers.compute.survival import Concordance, estimate_hazard, measure_concordance
from helpers.errors import DataError, NotPossibleError
from helpers.schema import CONTRAST, GENE, SAMPLE

Scale = Literal["counts", "linear", "log2"]
RESISTANT, SENSITIVE = "resistant", "sensitive"
SMALLEST_PENALTY = 0.05  # of the one at which no gene is left
MIN_LABELLED = 5  # patients of each response that genes are compared between
RESPONSE_TEST = "moderated t-test on log2 values (limma)"
CLINICAL = ["time_months", "event", "response"]


@dataclass(frozen=True)
class Training:
    """Patients a signature may be learnt from; functions that learn take nothing else."""

    expression: pd.DataFrame
    """log2, shape (n_patients, n_genes)."""
    clinical: pd.DataFrame
    """``time_months``, ``event``, ``response``; the rows of ``expression``."""

    def part(self, rows: np.ndarray) -> "Training":
        """Some of the patients."""
        return Training(self.expression.iloc[rows], self.clinical.iloc[rows])

    def permuted(self, rng: np.random.Generator) -> "Training":
        """The same patients with one another's fates: what is found in them is chance."""
        order = rng.permutation(len(self.clinical))
        fates = self.clinical.iloc[order].set_axis(self.clinical.index)
        return Training(self.expression, fates)

    @property
    def time(self) -> np.ndarray:
        return self.clinical["time_months"].to_numpy(dtype=float)

    @property
    def event(self) -> np.ndarray:
        return self.clinical["event"].to_numpy().astype(bool)


@dataclass(frozen=True)
class Recipe:
    """How a signature is learnt."""

    candidates: tuple[str, ...] | None = None
    """Genes found in others than the training patients; without them, the genes of
    :func:`compare_response` are chosen anew from every set of patients learnt from."""
    max_genes: int = 2000
    n_candidates: int = 50
    l1_ratio: float = 0.5
    n_penalties: int = 30
    outer_folds: int = 5
    inner_folds: int = 5


@dataclass(frozen=True)
class Signature:
    """Genes with weights, and all that is needed to score a patient who was never seen."""

    genes: tuple[str, ...]
    weights: tuple[float, ...]
    """Natural-log hazard ratio per standard deviation of the gene."""
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    """Mean and standard deviation of each gene in the training patients."""
    cut: float
    """Median score of the training patients: above it the risk is called high."""
    spread: float
    """Standard deviation of their scores."""
    times: tuple[float, ...]
    hazard: tuple[float, ...]
    """Cumulative baseline hazard at each event time of the training patients, by their scores
    from signatures learnt without them."""
    patients: tuple[str, ...]
    """SHA-256 of the name of every training patient, so that none is taken for validation."""
    donors: tuple[str, ...] = ()
    """The same of every sample and donor whose cells told which genes are candidates."""

    @property
    def digest(self) -> str:
        """SHA-256 of everything above."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def freeze_signature(signature: Signature) -> dict[str, object]:
    """A signature as a record with its digest."""
    return asdict(signature) | {"sha256": signature.digest}


def thaw_signature(record: dict[str, object]) -> Signature:
    """A signature from its record.

    Raises
    ------
    DataError
        If it is not what was frozen.
    """
    parts = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k != "sha256"}
    signature = Signature(**parts)  # type: ignore[arg-type]
    if signature.digest != record.get("sha256"):
        msg = "the signature was changed after it was frozen: its SHA-256 differs; learn it anew"
        raise DataError(msg)
    return signature


def hash_name(name: str) -> str:
    """SHA-256 of a patient's name."""
    return sha256(name.encode()).hexdigest()


def log2_expression(expression: pd.DataFrame, *, scale: Scale) -> pd.DataFrame:
    """Expression as log2.

    Parameters
    ----------
    expression
        Shape (n_patients, n_genes).
    scale
        ``counts`` become counts per million and then, as ``linear`` values, log2(1 + x); ``log2``
        stays.

    Raises
    ------
    DataError
        If values that cannot be negative are, or a patient has no count at all.
    """
    if scale == "log2":
        return expression.astype(float)
    if (expression.to_numpy() < 0).any():
        msg = f"values below 0 cannot be of scale {scale!r}; if they are logarithms, write scale: log2"
        raise DataError(msg)
    values = expression.astype(float)
    if scale == "counts":
        totals = values.sum(axis=1)
        if (totals == 0).any():
            msg = f"patient {totals.index[totals == 0][0]!r} has no count at all"
            raise DataError(msg)
        values = values.mul(1e6 / totals, axis=0)
    return np.log2(1 + values)


def join_patients(
    expression: pd.DataFrame, clinical: pd.DataFrame, *, min_events: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients with expression and follow-up, in the same order.

    Raises
    ------
    NotPossibleError
        If fewer than ``min_events`` events were seen in them.
    """
    common = clinical.index.intersection(expression.index)
    n_events = int(clinical.loc[common, "event"].sum())
    if n_events < min_events:
        msg = (
            f"A signature needs {min_events} events, and {n_events} were seen in the "
            f"{len(common)} patients with expression and follow-up."
        )
        raise NotPossibleError(msg)
    return expression.loc[common], clinical.loc[common]


def mark_response(
    clinical: pd.DataFrame, *, resistant_within: float, sensitive_beyond: float
) -> pd.Series:
    """Who counts as resistant and who as sensitive.

    As the clinical table says; where it says nothing of anyone, an event within
    ``resistant_within`` months makes resistant, and none within ``sensitive_beyond`` months
    sensitive. The rest is neither (empty).
    """
    if (clinical["response"] != "").any():
        return clinical["response"]
    time, event = clinical["time_months"], clinical["event"].astype(bool)
    label = pd.Series("", index=clinical.index, name="response")
    label[event & (time <= resistant_within)] = RESISTANT
    label[time > sensitive_beyond] = SENSITIVE
    return label


def compare_response(
    training: Training, *, max_genes: int, confidence: float = 0.95
) -> pd.DataFrame:
    """Genes between resistant and sensitive patients: moderated t-test on log2 values (limma).

    Parameters
    ----------
    max_genes
        Most variable genes that are tested.
    confidence
        Coverage of the intervals.

    Returns
    -------
    ``gene``, ``mean``, ``log2fc`` (resistant against sensitive), ``ci_low``, ``ci_high``,
    ``pvalue``, ``padj`` (Benjamini-Hochberg), by p-value; and what was compared, the same in all
    rows: ``unit``, ``test``, ``contrast``, ``n_reference``, ``n_test``.

    Raises
    ------
    NotPossibleError
        If there are fewer than five patients of either response.
    """
    label = training.clinical["response"]
    sizes = _count_labels(training)
    if min(sizes.values()) < MIN_LABELLED:
        msg = (
            f"Genes are compared between at least {MIN_LABELLED} resistant and {MIN_LABELLED} sensitive "
            f"patients; there are {sizes[RESISTANT]} and {sizes[SENSITIVE]}."
        )
        raise NotPossibleError(msg)
    variance = training.expression.var()
    tested = variance[variance > 0].nlargest(max_genes).index
    known = label.isin(sizes)
    values = training.expression.loc[known.to_numpy(), tested]
    design = pd.DataFrame({name: (label[known] == name).astype(float) for name in sizes})
    contrast = pd.Series({RESISTANT: 1.0, SENSITIVE: -1.0})
    found = compare_moderated(values, design, contrast, confidence=confidence)
    table = pd.DataFrame(
        {
            GENE: tested.to_numpy(),
            "mean": values.mean().to_numpy(),
            "log2fc": found["effect"].to_numpy(),
            "ci_low": found["ci_low"].to_numpy(),
            "ci_high": found["ci_high"].to_numpy(),
            "pvalue": found["pvalue"].to_numpy(),
        }
    )
    table["padj"] = adjust_pvalues(table["pvalue"])
    table = table.assign(unit="patient", test=RESPONSE_TEST)
    table[CONTRAST] = f"{RESISTANT} vs {SENSITIVE}"
    table = table.assign(n_reference=sizes[SENSITIVE], n_test=sizes[RESISTANT])
    return table.sort_values(["pvalue", GENE], kind="stable", ignore_index=True)


def mark_candidates(genes: pd.DataFrame, training: Training, *, n_candidates: int) -> pd.DataFrame:
    """Which genes enter the hazard model: the first that vary among the training patients.

    Parameters
    ----------
    genes
        ``gene`` and more, by p-value; their difference may have been seen in others.

    Returns
    -------
    ``genes`` with ``measured`` and ``candidate``.

    Raises
    ------
    NotPossibleError
        If fewer than two are left.
    """
    values = training.expression.reindex(columns=genes[GENE])
    measured = (values.max() > values.min()).to_numpy()
    candidate = measured & (measured.cumsum() <= n_candidates)
    if candidate.sum() < 2:
        msg = (
            f"Of {len(genes)} genes that were compared, {candidate.sum()} are in the expression "
            "table of the training patients; a signature needs two. Name genes alike in both."
        )
        raise NotPossibleError(msg)
    return genes.assign(measured=measured, candidate=candidate)


def list_candidates(training: Training, recipe: Recipe) -> list[str]:
    """Genes that enter the hazard model of these patients."""
    if recipe.candidates is None:
        genes = compare_response(training, max_genes=recipe.max_genes)[GENE]
        return list(genes.head(recipe.n_candidates))
    values = training.expression[list(recipe.candidates)]
    return list(values.columns[(values.max() > values.min()).to_numpy()])


def learn_weights(training: Training, recipe: Recipe, *, seed: int) -> pd.Series:
    """Weights of a signature: candidate genes, then Cox regression with an elastic net.

    The penalty is the one whose models predict patients left out of them best (partial likelihood
    in inner cross-validation). Patients left out have no part in any step of the models that
    predict them: candidates, means and deviations are of the others.

    Returns
    -------
    Gene to weight per standard deviation; empty if the best model has no gene.

    References
    ----------
    Simon et al. (2011) J. Stat. Softw. 39:5. doi:10.18637/jss.v039.i05; Verweij & van Houwelingen
    (1993) Stat. Med. 12:2305. doi:10.1002/sim.4780122407
    """
    genes = list_candidates(training, recipe)
    time, event = training.time, training.event
    x = _standardise(training.expression[genes], by=training)
    penalties, path = _fit_path(x, time, event, recipe)
    quality = np.zeros(len(penalties))
    for fold in assign_folds(training, recipe.inner_folds, seed=seed):
        kept = ~fold
        others = training.part(np.flatnonzero(kept))
        inner_genes = list_candidates(others, recipe)
        x = _standardise(training.expression[inner_genes], by=others)
        _, inner = _fit_path(x[kept], time[kept], event[kept], recipe, penalties=penalties)
        scores = x @ inner
        quality += _logliks(scores, time, event) - _logliks(scores[kept], time[kept], event[kept])
    best = pd.Series(path[:, int(quality.argmax())], index=genes)
    return best[best != 0]


def _standardise(values: pd.DataFrame, *, by: Training) -> np.ndarray:
    """Values in standard deviations from the mean of some patients."""
    known = by.expression[values.columns]
    return np.asarray(((values - known.mean()) / known.std(ddof=0)).to_numpy())


def _fit_path(
    x: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    recipe: Recipe,
    *,
    penalties: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Penalties and the weights under each, shape (n_genes, n_penalties); the first has none."""
    # takes seconds to import, and the page that reads a signature learns none
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    model = CoxnetSurvivalAnalysis(
        l1_ratio=recipe.l1_ratio,
        n_alphas=recipe.n_penalties,
        alphas=None if penalties is None else penalties[1:],
        alpha_min_ratio=SMALLEST_PENALTY,
    )
    model.fit(x, Surv.from_arrays(event, time))
    found = np.column_stack([np.zeros(x.shape[1]), model.coef_])
    return np.concatenate([[np.inf], model.alphas_]), found


def _logliks(scores: np.ndarray, time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Breslow's log partial likelihood of each column of scores."""
    order = np.argsort(-time, kind="stable")
    time, event, scores = time[order], event[order], scores[order]
    top = scores.max(axis=0)
    at_risk = np.cumsum(np.exp(scores - top), axis=0)
    last = np.searchsorted(-time, -time, side="right") - 1  # equal times are at risk together
    return np.asarray((scores - top - np.log(at_risk[last]))[event].sum(axis=0))


def assign_folds(training: Training, n_folds: int, *, seed: int) -> list[np.ndarray]:
    """Masks of the patients of each fold, events and responses spread evenly.

    Raises
    ------
    NotPossibleError
        If there are fewer events than folds.
    """
    event, response = training.event, training.clinical["response"].to_numpy()
    if event.sum() < n_folds:
        msg = f"{event.sum()} events cannot be spread over {n_folds} folds."
        raise NotPossibleError(msg)
    rng = np.random.default_rng(seed)
    order = [
        rng.permutation(np.flatnonzero((event == kind) & (response == label)))
        for kind in (True, False)
        for label in sorted(set(response))
    ]
    fold = np.empty(len(event), dtype=int)
    fold[np.concatenate(order)] = np.arange(len(event)) % n_folds
    return [fold == k for k in range(n_folds)]


def check_labels(training: Training, recipe: Recipe, *, seed: int) -> None:
    """Refuse patients too few of whom are labelled for genes to be compared in every part of them.

    Raises
    ------
    NotPossibleError
        With the numbers of the whole cohort and of the smallest part that is learnt from.
    """
    whole = _count_labels(training)
    outer = assign_folds(training, recipe.outer_folds, seed=seed)
    parts = [training, *(training.part(np.flatnonzero(~fold)) for fold in outer)]
    smallest = min(
        min(_count_labels(part.part(np.flatnonzero(~fold))).values())
        for part in parts
        for fold in assign_folds(part, recipe.inner_folds, seed=seed)
    )
    if smallest < MIN_LABELLED:
        msg = (
            f"Genes are compared anew in every part of the patients that is learnt from, between at "
            f"least {MIN_LABELLED} resistant and {MIN_LABELLED} sensitive; of "
            f"{whole[RESISTANT]} and {whole[SENSITIVE]} in all, the smallest part holds "
            f"{smallest} of one response. More patients are needed, or other limits of response "
            "(resistant_within, sensitive_beyond under overrides.discovery)."
        )
        raise NotPossibleError(msg)


def _count_labels(training: Training) -> dict[str, int]:
    """How many patients are resistant, how many sensitive."""
    label = training.clinical["response"]
    return {name: int((label == name).sum()) for name in (RESISTANT, SENSITIVE)}


def score_expression(expression: pd.DataFrame, signature: Signature) -> pd.Series:
    """Risk score of each patient: sum of weight times standardised expression.

    Raises
    ------
    DataError
        If a gene of the signature was not measured.
    """
    missing = [gene for gene in signature.genes if gene not in expression.columns]
    if missing:
        listed = ", ".join(missing[:10])
        msg = (
            f"{len(missing)} of {len(signature.genes)} genes of the signature are missing: {listed}"
        )
        raise DataError(msg)
    values = expression[list(signature.genes)].to_numpy(dtype=float)
    z = (values - np.array(signature.centres)) / np.array(signature.scales)
    return pd.Series(z @ np.array(signature.weights), index=expression.index, name="score")


def learn_signature(
    training: Training, recipe: Recipe, *, seed: int, donors: Iterable[str] = ()
) -> Signature:
    """The signature of all training patients.

    Weights and cut are of all of them; the baseline hazard is Breslow's with the scores of
    :func:`score_left_out`. A model orders those it was fitted to better than others, which leaves
    too few high scores among the last at risk and too high a baseline: in simulated patients who
    took no part 0.89 of the events it expects are seen, 1.02 with scores of patients left out.

    Parameters
    ----------
    donors
        Samples and donors whose cells told which genes are candidates.

    Raises
    ------
    NotPossibleError
        If the best model has no gene.
    """
    weights = learn_weights(training, recipe, seed=seed)
    if weights.empty:
        msg = (
            "No signature: of all penalties tried, the one under which no gene is left predicts "
            "the patients left out best."
        )
        raise NotPossibleError(msg)
    values = training.expression[list(weights.index)]
    centres, scales = values.mean(), values.std(ddof=0)
    score = ((values - centres) / scales).to_numpy() @ weights.to_numpy()
    left_out = score_left_out(training, recipe, seed=seed)["score"].to_numpy()
    hazard = estimate_hazard(left_out, training.time, training.event)
    return Signature(
        genes=tuple(map(str, weights.index)),
        weights=_plain(weights),
        centres=_plain(centres),
        scales=_plain(scales),
        cut=float(np.median(score)),
        spread=float(score.std()),
        times=_plain(hazard["time"]),
        hazard=_plain(hazard["hazard"]),
        patients=tuple(sorted(hash_name(str(name)) for name in training.expression.index)),
        donors=tuple(sorted(map(hash_name, set(donors)))),
    )


def _plain(values: pd.Series) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def cross_validate(training: Training, recipe: Recipe, *, seed: int) -> pd.DataFrame:
    """Nested cross-validation: the whole recipe on each outer training part, tried on the rest.

    Returns
    -------
    One row an outer fold: ``fold``, ``n``, ``n_events``, ``n_genes``, ``c_index`` (0.5 where no
    gene was left), ``error``, ``n_pairs``.
    """
    left_out = score_left_out(training, recipe, seed=seed)
    rows = []
    for k, held in left_out.groupby("fold"):
        time, event = held["time_months"].to_numpy(float), held["event"].to_numpy(bool)
        found = measure_concordance(held["score"].to_numpy(), time, event)
        row = {"fold": k, "n": len(held), "n_events": int(event.sum())}
        row |= {"n_genes": held["n_genes"].iloc[0], "c_index": found.c_index, "error": found.error}
        rows.append(row | {"n_pairs": found.n_pairs})
    return pd.DataFrame(rows)


def score_left_out(training: Training, recipe: Recipe, *, seed: int) -> pd.DataFrame:
    """Score of every training patient from a signature learnt without the patient's fold.

    Returns
    -------
    ``fold``, ``n_genes`` (of the signature of the others), ``score``, ``time_months``, ``event``,
    one row a patient, in their order.
    """
    table = training.clinical[["time_months", "event"]].assign(fold=0, n_genes=0, score=0.0)
    for k, fold in enumerate(assign_folds(training, recipe.outer_folds, seed=seed)):
        kept, held = training.part(np.flatnonzero(~fold)), training.part(np.flatnonzero(fold))
        weights = learn_weights(kept, recipe, seed=seed + k + 1)
        z = _standardise(held.expression[list(weights.index)], by=kept)
        table.loc[fold, ["fold", "n_genes"]] = k + 1, len(weights)
        table.loc[fold, "score"] = z @ weights.to_numpy()
    return table


def pool_folds(folds: pd.DataFrame) -> Concordance:
    """C-index over all folds: pairs within a fold are compared, each counting once."""
    share = folds["n_pairs"] / folds["n_pairs"].sum()
    error = float(np.sqrt(((share * folds["error"]) ** 2).sum()))
    return Concordance(float(share @ folds["c_index"]), error, int(folds["n_pairs"].sum()))


def permute_fates(training: Training, recipe: Recipe, *, n_draws: int, seed: int) -> pd.DataFrame:
    """``c_index`` of the same nested cross-validation with the patients' fates shuffled."""
    rng = np.random.default_rng([seed, 1])
    rows = []
    for draw in range(n_draws):
        folds = cross_validate(training.permuted(rng), recipe, seed=seed)
        c_index = pool_folds(folds).c_index
        rows.append({"draw": draw + 1, "c_index": c_index, "n_genes": folds["n_genes"].mean()})
    return pd.DataFrame(rows, columns=["draw", "c_index", "n_genes"])


def summarise_training(
    folds: pd.DataFrame, permutations: pd.DataFrame, *, confidence: float
) -> pd.DataFrame:
    """C-index of the recipe in training patients left out, and with shuffled fates.

    Returns
    -------
    ``measure``, ``value``, ``ci_low``, ``ci_high`` (of the mean, for shuffles), ``pvalue`` (share
    of shuffles that come as high, the true fates counting as one of them), ``n``.
    """
    found = pool_folds(folds)
    low, high = found.interval(confidence)
    n_draws = len(permutations)
    as_high = int((permutations["c_index"] >= found.c_index).sum())
    pvalue = (1 + as_high) / (1 + n_draws) if n_draws else np.nan
    rows = [("C-index, patients left out", found.c_index, low, high, pvalue, int(folds["n"].sum()))]
    if n_draws > 1:
        mean = float(permutations["c_index"].mean())
        error = float(permutations["c_index"].std(ddof=1)) / np.sqrt(n_draws)
        half = float(stats.t.ppf(0.5 + confidence / 2, n_draws - 1)) * error
        rows.append(("C-index, fates shuffled", mean, mean - half, mean + half, np.nan, n_draws))
    columns = ["measure", "value", "ci_low", "ci_high", "pvalue", "n"]
    return pd.DataFrame(rows, columns=columns)


def list_signature(signature: Signature, genes: pd.DataFrame) -> pd.DataFrame:
    """Genes of a signature by weight, with their difference between resistant and sensitive.

    Returns
    -------
    ``gene``, ``weight`` (natural-log hazard ratio per standard deviation), ``centre``, ``scale``,
    ``log2fc``, ``padj``.
    """
    table = pd.DataFrame(
        {
            GENE: signature.genes,
            "weight": signature.weights,
            "centre": signature.centres,
            "scale": signature.scales,
        }
    )
    table = table.merge(genes[[GENE, "log2fc", "padj"]], on=GENE, how="left")
    order = table["weight"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def list_training(training: Training, signature: Signature) -> pd.DataFrame:
    """Scores and follow-up of the training patients, whom the signature knows."""
    score = score_expression(training.expression, signature)
    table = training.clinical[["time_months", "event"]].assign(score=score)
    return table.rename_axis(SAMPLE).reset_index()
