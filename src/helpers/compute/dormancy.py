"""Dormant, treatment-resistant, stem-like cells: a call of every cell with its uncertainty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats

from helpers.compute.normalise import log_normalise
from helpers.compute.signatures import (
    ALL_CELLS,
    CHUNK,
    draw_matched,
    log_moments,
    rate_separation,
    side_weights,
)
from helpers.compute.stats import NO_SPREAD, count_sides, mean_interval, pair_samples
from helpers.errors import DataError
from helpers.schema import CELL_TYPE, DONOR, GROUP, SAMPLE, Contrast, Signature

CALLED, POSSIBLE, OTHER = "called", "possible", "other"
ROUNDING = 1e-9
FREQUENCY_COLUMNS = ("n_cells", "n_called", "fraction", "ci_low", "ci_high", "chance")


@dataclass(frozen=True)
class Calls:
    """What each cell was called, and how often in draws of genes and for random genes."""

    excess: pd.DataFrame
    """Axis -> deviations of the random sets by which the score lies over their mean."""
    probability: np.ndarray
    """Share of draws of genes in which a cell passes on all axes."""
    passes: np.ndarray
    """Whether each cell passes, by draw of genes, shape (n_cells, n_draws)."""
    chance: np.ndarray
    """The same for random genes in place of the axes', as often drawn anew as these."""


def join_axes(
    axes: Mapping[str, list[str]], placed: Mapping[str, pd.Series], signatures: list[Signature]
) -> tuple[dict[str, pd.Series], str]:
    """Genes of every axis: those of its signatures that can be scored, by their signs.

    Parameters
    ----------
    axes
        Axis -> ids of signatures.
    placed
        Signature -> weights of its measured genes.

    Returns
    -------
    Axis -> 1 and -1, indexed by gene, and why axes are missing, empty if none is. A gene that two
    signatures count in opposite directions is left out.

    Raises
    ------
    DataError
        If a signature is not in the registry.
    """
    known = {signature.id for signature in signatures}
    joined, missing = {}, []
    for axis, ids in axes.items():
        unknown = [name for name in ids if name not in known]
        if unknown:
            msg = f"{axis}: the registry has no signature {unknown[0]}"
            raise DataError(msg)
        signs = [np.sign(placed[name]) for name in ids if name in placed]
        if not signs:
            missing.append(f"{axis}: none of {', '.join(ids)} can be scored in this cohort")
            continue
        votes = pd.concat(signs).groupby(level=0).agg(["min", "max"])
        joined[axis] = votes.loc[votes["min"] == votes["max"], "min"].astype(float)
    return joined, "; ".join(missing)


def call_dormant(
    counts: sparse.csr_matrix,
    genes: pd.Index,
    axes: Mapping[str, pd.Series],
    *,
    totals: np.ndarray,
    target_sum: float,
    min_excess: float,
    n_draws: int,
    seed: int,
) -> Calls:
    """Call cells that are dormant, treatment-resistant and stem-like at once.

    On each axis a cell's combined z is compared with that of random sets matched for size and
    expression in the same cell; it passes where it lies ``min_excess`` of their deviations over
    their mean. How sure that is comes from drawing the genes of each side of each axis anew, with
    replacement: a cell whose call hangs on one or two genes passes in few draws. Drawing anew
    spreads the scores, so the random sets that tell how often chance passes are drawn anew alike.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes).
    axes
        Axis -> signs indexed by gene, from :func:`join_axes`.
    n_draws
        Draws of the genes, and as many random sets.
    """
    mean, sd = log_moments(counts, totals=totals, target_sum=target_sum)
    varying = sd > 0
    scale = np.divide(1.0, sd, out=np.zeros_like(sd), where=varying)
    rng = np.random.default_rng(seed)
    plans = []
    for number, signs in enumerate(axes.values()):
        places = genes.get_indexer(signs.index)
        kept = varying[places]
        weights, places = signs.to_numpy()[kept], places[kept]
        drawn = draw_matched(mean, places, n_draws=n_draws, seed=seed + number)
        plans.append(_Plan(places, side_weights(weights), drawn, _redraw(weights, n_draws, rng)))
    n = counts.shape[0]
    excess = np.empty((n, len(plans)))
    passes, chance = np.ones((n, n_draws), bool), np.ones((n, n_draws), bool)
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        logs = log_normalise(counts[rows], target_sum=target_sum, totals=totals[rows]).tocsc()
        for axis, plan in enumerate(plans):
            real, redrawn, random, random_redrawn = _measure(logs, plan, mean, scale)
            level, spread = (
                random.mean(axis=1, keepdims=True),
                random.std(axis=1, keepdims=True, ddof=1),
            )
            limit = level + min_excess * spread
            excess[rows, axis] = ((real - level) / spread)[:, 0]
            passes[rows] &= redrawn > limit
            chance[rows] &= random_redrawn > limit
    table = pd.DataFrame(excess, columns=list(axes))
    return Calls(table, passes.mean(axis=1), passes, chance)


