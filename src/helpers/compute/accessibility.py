"""Whether chromatin tells the same as RNA: labels against clusters, proportions against proportions."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from helpers.compute.composition import compare_samples, count_types
from helpers.schema import (
    CELL_TYPE,
    CLUSTER,
    GROUP,
    RESEMBLES,
    SAMPLE,
    UNASSIGNED,
    UNKNOWN,
    Contrast,
)

SHIFT_COLUMNS = ("contrast", CELL_TYPE, "effect_atac", "padj_atac", "effect_rna", "padj_rna")


def compare_clusters(cells: pd.DataFrame) -> pd.DataFrame:
    """Transferred labels inside each unsupervised cluster.

    Parameters
    ----------
    cells
        ``cluster``, ``cell_type`` and ``score``, one row a nucleus; without RNA ``resembles``, too.

    Returns
    -------
    One row a cluster: ``cluster, n_nuclei, main_type, fraction`` (of its nuclei with that label),
    ``mean_score``, and ``resembles`` without RNA; the last row, ``all``, has the mean over nuclei
    and ``ari``, the adjusted Rand index of labels and clusters over the nuclei that have a label.
    """
    counts = pd.crosstab(cells[CLUSTER], cells[CELL_TYPE])
    order = sorted(counts.index, key=lambda name: (len(str(name)), str(name)))
    counts = counts.loc[order]
    table = pd.DataFrame(
        {
            CLUSTER: counts.index.astype(str),
            "n_nuclei": counts.sum(axis=1).to_numpy(),
            "main_type": counts.idxmax(axis=1).to_numpy(),
            "fraction": (counts.max(axis=1) / counts.sum(axis=1)).to_numpy(),
            "mean_score": cells.groupby(CLUSTER, observed=True)["score"]
            .mean()
            .loc[order]
            .to_numpy(),
        }
    )
    if RESEMBLES in cells:
        table[RESEMBLES] = (
            cells.groupby(CLUSTER, observed=True)[RESEMBLES].first().loc[order].to_numpy()
        )
    named = cells[cells[CELL_TYPE] != UNASSIGNED]
    last = {
        CLUSTER: "all",
        "n_nuclei": len(cells),
        "main_type": "",
        "fraction": counts.max(axis=1).sum() / max(1, len(cells)),
        "mean_score": cells["score"].mean(),
        "ari": adjusted_rand_score(named[CELL_TYPE], named[CLUSTER]) if len(named) else np.nan,
    }
    return pd.concat([table, pd.DataFrame([last])], ignore_index=True)


def find_label(cells: pd.DataFrame, cell_type: str) -> str:
    """The label of a type's nuclei: its name, or the largest cluster that resembles it.

    Without RNA nuclei are labelled by their cluster, and ``resembles`` names the type whose marker
    genes are most active there.

    Parameters
    ----------
    cells
        ``cell_type`` and, in a cohort without RNA, ``resembles``.
    """
    if RESEMBLES not in cells or (cells[CELL_TYPE] == cell_type).any():
        return cell_type
    alike = cells.loc[cells[RESEMBLES] == cell_type, CELL_TYPE].value_counts()
    return str(alike.index[0]) if len(alike) else cell_type


def pair_proportions(
    nuclei: pd.DataFrame, cells: pd.DataFrame, samples: pd.DataFrame
) -> pd.DataFrame:
    """Share of every type by chromatin and by RNA, in the samples that have both.

    Parameters
    ----------
    nuclei, cells
        ``sample`` and ``cell_type`` of nuclei and of RNA cells.
    samples
        ``sample`` and ``group``.

    Returns
    -------
    ``sample, group, cell_type, fraction_atac, fraction_rna`` (of all cells of the sample); cells
    of no known type are left out, and there is no row if no sample has both.
    """
    both = samples[samples[SAMPLE].isin(set(nuclei[SAMPLE]) & set(cells[SAMPLE]))]
    keys = [SAMPLE, GROUP, CELL_TYPE]
    if both.empty:
        return pd.DataFrame(columns=[*keys, "fraction_atac", "fraction_rna"])
    parts = [
        count_types(table[table[SAMPLE].isin(both[SAMPLE])], both).set_index(keys)["fraction"]
        for table in (nuclei, cells)
    ]
    paired = pd.concat(parts, axis=1, keys=["fraction_atac", "fraction_rna"]).fillna(0.0)
    table = paired.reset_index()
    return table[~table[CELL_TYPE].isin([UNKNOWN, UNASSIGNED])].reset_index(drop=True)


def rate_agreement(paired: pd.DataFrame) -> pd.DataFrame:
    """How far the two give the same proportions, sample by sample.

    Parameters
    ----------
    paired
        From :func:`pair_proportions`.

    Returns
    -------
    ``sample, group, n_types, spearman, mean_difference`` (mean absolute difference of shares);
    correlations are missing where there are fewer than three types.
    """
    rows = []
    for (sample, group), part in paired.groupby([SAMPLE, GROUP], sort=False):
        a, b = part["fraction_atac"].to_numpy(), part["fraction_rna"].to_numpy()
        varied = len(part) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0
        rho = float(stats.spearmanr(a, b)[0]) if varied else np.nan
        rows.append((sample, group, len(part), rho, float(np.abs(a - b).mean())))
    columns = [SAMPLE, GROUP, "n_types", "spearman", "mean_difference"]
    return pd.DataFrame(rows, columns=columns)


def compare_shifts(
    contrasts: pd.DataFrame,
    cells: pd.DataFrame,
    samples: pd.DataFrame,
    asked: list[Contrast],
    *,
    transform: str,
    confidence: float,
) -> pd.DataFrame:
    """Differences in proportion by chromatin beside those by RNA, the sample being the unit.

    Parameters
    ----------
    contrasts
        Of nuclei, from :func:`helpers.compute.composition.compare_groups`.
    cells
        ``sample`` and ``cell_type`` of RNA cells.
    samples
        ``sample``, ``group`` and, where known, ``donor`` of all samples with RNA.
    asked
        The contrasts of the cohort.

    Returns
    -------
    :data:`SHIFT_COLUMNS`, one row a contrast and a type that was tested in both; no row without RNA.
    """
    if cells.empty or not asked:
        return pd.DataFrame(columns=list(SHIFT_COLUMNS))
    proportions = count_types(cells, samples)
    rna = pd.concat(
        [compare_samples(proportions, c, transform=transform, confidence=confidence) for c in asked]
    )
    keys = ["contrast", CELL_TYPE]
    kept = [*keys, "effect", "padj"]
    atac = contrasts.loc[contrasts["unit"] == SAMPLE, kept]
    both = atac.merge(rna[kept], on=keys, suffixes=("_atac", "_rna"))
    named = ~both[CELL_TYPE].isin([UNKNOWN, UNASSIGNED])
    return both.loc[named, list(SHIFT_COLUMNS)].dropna().reset_index(drop=True)


def compare_planted(
    nuclei: pd.DataFrame | None, composition: pd.DataFrame | None, asked: list[Contrast]
) -> pd.DataFrame:
    """In which direction every type was planted to shift, by chromatin and by RNA.

    Parameters
    ----------
    nuclei
        ``group``, ``cell_type`` and ``kind`` (``good``, …) of every nucleus planted.
    composition
        ``cell_type``, ``group`` and ``fraction`` planted in RNA.

    Returns
    -------
    ``contrast``, ``cell_type``, ``sign_atac`` and ``sign_rna`` of the difference of shares; no row
    where nothing was planted.
    """
    columns = ["contrast", CELL_TYPE, "sign_atac", "sign_rna"]
    if nuclei is None or composition is None:
        return pd.DataFrame(columns=columns)
    good = nuclei[nuclei["kind"] == "good"]
    atac = pd.crosstab(good[CELL_TYPE], good[GROUP], normalize="columns")
    rna = composition.pivot_table(index=CELL_TYPE, columns=GROUP, values="fraction")
    parts = [
        pd.DataFrame(
            {
                "contrast": contrast.name,
                "sign_atac": np.sign(atac[contrast.test] - atac[contrast.reference]),
                "sign_rna": np.sign(rna[contrast.test] - rna[contrast.reference]),
            }
        )
        for contrast in asked
        if {contrast.test, contrast.reference} <= set(atac) & set(rna)
    ]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts).rename_axis(CELL_TYPE).reset_index()[columns]


def describe_opposed(shifts: pd.DataFrame, planted: pd.DataFrame, *, fdr: float) -> str:
    """Types that shift one way by RNA and the other by chromatin, as a sentence.

    Parameters
    ----------
    shifts
        From :func:`compare_shifts`.
    planted
        From :func:`compare_planted`; tells which of these types were planted so.
    fdr
        Both adjusted p-values must be below it: a difference of no certain sign opposes nothing.
    """
    seen = shifts[(shifts["padj_atac"] < fdr) & (shifts["padj_rna"] < fdr)]
    if seen.empty:
        return f"No shift is seen by both (adjusted p < {fdr:g})."
    same = np.sign(seen["effect_atac"]) == np.sign(seen["effect_rna"])
    if same.all():
        return (
            f"Shifts seen by both (adjusted p < {fdr:g}): {len(seen)}, none in opposite directions."
        )
    signs = planted.set_index(["contrast", CELL_TYPE])
    listed = [
        f"{row.cell_type}, {row.contrast} (log2 odds ratio by RNA {row.effect_rna:+.2f}, by chromatin "
        f"{row.effect_atac:+.2f}{_as_planted(signs, (row.contrast, row.cell_type), row.effect_rna)})"
        for row in seen[~same].itertuples()
    ]
    return (
        f"Shifts seen by both (adjusted p < {fdr:g}): {len(seen)}, in opposite directions: "
        f"{'; '.join(listed)}."
    )


def _as_planted(signs: pd.DataFrame, key: tuple[str, str], effect_rna: float) -> str:
    """Whether a shift in opposite directions was planted; nothing where nothing was."""
    if signs.empty:
        return ""
    planted = key in signs.index and (
        signs.loc[key, "sign_rna"] == -signs.loc[key, "sign_atac"] == np.sign(effect_rna)
    )
    return ", both as planted" if planted else ", not so planted"
