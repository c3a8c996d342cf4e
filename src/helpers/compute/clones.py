"""Which cells carry the alterations of their sample, and in which combinations."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from helpers.compute.segments import NEUTRAL, Spread
from helpers.errors import DataError
from helpers.schema import CELL_TYPE, SAMPLE

SHRINK = 3.0  # standard errors below which an arm of a unit counts as unchanged
ALTERED = 0.5  # probability above which a cell counts as altered
STARTS, ROUNDS = 8, 200  # of the search for clones


def score_cells(
    ratio: np.ndarray,
    cells: pd.DataFrame,
    arms: pd.DataFrame,
    spread: Spread,
    *,
    min_cells: int,
) -> np.ndarray:
    """How far a cell's arms deviate together with those of its fellow cells.

    A mean square of one cell's deviations is mostly noise. Here one of its two factors is the
    mean of all other cells of its type and sample, drawn to 0 where it is within three standard
    errors: noise of single cells drops out, what they share stays.

    Parameters
    ----------
    ratio
        From :func:`helpers.compute.segments.measure_arms`.
    cells
        ``sample`` and ``cell_type`` of every cell.

    Returns
    -------
    Mean over the genome of deviation times shared deviation, one a cell; 0 where the cell's type
    shows no change in its sample, missing where the type was not measured.
    """
    score = np.full(len(cells), np.nan)
    weight = arms["n_genes"].to_numpy(dtype=float) / arms["n_genes"].sum()
    place = cells.reset_index(drop=True).groupby([SAMPLE, CELL_TYPE], observed=True).indices
    for rows in place.values():
        mine = ratio[rows]
        if len(rows) < max(min_cells, 2) or np.isnan(mine[0, 0]):
            continue
        others = (mine.sum(axis=0) - mine) / (len(rows) - 1)
        within = mine.var(axis=0, ddof=1) / len(rows)
        error = np.sqrt(spread.scale * (within + spread.between * np.log(2) ** 2))
        score[rows] = (mine * _shrink(others, SHRINK * error)) @ weight
    return score


def _shrink(values: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Positive-part shrinkage: 0 within the threshold, nearly unchanged far beyond it."""
    square = np.square(values)
    kept = np.maximum(square - threshold**2, 0)
    return values * np.divide(kept, square, out=np.zeros_like(square), where=square > 0)


@dataclass(frozen=True)
class Mixture:
    """Normal cells and clones in the space of a sample's altered arms."""

    means: np.ndarray
    """Row 0: normal, all zero; then one row a clone."""
    weights: np.ndarray
    membership: np.ndarray
    """Probability of each component for each cell, shape (n_cells, n_components)."""
    bic: float


def find_clones(
    ratio: np.ndarray,
    cells: pd.DataFrame,
    arms: pd.DataFrame,
    calls: pd.DataFrame,
    *,
    normal: list[str],
    max_clones: int,
    min_cells: int,
    seed: int,
) -> pd.DataFrame:
    """Split the cells of every sample into normal ones and clones.

    Considered are the types in which an arm was called, in the space of all arms called in the
    sample. Normal cells lie at 0, with the variance cells of normal samples have; clones lie
    where the cells say. As many clones are kept as the Bayesian information criterion bears out
    and as have enough cells.

    Parameters
    ----------
    calls
        From :func:`helpers.compute.segments.call_arms` by sample and cell type.
    normal
        Samples known to be normal.
    max_clones
        Clones looked for at most.
    min_cells
        Cells a clone needs.

    Returns
    -------
    ``p_altered`` and ``clone`` (``sample.1``, …; ``normal``; empty where nothing was
    measured), one row a cell, same index as ``cells``.
    """
    measured = ~np.isnan(ratio).any(axis=1)
    p_altered = np.where(measured, 0.0, np.nan)
    clone = np.where(measured, "normal", "").astype(object)
    frame = cells.reset_index(drop=True)
    variance = _cell_variance(ratio, frame, normal)
    for sample, mine in calls[calls["state"] != NEUTRAL].groupby(SAMPLE, sort=False):
        columns = np.flatnonzero(arms["arm"].isin(mine["arm"]))
        candidate = measured & (frame[SAMPLE] == sample) & frame[CELL_TYPE].isin(mine[CELL_TYPE])
        rows = np.flatnonzero(candidate)
        values = ratio[np.ix_(rows, columns)] / np.sqrt(variance[columns])
        best = choose_mixture(values, max_clones=max_clones, min_cells=min_cells, seed=seed)
        p_altered[rows] = 1 - best.membership[:, 0]
        member = best.membership.argmax(axis=1)
        clone[rows] = [f"{sample}.{number}" if number else "normal" for number in member]
    return pd.DataFrame({"p_altered": p_altered, "clone": clone}, index=cells.index)


