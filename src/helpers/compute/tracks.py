"""Accessibility along a stretch of the genome, by type and group."""

import numpy as np
import pandas as pd

from helpers.schema import CELL_TYPE, GROUP

BIN_BP = 100  # insertions are counted in windows of this length, as Signac's coverage plot does
PER = 1e6  # fragments in peaks the coverage is given for


def measure_coverage(
    fragments: pd.DataFrame, nuclei: pd.DataFrame, *, start: int, end: int, bin_bp: int = BIN_BP
) -> pd.DataFrame:
    """Insertions in every window, per million fragments in peaks of a type and group's nuclei.

    Parameters
    ----------
    fragments
        ``start``, ``end`` (both ends are insertions) and ``nucleus`` (its name).
    nuclei
        ``cell_type``, ``group`` and ``depth`` (fragments over peaks), indexed by name.
    start, end
        The stretch, 0-based and half-open.
    bin_bp
        Length of a window.

    Returns
    -------
    ``cell_type``, ``group``, ``start`` of the window, ``coverage``; every window of every type
    and group that has nuclei.
    """
    keys = [CELL_TYPE, GROUP]
    known = fragments[fragments["nucleus"].isin(nuclei.index)]
    ends = pd.concat([known["start"], known["end"] - 1])
    owner = pd.concat([known["nucleus"], known["nucleus"]])
    inside = ((ends >= start) & (ends < end)).to_numpy()
    table = nuclei.loc[owner[inside], keys].reset_index(drop=True)
    table["bin"] = ((ends[inside] - start) // bin_bp).to_numpy()
    depth = nuclei.groupby(keys, observed=True, sort=True)["depth"].sum()
    n_bins = -(-(end - start) // bin_bp)
    pairs = [(*key, b) for key in depth.index for b in range(n_bins)]
    full = pd.MultiIndex.from_tuples(pairs, names=[*keys, "bin"])
    counted = table.groupby([*keys, "bin"], observed=True).size().reindex(full, fill_value=0)
    result = counted.rename("coverage").reset_index()
    total = depth.reindex(pd.MultiIndex.from_frame(result[keys])).to_numpy()
    result["coverage"] = result["coverage"] / np.maximum(total, 1) * PER
    result.insert(2, "start", start + result.pop("bin") * bin_bp)
    return result
