"""Two drugs together: what is expected of them (Bliss, HSA, Loewe, ZIP) and what was seen."""

import numpy as np
import pandas as pd

from helpers.compute.dose_response import (
    Bounds,
    Curve,
    CurveSettings,
    compare_wells,
    describe_curve,
    fit_curve,
    iterate_pairs,
    span,
)
from helpers.compute.stats import mean_interval
from helpers.errors import DataError

METHODS = ("Bliss", "HSA", "Loewe", "ZIP")
SLOPES = (0.2, 15.0)
ROUNDS = 60  # halvings of an interval of length 1
MIN_DOSES = 3  # of each drug, besides 0, for a matrix
PAIR = ["line", "drug", "unit", "drug_2", "unit_2", "pair"]
SURFACE = [*PAIR, "experiment", "experiment_unit", "dose", "dose_2", "viability"]


def average_matrix(wells: pd.DataFrame) -> pd.DataFrame:
    """Mean viability of every pair of doses: rows doses of the first drug, columns of the second.

    Raises
    ------
    DataError
        If a pair of doses was not measured, or a drug was not measured alone.
    """
    matrix = wells.pivot_table(index="dose", columns="dose_2", values="viability", aggfunc="mean")
    if matrix.index[0] != 0 or matrix.columns[0] != 0:
        msg = "a matrix needs each drug alone: wells with the other at dose 0"
        raise DataError(msg)
    if matrix.isna().to_numpy().any():
        row, column = np.argwhere(matrix.isna().to_numpy())[0]
        msg = f"no well with the doses {matrix.index[row]:g} and {matrix.columns[column]:g}"
        raise DataError(msg)
    return matrix