@dataclass(frozen=True)
class _Plan:
    """Genes of an axis, their weights, random genes in their stead, and weights of every redraw."""

    places: np.ndarray
    weights: np.ndarray
    random: np.ndarray
    redrawn: np.ndarray


def _redraw(weights: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Weights of the genes drawn anew side by side, shape (n_draws, n_genes)."""
    times = np.zeros((n_draws, len(weights)))
    for side in (np.flatnonzero(weights > 0), np.flatnonzero(weights < 0)):
        if len(side):
            times[:, side] = rng.multinomial(len(side), np.full(len(side), 1 / len(side)), n_draws)
    return times * side_weights(weights)


def _measure(
    logs: sparse.csc_matrix, plan: _Plan, mean: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Combined z of the axis and of its redraws, of its random sets and of theirs, cells in rows."""
    z = (logs[:, plan.places].toarray() - mean[plan.places]) * scale[plan.places]
    plain = np.broadcast_to(plan.weights, plan.random.shape)
    random, random_redrawn = (
        _measure_random(logs, plan.random, weights, mean, scale)
        for weights in (plain, plan.redrawn)
    )
    return (z @ plan.weights)[:, None], z @ plan.redrawn.T, random, random_redrawn


def _measure_random(
    logs: sparse.csc_matrix,
    places: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
) -> np.ndarray:
    """Combined z of sets of genes, each with its weights, shape (n_cells, n_sets)."""
    n_sets, n_genes = places.shape
    column = np.repeat(np.arange(n_sets), n_genes)
    values = (weights * scale[places]).ravel()
    matrix = sparse.csc_matrix((values, (places.ravel(), column)), shape=(logs.shape[1], n_sets))
    return np.asarray((logs @ matrix).toarray() - np.asarray(mean @ matrix).ravel())


def name_calls(probability: np.ndarray, *, sure: float) -> np.ndarray:
    """``called`` from ``sure`` on, ``other`` up to one less ``sure``, ``possible`` between."""
    possible = probability + sure > 1 + ROUNDING
    return np.select([probability >= sure - ROUNDING, possible], [CALLED, POSSIBLE], OTHER)


def count_dormant(
    calls: Calls, units: pd.DataFrame, *, sure: float, confidence: float
) -> pd.DataFrame:
    """Frequency of called cells in every unit, with an interval over draws of genes.

    Parameters
    ----------
    units
        Columns that tell the units, one row a cell, such as sample, group and type.

    Returns
    -------
    The columns of ``units``, ``n_cells``, ``n_called``, ``fraction`` (mean over draws),
    ``ci_low``, ``ci_high`` (quantiles over draws), ``chance`` (the fraction random genes give).
    """
    tail = (1 - confidence) / 2
    named = name_calls(calls.probability, sure=sure)
    rows = []
    for key, places in units.reset_index(drop=True).groupby(list(units), sort=True).indices.items():
        by_draw = calls.passes[places].mean(axis=0)
        low, high = np.quantile(by_draw, [tail, 1 - tail])
        rows.append(
            (
                *(key if isinstance(key, tuple) else (key,)),
                len(places),
                int((named[places] == CALLED).sum()),
                by_draw.mean(),
                low,
                high,
                calls.chance[places].mean(),
            )
        )
    return pd.DataFrame(rows, columns=[*units, *FREQUENCY_COLUMNS])


def measure_dormant(
    counted: pd.DataFrame,
    contrasts: Sequence[Contrast],
    *,
    confidence: float,
    donors: pd.Series | None = None,
) -> pd.DataFrame:
    """Effects by sample that claims are looked up in: how frequent called cells are.

    Parameters
    ----------
    counted
        From :func:`count_dormant`, one row a sample: ``sample``, ``group``, ``fraction``, ``chance``.
    donors
        Donor of every sample; each its own if missing.

    Returns
    -------
    ``dormant_excess``: mean over a group's samples of the fraction less what random genes give
    (one-sample t-interval); ``dormant``: difference of two groups in it (Welch's t or, where donors
    were sampled in both groups, t of the differences within them).
    """
    over = (counted["fraction"] - counted["chance"]).set_axis(counted[SAMPLE])
    groups = counted.set_index(SAMPLE)[GROUP].astype(str)
    by_group = {str(g): over[groups == g].to_numpy() for g in groups.unique()}
    rows = [
        {"measure": "dormant_excess", "test_group": group, "reference_group": "", "n_reference": 0,
         "n_test": len(values)} | _interval_of_mean(values, confidence)
        for group, values in by_group.items()
    ]  # fmt: skip
    for contrast in contrasts:
        paired = pair_samples(groups, contrast, donors)
        sides = count_sides(groups, contrast, donors)
        head = {"measure": "dormant", "test_group": contrast.test, "n_test": sides.n_test}
        head |= {"reference_group": contrast.reference, "n_reference": sides.n_reference}
        if donors is not None and len(paired):
            means = pd.pivot_table(
                pd.DataFrame({"over": over[paired.index], GROUP: paired, DONOR: donors}),
                index=DONOR, columns=GROUP, values="over",
            )  # fmt: skip
            within = (means[contrast.test] - means[contrast.reference]).to_numpy()
            rows.append(head | _interval_of_mean(within, confidence))
        else:
            test, reference = (
                by_group.get(label, np.array([])) for label in (contrast.test, contrast.reference)
            )
            rows.append(head | _interval_of_difference(test, reference, confidence))
    return pd.DataFrame(rows).assign(**{CELL_TYPE: ALL_CELLS, "unit": SAMPLE})


def _interval_of_mean(values: np.ndarray, confidence: float) -> dict[str, object]:
    if len(values) < 2:
        return _no_interval(f"{len(values)} sample: an interval needs two")
    numbers = mean_interval(values, confidence=confidence)
    return numbers | {"reason": "" if np.isfinite(numbers["pvalue"]) else NO_SPREAD}


def _interval_of_difference(
    test: np.ndarray, reference: np.ndarray, confidence: float
) -> dict[str, object]:
    if min(len(test), len(reference)) < 2:
        return _no_interval(f"{len(reference)} and {len(test)} samples: a group needs two")
    result = stats.ttest_ind(test, reference, equal_var=False)
    low, high = result.confidence_interval(confidence)
    effect = test.mean() - reference.mean()
    return {"effect": effect, "ci_low": low, "ci_high": high, "pvalue": result.pvalue, "reason": ""}


def _no_interval(reason: str) -> dict[str, object]:
    return dict.fromkeys(("effect", "ci_low", "ci_high", "pvalue"), np.nan) | {"reason": reason}


def rate_calls(planted: np.ndarray, cells: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """How well the probability tells planted dormant cells from all others.

    Parameters
    ----------
    planted
        Which cells were planted as dormant.
    cells
        ``probability`` and ``call`` of every cell.

    Returns
    -------
    One row: ``n_cells``, ``n_planted``, ``n_called``, ``recall``, ``precision``, ``auroc`` with
    ``ci_low`` and ``ci_high``; no area where fewer than two cells were planted.
    """
    called = (cells["call"] == CALLED).to_numpy()
    hits = int((called & planted).sum())
    area = (np.nan, np.nan, np.nan)
    if 2 <= planted.sum() <= len(planted) - 2:
        area = rate_separation(cells["probability"].to_numpy(), planted, confidence=confidence)
    return pd.DataFrame(
        [
            {
                "n_cells": len(planted),
                "n_planted": int(planted.sum()),
                "n_called": int(called.sum()),
                "recall": hits / planted.sum() if planted.any() else np.nan,
                "precision": hits / called.sum() if called.any() else np.nan,
                "auroc": area[0],
                "ci_low": area[1],
                "ci_high": area[2],
            }
        ]
    )