def _cell_variance(ratio: np.ndarray, cells: pd.DataFrame, normal: list[str]) -> np.ndarray:
    """Variance of single cells of normal samples around their unit's mean, by arm."""
    chosen = cells[SAMPLE].isin(normal).to_numpy() & ~np.isnan(ratio).any(axis=1)
    values = pd.DataFrame(ratio[chosen])
    keys = [cells.loc[chosen, name].to_numpy() for name in (SAMPLE, CELL_TYPE)]
    centred = values - values.groupby(keys).transform("mean")
    return (centred**2).mean().to_numpy()


def choose_mixture(values: np.ndarray, *, max_clones: int, min_cells: int, seed: int) -> Mixture:
    """The number of clones with the lowest Bayesian information criterion.

    Parameters
    ----------
    values
        Deviations of the altered arms in standard deviations, shape (n_cells, n_arms).
    min_cells
        Solutions with a smaller clone are not considered, nor those without a normal component's
        place at 0; one clone is always allowed.
    """
    rng = np.random.default_rng(seed)
    best: Mixture | None = None
    for n_clones in range(1, max_clones + 1):
        if len(values) < n_clones * min_cells and n_clones > 1:
            break
        fits = [_fit_mixture(values, n_clones, rng) for _ in range(STARTS)]
        fit = min(fits, key=lambda one: one.bic)
        sizes = np.bincount(fit.membership.argmax(axis=1), minlength=n_clones + 1)[1:]
        if best is None or (fit.bic < best.bic and sizes.min() >= min_cells):
            best = fit
    if best is None:
        msg = "max_clones must be at least 1"
        raise DataError(msg)
    order = np.argsort(-best.weights[1:], kind="stable") + 1
    order = np.concatenate([[0], order])
    return Mixture(best.means[order], best.weights[order], best.membership[:, order], best.bic)


def _fit_mixture(values: np.ndarray, n_clones: int, rng: np.random.Generator) -> Mixture:
    """Expectation maximisation from random cells; unit variances, the first mean stays 0."""
    n_cells, n_arms = values.shape
    start = values[rng.choice(n_cells, n_clones, replace=n_cells < n_clones)]
    means = np.vstack([np.zeros(n_arms), start])
    weights = np.full(n_clones + 1, 1 / (n_clones + 1))
    before = -np.inf
    for _ in range(ROUNDS):
        distance = ((values[:, None, :] - means[None, :, :]) ** 2).sum(axis=2)
        log = np.log(np.maximum(weights, 1e-300)) - distance / 2
        total = special.logsumexp(log, axis=1)
        membership = np.exp(log - total[:, None])
        likelihood = float(total.sum())
        if likelihood - before < 1e-6 * n_cells:
            break
        before = likelihood
        weights = membership.mean(axis=0)
        mass = np.maximum(membership[:, 1:].sum(axis=0), 1e-12)
        means[1:] = (membership[:, 1:].T @ values) / mass[:, None]
    n_free = n_clones * (n_arms + 1)
    return Mixture(means, weights, membership, n_free * np.log(n_cells) - 2 * likelihood)


def describe_clones(
    ratio: np.ndarray,
    cells: pd.DataFrame,
    arms: pd.DataFrame,
    calls: pd.DataFrame,
    *,
    min_change: float,
) -> pd.DataFrame:
    """What each clone carries of the arms called in its sample.

    Parameters
    ----------
    cells
        ``sample``, ``cell_type``, ``clone``.
    calls
        From :func:`helpers.compute.segments.call_arms`.
    min_change
        Log2 ratio from which an arm counts as changed in a clone.

    Returns
    -------
    ``sample``, ``clone``, ``n_cells``, ``cell_types`` (with their numbers), ``gained``,
    ``lost`` (arms).
    """
    rows = []
    altered = calls[calls["state"] != NEUTRAL].groupby(SAMPLE)["arm"].unique()
    for sample, names in altered.items():
        columns = np.flatnonzero(arms["arm"].isin(names))
        mine = (cells[SAMPLE] == sample) & ~cells["clone"].isin(["normal", ""])
        for clone in sorted(cells.loc[mine, "clone"].astype(str).unique()):
            chosen = (mine & (cells["clone"] == clone)).to_numpy()
            log2 = np.log2(1 + ratio[np.ix_(chosen, columns)].mean(axis=0))
            found = arms["arm"].to_numpy()[columns]
            kinds = cells.loc[chosen, CELL_TYPE].astype(str).value_counts()
            rows.append(
                {
                    SAMPLE: sample,
                    "clone": clone,
                    "n_cells": int(chosen.sum()),
                    "cell_types": ", ".join(f"{kind} ({n})" for kind, n in kinds.items()),
                    "gained": " ".join(found[log2 >= min_change]),
                    "lost": " ".join(found[log2 <= -min_change]),
                }
            )
    columns_out = [SAMPLE, "clone", "n_cells", "cell_types", "gained", "lost"]
    return pd.DataFrame(rows, columns=columns_out)