def expect_bliss(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Viability if the drugs act independently: the product of what each leaves.

    Parameters
    ----------
    first, second
        Viability under each drug alone, shapes (n,) and (m,).

    Returns
    -------
    Shape (n, m).

    References
    ----------
    Bliss (1939) Ann. Appl. Biol. 26:585. doi:10.1111/j.1744-7348.1939.tb06990.x
    """
    return np.outer(first, second)


def expect_hsa(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Viability if the pair does what the stronger of the two does alone (highest single agent)."""
    return np.minimum.outer(first, second)


def expect_loewe(first: Curve, second: Curve, doses: np.ndarray, doses_2: np.ndarray) -> np.ndarray:
    """Viability if each drug is a dilution of the other (Loewe additivity).

    Solves ``dose / D1(v) + dose_2 / D2(v) = 1`` for the viability v, where D is the dose of one
    drug alone that leaves v. What neither drug alone can reach is set to the lower of their
    plateaus.

    Parameters
    ----------
    first, second
        Curves of the single drugs with a top of 1.
    doses, doses_2
        Doses of each, shapes (n,) and (m,).

    References
    ----------
    Loewe (1953) Arzneimittelforschung 3:285.
    """
    a, b = np.meshgrid(doses, doses_2, indexing="ij")
    low = np.full(a.shape, min(first.bottom, second.bottom))
    high = np.ones(a.shape)
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        too_much = a / _doses_for(first, middle) + b / _doses_for(second, middle) > 1
        low, high = np.where(too_much, low, middle), np.where(too_much, middle, high)
    return np.asarray((low + high) / 2)


def _doses_for(curve: Curve, viability: np.ndarray) -> np.ndarray:
    """Dose of one drug that leaves each viability; infinite below its plateau."""
    share = (viability - curve.bottom) / (curve.top - curve.bottom)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        dose = curve.half_dose * (1 / share - 1) ** (1 / curve.slope)
    return np.where(share <= 0, np.inf, np.where(share >= 1, 1e-300, np.maximum(dose, 1e-300)))


def fit_alone(doses: np.ndarray, viability: np.ndarray, *, top: float = 1.0) -> Curve:
    """Curve of a drug from a fixed top, the bottom between 0 and the top."""
    bounds = Bounds((0.0, max(top, 1e-6)), (top, top), SLOPES)
    return fit_curve(np.append(doses, 0.0), np.append(viability, top), bounds=bounds)


def measure_zip(matrix: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Expected viability and that fitted, by zero interaction potency.

    Expected is the product of the curves of the single drugs. Fitted is the mean of the two
    curves through each pair of doses: one along the first drug from where the second alone leads,
    one along the second from where the first leads.

    Returns
    -------
    Expected and fitted, each of the matrix' shape.

    References
    ----------
    Yadav et al. (2015) Comput. Struct. Biotechnol. J. 13:504. doi:10.1016/j.csbj.2015.09.001
    """
    doses, doses_2 = matrix.index.to_numpy(dtype=float), matrix.columns.to_numpy(dtype=float)
    seen = matrix.to_numpy()
    alone = fit_alone(doses[1:], seen[1:, 0]).predict(doses)
    alone_2 = fit_alone(doses_2[1:], seen[0, 1:]).predict(doses_2)
    fitted = [np.empty(seen.shape), np.empty(seen.shape)]
    for column, top in enumerate(alone_2):
        curve = fit_alone(doses[1:], seen[1:, column], top=float(top))
        fitted[0][:, column] = curve.predict(doses)
    for row, top in enumerate(alone):
        curve = fit_alone(doses_2[1:], seen[row, 1:], top=float(top))
        fitted[1][row] = curve.predict(doses_2)
    return np.outer(alone, alone_2), (fitted[0] + fitted[1]) / 2


def measure_excess(matrix: pd.DataFrame) -> pd.DataFrame:
    """How much more is lost than each method expects, at every pair of doses.

    Parameters
    ----------
    matrix
        From :func:`average_matrix`, the well without drugs being 1.

    Returns
    -------
    One row a pair of doses above 0: ``dose``, ``dose_2``, ``viability`` and one column a method, in
    percentage points (positive: synergy).
    """
    doses, doses_2 = matrix.index.to_numpy(dtype=float), matrix.columns.to_numpy(dtype=float)
    seen = matrix.to_numpy()
    first, second = seen[:, 0], seen[0]
    loewe = expect_loewe(
        fit_alone(doses[1:], first[1:]), fit_alone(doses_2[1:], second[1:]), doses, doses_2
    )
    zip_expected, zip_fitted = measure_zip(matrix)
    excess = {
        "Bliss": expect_bliss(first, second) - seen,
        "HSA": expect_hsa(first, second) - seen,
        "Loewe": loewe - seen,
        "ZIP": zip_expected - zip_fitted,
    }
    a, b = np.meshgrid(doses, doses_2, indexing="ij")
    table = pd.DataFrame({"dose": a.ravel(), "dose_2": b.ravel(), "viability": seen.ravel()})
    for name, values in excess.items():
        table[name] = 100 * values.ravel()
    return table[(table["dose"] > 0) & (table["dose_2"] > 0)].reset_index(drop=True)


def add_alone(wells: pd.DataFrame) -> pd.DataFrame:
    """Matrix wells of each pair, with the untreated wells of their plates as the corner.

    Returns
    -------
    Wells with ``pair``, ``experiment`` and ``experiment_unit``: the plate or, where there is one
    plate and each of its replicates holds a whole matrix, the replicate.
    """
    untreated = wells[(wells["dose"] == 0) & (wells["dose_2"] == 0) & (wells["drug_2"] == "")]
    parts = []
    for (line, first, second), mine in iterate_pairs(wells):
        plates = mine["plate"].unique()
        corner = untreated[(untreated["line"] == line) & untreated["plate"].isin(plates)]
        names = {name: mine[name].iloc[0] for name in ("drug", "unit", "drug_2", "unit_2")}
        corner = corner.assign(**names)
        unit = "replicate" if len(plates) == 1 and _replicates_are_whole(mine) else "plate"
        both = pd.concat([mine.assign(experiment=mine[unit]), *_corners(mine, corner, unit)])
        parts.append(both.assign(pair=name_pair(first, second), experiment_unit=unit))
    empty = wells.iloc[:0].assign(pair="", experiment="", experiment_unit="")
    return pd.concat(parts, ignore_index=True) if parts else empty


def _replicates_are_whole(mine: pd.DataFrame) -> bool:
    """Whether there are several replicates and each holds every pair of doses."""
    tested = mine.groupby(["dose", "dose_2"])["replicate"].nunique()
    n = mine["replicate"].nunique()
    return bool(n > 1 and (tested == n).all())


def _corners(mine: pd.DataFrame, corner: pd.DataFrame, unit: str) -> list[pd.DataFrame]:
    """Untreated wells of each experiment; the replicates of one plate share them."""
    if unit == "plate":
        return [corner.assign(experiment=corner["plate"])]
    return [corner.assign(experiment=name) for name in mine["replicate"].unique()]


def name_pair(first: str, second: str) -> str:
    """A pair of drugs, the same whichever comes first."""
    return " + ".join(sorted((first, second), key=str.casefold))


def measure_surfaces(wells: pd.DataFrame) -> pd.DataFrame:
    """Excess over each method in every line, pair and experiment.

    Parameters
    ----------
    wells
        From :func:`helpers.compute.dose_response.normalise_wells`.

    Returns
    -------
    ``line``, ``drug``, ``drug_2``, ``pair``, ``experiment``, ``experiment_unit`` and the columns of
    :func:`measure_excess`; matrices with fewer than three doses of a drug have no row.
    """
    parts = []
    keys = [*PAIR, "experiment", "experiment_unit"]
    for key, mine in add_alone(wells).groupby(keys, sort=False):
        matrix = average_matrix(mine)
        if min(matrix.shape) <= MIN_DOSES:
            continue
        matrix = matrix / matrix.iloc[0, 0]
        parts.append(measure_excess(matrix).assign(**dict(zip(keys, key, strict=True))))
    columns = [*SURFACE, *METHODS]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def average_surfaces(surfaces: pd.DataFrame) -> pd.DataFrame:
    """Mean of the experiments at every pair of doses."""
    keys = [*PAIR, "dose", "dose_2"]
    return surfaces.groupby(keys, sort=False)[["viability", *METHODS]].mean().reset_index()


def summarise_synergy(surfaces: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Mean excess over all pairs of doses, the experiment being the unit (t-interval).

    Returns
    -------
    ``line``, ``drug``, ``drug_2``, ``pair``, ``method``, ``unit`` (plate, or replicate of one
    plate), ``n_experiments``, ``effect`` (percentage points), ``ci_low``, ``ci_high``, ``pvalue``,
    ``reason``.
    """
    rows = []
    keys = ["line", "drug", "drug_2", "pair"]
    for key, mine in surfaces.groupby(keys, sort=False):
        means = mine.groupby("experiment")[list(METHODS)].mean()
        for method in METHODS:
            head = dict(zip(keys, key, strict=True)) | {"method": method}
            head["unit"] = mine["experiment_unit"].iloc[0]
            rows.append(head | _summarise(means[method].to_numpy(), confidence))
    columns = [
        *keys,
        "method",
        "unit",
        "n_experiments",
        "effect",
        "ci_low",
        "ci_high",
        "pvalue",
        "reason",
    ]
    return pd.DataFrame(rows, columns=columns)


def describe_experiments(synergy: pd.DataFrame) -> str:
    """How many experiments each mean is of and what they are, as a sentence of a caption.

    Parameters
    ----------
    synergy
        From :func:`summarise_synergy`.
    """
    parts = []
    for unit, mine in synergy.groupby("unit", sort=True):
        n = span(mine["n_experiments"])
        only = "" if unit == "plate" else " of one plate, and so of that plate alone"
        parts.append(f"n = {n} {unit}{'' if n == '1' else 's'}{only}")
    return f"{'; '.join(parts)}, for each line and pair of drugs."


def _summarise(values: np.ndarray, confidence: float) -> dict[str, object]:
    numbers = mean_interval(values, confidence=confidence)
    reason = "" if np.isfinite(numbers["pvalue"]) else "the experiments do not differ"
    if len(values) < 2:
        reason = "an interval needs 2 experiments; there is 1"
    return {"n_experiments": len(values), **numbers, "reason": reason}


def measure_reversal(
    wells: pd.DataFrame, *, max_own_effect: float, settings: CurveSettings
) -> pd.DataFrame:
    """How far a second drug lowers the IC50 of the first beyond what both do side by side.

    The second is taken at its highest dose that by itself costs at most ``max_own_effect`` of the
    viability; responses are shares of those under that dose alone, so that independent action
    (Bliss) changes nothing. Either drug of a pair takes its turn as the first.

    Returns
    -------
    ``line``, ``drug``, ``with_drug``, ``with_dose``, ``pair``, ``n_reference``, ``n_test``,
    ``effect`` (log2 of the IC50 alone over the IC50 together), ``ci_low``, ``ci_high``,
    ``pvalue``, ``reason``; the well is the unit.
    """
    rows = []
    for (line, pair), mine in add_alone(wells).groupby(["line", "pair"], sort=False):
        swapped = mine.rename(columns={"dose": "dose_2", "dose_2": "dose"})
        swapped = swapped.assign(drug=mine["drug_2"], drug_2=mine["drug"])
        for part in (mine, swapped):
            drug, other = part["drug"].iloc[0], part["drug_2"].iloc[0]
            head = {"line": line, "drug": drug, "with_drug": other, "pair": pair}
            rows.append(head | _reverse(part, max_own_effect, settings))
    columns = ["line", "drug", "with_drug", "with_dose", "pair", "n_reference", "n_test"]
    columns += ["effect", "ci_low", "ci_high", "pvalue", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _reverse(
    part: pd.DataFrame, max_own_effect: float, settings: CurveSettings
) -> dict[str, object]:
    own = part[part["dose"] == 0].groupby("dose_2")["viability"].mean()
    harmless = own.index[(own.index > 0) & (own >= 1 - max_own_effect)]
    if harmless.empty:
        missing = dict.fromkeys(("with_dose", "effect", "ci_low", "ci_high", "pvalue"), np.nan)
        reason = (
            f"every dose of {part['drug_2'].iloc[0]} alone costs more than {max_own_effect:.0%}"
        )
        return missing | {"reason": reason}
    dose = float(harmless.max())
    both = [part[part["dose_2"] == level] for level in (0.0, dose)]
    described = []
    for mine, name in zip(both, ("alone", "together"), strict=True):
        scaled = mine.assign(
            viability=mine["viability"] / mine.loc[mine["dose"] == 0, "viability"].mean()
        )
        described.append({"line": name, "n_wells": len(mine)} | describe_curve(scaled, settings))
    compared = compare_wells(described[0], described[1])
    sizes = {"n_reference": len(both[0]), "n_test": len(both[1])}
    return {"with_dose": dose} | compared | sizes


def measure_drugs(resistance: pd.DataFrame, reversal: pd.DataFrame) -> pd.DataFrame:
    """What claims about drugs are judged by: resistance indices and reversals.

    The plate is the unit where it gives an interval, else the well. A reversal is one of a line
    that was derived from another.

    Returns
    -------
    The columns of :data:`helpers.compute.claims.EFFECT_COLUMNS` and ``feature``, drugs in small
    letters.
    """
    order = resistance.assign(rank=resistance["unit"].eq("well") | resistance["ci_low"].isna())
    best = order.sort_values("rank", kind="stable").drop_duplicates(["line", "drug"])
    index = best.assign(measure="resistance_index", feature=best["drug"])
    mine = reversal[reversal["line"].isin(resistance["line"])]
    back = mine.assign(
        measure="reversal", unit="well", feature=mine["drug"] + " with " + mine["with_drug"]
    )
    table = pd.concat([index, back], ignore_index=True)
    table["feature"] = table["feature"].astype(str).str.casefold()
    empty = {"cell_type": "", "test_group": "", "reference_group": ""}
    columns = ["measure", "feature", *empty, "unit", "n_reference", "n_test"]
    columns += ["effect", "ci_low", "ci_high", "pvalue", "reason"]
    return table.assign(**empty)[columns]
