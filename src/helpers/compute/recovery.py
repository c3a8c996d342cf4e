"""How much of what was planted in a simulated cohort is found again."""

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from helpers.schema import BARCODE, CELL_TYPE, GROUP, SAMPLE


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


def count_losses(barcodes: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """Share of good single cells that pass for doublets, by group and type.

    Where it differs between groups, the filter itself changes their proportions.

    Parameters
    ----------
    barcodes
        ``sample``, ``barcode``, ``group``, ``verdict``, ``scrublet_score`` and the calls.
    planted
        ``sample``, ``barcode``, ``kind`` and ``cell_type``.

    Returns
    -------
    ``group``, ``cell_type``, ``n_good`` (cells searched for doublets), and the shares ``removed``,
    ``scrublet`` and ``doubletfinder``.
    """
    planted = planted[[SAMPLE, BARCODE, "kind", CELL_TYPE]]
    both = barcodes.merge(planted, on=[SAMPLE, BARCODE])
    good = both[(both["kind"] == "good") & both["scrublet_score"].notna()]
    good = good.assign(removed=good["verdict"] == "doublet")
    calls = ["removed", "scrublet", "doubletfinder"]
    grouped = good.astype(dict.fromkeys(calls, bool)).groupby([GROUP, CELL_TYPE], sort=False)
    table = grouped[calls].mean()
    table.insert(0, "n_good", grouped.size())
    return table.reset_index().sort_values([CELL_TYPE, GROUP], ignore_index=True)


def _mean_auroc(table: pd.DataFrame, score: str) -> float:
    values = [
        roc_auc_score(part["doublet"], part[score])
        for _, part in table.groupby("sample")
        if part["doublet"].nunique() == 2
    ]
    return float(np.mean(values)) if values else float("nan")


def rate_copy_number(
    planted: pd.DataFrame, arms: pd.DataFrame, cells: pd.DataFrame, segments: pd.DataFrame
) -> pd.DataFrame:
    """How well planted gains and losses are found, by arm and by cell.

    Parameters
    ----------
    planted
        ``sample``, ``barcode``, ``cell_type``, ``subcluster`` of every simulated cell.
    arms
        ``sample``, ``cell_type``, ``subcluster``, ``arm``, ``state``, one row an alteration.
    cells
        ``sample``, ``barcode``, ``group``, ``cnv_score``, ``infercnv_score``, ``p_altered``.
    segments
        Calls by ``sample``, ``group``, ``cell_type`` and ``arm``.

    Returns
    -------
    ``what``, ``measure``, ``n_planted``, ``n_others``, ``auroc``, ``sensitivity``,
    ``false_calls`` (share of the others). A cell counts as altered if anything was planted in its
    subcluster; cells whose type was not measured are left out.
    """
    key = [SAMPLE, CELL_TYPE, "arm"]
    merged = segments.merge(arms.drop_duplicates(key)[[*key, "state"]].rename(
        columns={"state": "planted"}), on=key, how="left")  # fmt: skip
    altered = merged["planted"].notna()
    called = merged["state"] != "neutral"
    right = merged["state"] == merged["planted"]
    rows = [
        _rate("arms", "p-value", altered, -np.log10(merged["pvalue"]), right.where(altered, called))
    ]
    for group, part in merged.groupby(GROUP, sort=False):
        hit = called[part.index]
        rows.append(
            _rate(f"arms of {group}", "p-value", altered[part.index],
                  -np.log10(part["pvalue"]), right[part.index].where(altered[part.index], hit))
        )  # fmt: skip
    states = arms[[SAMPLE, CELL_TYPE, "subcluster"]].drop_duplicates().astype(str)
    marked = planted.astype({"subcluster": str}).merge(
        states.assign(altered=True), on=[SAMPLE, CELL_TYPE, "subcluster"], how="left"
    )
    both = cells.merge(marked[[SAMPLE, BARCODE, "altered"]], on=[SAMPLE, BARCODE])
    both = both.dropna(subset=["cnv_score", "p_altered"])
    truth = both["altered"].notna()
    tumour = both["p_altered"] > 0.5
    nothing = pd.Series(np.nan, index=both.index)
    for measure, call in (
        ("cnv_score", nothing),
        ("p_altered", tumour),
        ("infercnv_score", nothing),
    ):
        rows.append(_rate("cells", measure, truth, both[measure], call))
    return pd.DataFrame(rows)


def _rate(
    what: str, measure: str, truth: pd.Series, score: pd.Series, called: pd.Series
) -> dict[str, object]:
    """AUROC of a score, and the share called among the planted and among the others."""
    planted, others = truth, ~truth
    known = called.notna().all()
    return {
        "what": what,
        "measure": measure,
        "n_planted": int(planted.sum()),
        "n_others": int(others.sum()),
        "auroc": roc_auc_score(truth, score) if planted.any() and others.any() else np.nan,
        "sensitivity": called[planted].mean() if known and planted.any() else np.nan,
        "false_calls": called[others].mean() if known and others.any() else np.nan,
    }


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
