"""What is planted in a simulated cohort, one table a subject."""

import numpy as np
import pandas as pd

from helpers.synth.design import COMPOSITION, COPY_NUMBER, GROUPS, SUBCLUSTERS, Design
from helpers.synth.programmes import (
    CELL_TYPES,
    DORMANT,
    GROUP_SHIFTS,
    REGULON_SD,
    REGULONS,
    SIGNATURE_SHIFTS,
    SUBCLUSTER_GENES,
    SUBCLUSTER_PATHWAYS,
    SUBCLUSTER_SHIFTS,
    levels,
    type_levels,
)
from helpers.synth.rna import Landscape


def make_truth(landscape: Landscape, design: Design) -> dict[str, pd.DataFrame]:
    """Everything planted in a cohort apart from its single cells.

    Returns
    -------
    Name of the table to table: ``composition`` (mean share of each type in each group),
    ``subclusters`` (share within its type), ``markers`` (mean UMIs per 10,000 in a type),
    ``subcluster_markers`` (log2 fold against the type), ``pathways`` (log2 fold of a gene in a
    subcluster against its type, or in NCR against the other groups), ``signatures`` (log2 fold of
    a signature's gene in NCR, direction of the signature; share of dormant cells in a
    subcluster), ``copy_number`` (arms gained and lost) and ``regulons`` (genes that follow a
    factor's activity from cell to cell; natural log per standard deviation of the activity).
    Where the groups do not differ, shares are those of the controls, no pathway or signature
    differs between groups and no arm is altered.
    """
    return {
        "composition": _list_composition(design),
        "subclusters": _list_subclusters(design),
        "markers": _list_markers(landscape),
        "subcluster_markers": _list_subcluster_markers(landscape),
        "pathways": _list_pathways(design),
        "signatures": _list_signatures(design),
        "copy_number": _list_copy_number(design),
        "regulons": _list_regulons(),
    }


def _list_composition(design: Design) -> pd.DataFrame:
    shares = _shares(COMPOSITION, design).rename_axis("cell_type").reset_index()
    return shares.melt("cell_type", var_name="group", value_name="fraction")


def _list_subclusters(design: Design) -> pd.DataFrame:
    tables = [
        _shares(table, design).rename_axis("subcluster").reset_index().assign(cell_type=parent)
        for parent, table in SUBCLUSTERS.items()
    ]
    keys = ["cell_type", "subcluster"]
    return pd.concat(tables).melt(keys, var_name="group", value_name="fraction")


def _shares(percent: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Shares of each group as it is drawn; columns sum to 1."""
    drawn = pd.DataFrame({group: percent[design.drawn_as(group)] for group in GROUPS})
    return drawn / drawn.sum()


def _list_markers(landscape: Landscape) -> pd.DataFrame:
    rows = []
    for cell_type in CELL_TYPES:
        rate = pd.Series(np.exp(landscape.log_rates[cell_type, ""]), landscape.genes["gene"])
        share = 10_000 * rate / rate.sum()
        rows += [(cell_type, gene, share[gene]) for gene in type_levels(cell_type)]
    return pd.DataFrame(rows, columns=["cell_type", "gene", "umis_per_10k"])


def _list_subcluster_markers(landscape: Landscape) -> pd.DataFrame:
    rows = []
    genes = pd.Index(landscape.genes["gene"])
    for (cell_type, subcluster), programme in SUBCLUSTER_GENES.items():
        change = landscape.log_rates[cell_type, subcluster] - landscape.log_rates[cell_type, ""]
        named = levels(programme) | levels(SUBCLUSTER_SHIFTS.get((cell_type, subcluster), {}))
        log2fc = pd.Series(change / np.log(2), genes)
        rows += [(cell_type, subcluster, gene, log2fc[gene]) for gene in named]
    return pd.DataFrame(rows, columns=["cell_type", "subcluster", "gene", "log2fc"])


def _list_pathways(design: Design) -> pd.DataFrame:
    rows = [
        (cell_type, subcluster, "", pathway, gene, log2fc)
        for (cell_type, subcluster, pathway), programme in SUBCLUSTER_PATHWAYS.items()
        for gene, log2fc in levels(programme).items()
    ]
    rows += [
        (cell_type, "", "NCR vs CR", pathway, gene, log2fc)
        for (cell_type, pathway), programme in GROUP_SHIFTS.items()
        for gene, log2fc in levels(programme).items()
        if design.group_effects
    ]
    columns = ["cell_type", "subcluster", "contrast", "pathway", "gene", "log2fc"]
    return pd.DataFrame(rows, columns=columns)


def _list_signatures(design: Design) -> pd.DataFrame:
    rows = [
        (cell_type, "", "NCR vs CR", signature, 1, gene, log2fc, np.nan)
        for (cell_type, signature), programme in SIGNATURE_SHIFTS.items()
        for gene, log2fc in levels(programme).items()
        if design.group_effects
    ]
    rows += [
        (*place, "", "dormant cells", 1, "", np.nan, share) for place, share in DORMANT.items()
    ]
    columns = [
        "cell_type", "subcluster", "contrast", "signature", "direction", "gene", "log2fc", "fraction",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _list_copy_number(design: Design) -> pd.DataFrame:
    rows = [
        (*place, arm, "gain" if change > 0 else "loss")
        for place, arms in COPY_NUMBER.items()
        for arm, change in arms.items()
        if design.group_effects
    ]
    return pd.DataFrame(rows, columns=["sample", "cell_type", "subcluster", "arm", "state"])


def _list_regulons() -> pd.DataFrame:
    rows = [
        (factor, target, REGULON_SD)
        for factor, targets in REGULONS.items()
        for target in targets.split()
    ]
    return pd.DataFrame(rows, columns=["tf", "target", "loading"])
