"""How much of what was planted in a simulated cohort is found again."""

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from helpers.schema import CELL_TYPE


def compare_labels(planted: pd.Series, called: pd.Series) -> pd.DataFrame:
    """Share of the cells of each planted type that were called so, and of all cells.

    Parameters
    ----------
    planted, called
        Type of every cell, same index.

    Returns
    -------
    ``cell_type``, ``n_cells``, ``called_right`` (share), ``most_called``; the last row, ``all``,
    counts every cell.
    """
    right = planted == called
    grouped = right.groupby(planted)
    most = called.groupby(planted).agg(lambda names: names.value_counts().index[0])
    table = pd.DataFrame(
        {"n_cells": grouped.size(), "called_right": grouped.mean(), "most_called": most}
    )
    table = table.rename_axis(CELL_TYPE).reset_index()
    total = {
        CELL_TYPE: "all",
        "n_cells": len(right),
        "called_right": right.mean(),
        "most_called": "",
    }
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True)


def rate_doublets(barcodes: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """How well each doublet score ranks planted doublets above single cells.

    Parameters
    ----------
    barcodes
        ``sample``, ``barcode``, ``scrublet_score``, ``doubletfinder_score`` and the calls.
    planted
        ``sample``, ``barcode``, ``kind`` (good or doublet; others are left out), ``cell_type``
        and ``partner``.

    Returns
    -------
    One row a method: ``auroc`` over all doublets, ``auroc_different`` over doublets of two
    different types (two cells of one type look like one), ``sensitivity`` and ``specificity``
    of the calls. AUROCs are means over samples, since scores are relative to a sample.
    """
    both = barcodes.merge(planted, on=["sample", "barcode"], how="inner", suffixes=("", "_planted"))
    both = both[both["kind"].isin(["good", "doublet"])].dropna(subset=["scrublet_score"])
    both = both.assign(
        doublet=both["kind"] == "doublet",
        same=(both["kind"] == "doublet") & (both["cell_type"] == both["partner"]),
    )
    rows = []
    for method in ("scrublet", "doubletfinder"):
        called = both[method].astype(bool)
        rows.append(
            {
                "method": method,
                "n_doublets": int(both["doublet"].sum()),
                "auroc": _mean_auroc(both, f"{method}_score"),
                "auroc_different": _mean_auroc(both[~both["same"]], f"{method}_score"),
                "sensitivity": called[both["doublet"]].mean(),
                "specificity": 1 - called[~both["doublet"]].mean(),
            }
        )
    return pd.DataFrame(rows)


def _mean_auroc(table: pd.DataFrame, score: str) -> float:
    values = [
        roc_auc_score(part["doublet"], part[score])
        for _, part in table.groupby("sample")
        if part["doublet"].nunique() == 2
    ]
    return float(np.mean(values)) if values else float("nan")


def rate_subclusters(planted: pd.DataFrame, cells: pd.DataFrame, *, cell_type: str) -> pd.DataFrame:
    """How well the subclusters of a type are found again.

    Parameters
    ----------
    planted
        ``sample``, ``barcode``, ``cell_type``, ``subcluster`` of every cell planted.
    cells
        ``sample``, ``barcode``, ``subcluster`` of the cells divided.

    Returns
    -------
    One row a planted subcluster: ``n_cells``, ``named_right`` (share of its cells that carry its
    name); the last row, ``all``, has ``ari``, the adjusted Rand index of the whole.
    """
    mine = planted[planted[CELL_TYPE] == cell_type]
    both = cells.merge(mine, on=["sample", "barcode"], suffixes=("", "_planted"))
    right = both["subcluster"] == both["subcluster_planted"]
    grouped = right.groupby(both["subcluster_planted"])
    table = pd.DataFrame({"n_cells": grouped.size(), "named_right": grouped.mean()})
    table = table.rename_axis("subcluster").reset_index().assign(ari=np.nan)
    whole = {
        "subcluster": "all",
        "n_cells": len(both),
        "named_right": right.mean(),
        "ari": adjusted_rand_score(both["subcluster_planted"], both["subcluster"]),
    }
    return pd.concat([table, pd.DataFrame([whole])], ignore_index=True)
