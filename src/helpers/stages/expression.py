"""Expression of every gene compared between groups inside every cell type."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from helpers.compute.expression import compare_sums, rank_cells, sum_samples
from helpers.compute.normalise import log_normalise
from helpers.compute.stats import PAIRED, count_sides
from helpers.errors import DataError, NotPossibleError
from helpers.io.objects import read_object
from helpers.io.tables import write_table
from helpers.params import ExpressionParams, PseudobulkParams
from helpers.schema import CELL_TYPE, CONTRAST, DONOR, GENE, GROUP, SAMPLE, UNKNOWN, Contrast
from helpers.stages.task import Task

CELL_TEST = "Wilcoxon rank-sum test on cells"
SAMPLE_TESTS = {
    "voom": "moderated t-test on sums by sample (limma-voom)",
    "deseq2": "Wald test on sums by sample (DESeq2)",
}
COLUMNS = [
    CELL_TYPE,
    CONTRAST,
    "unit",
    "test",
    GENE,
    "log2fc",
    "ci_low",
    "ci_high",
    "statistic",
    "pvalue",
    "padj",
    "pct_test",
    "pct_reference",
]


def run_expression(task: Task) -> None:
    """The job ``expression``."""
    params = ExpressionParams.model_validate(task.params)
    contrasts = [Contrast(**record) for record in task.design["contrasts"]]  # type: ignore[attr-defined]
    stage_expression(task.inputs[0], *task.outputs, contrasts=contrasts, params=params)


def stage_expression(
    annotated: Path,
    genes: Path,
    tests: Path,
    *,
    contrasts: list[Contrast],
    params: ExpressionParams,
) -> None:
    """Compare every gene in every type and contrast, by cell and by sample.

    Parameters
    ----------
    annotated
        Cells with counts and ``obs["cell_type"]``.
    genes
        Written: CSV, one row a type, contrast, unit and gene tested.
    tests
        Written: CSV, one row a type, contrast and unit with the numbers of cells or samples,
        and why there was no test.

    Raises
    ------
    NotPossibleError
        If the cohort has no contrast, or no type has enough cells in both groups.
    """
    if not contrasts:
        msg = "Comparing expression needs two groups; the cohort has one."
        raise NotPossibleError(msg)
    adata = read_object(annotated)
    tables, rows = [], []
    for cell_type in sorted(set(adata.obs[CELL_TYPE].astype(str)) - {UNKNOWN}, key=str.casefold):
        mine = adata[(adata.obs[CELL_TYPE] == cell_type).to_numpy()]
        for contrast in contrasts:
            for table, row in (
                compare_by_cell(mine, contrast, params),
                compare_by_sample(mine, contrast, params),
            ):
                head = {CELL_TYPE: cell_type, CONTRAST: contrast.name}
                tables.append(table.assign(**head).reindex(columns=COLUMNS))
                rows.append(head | row)
    found = [table for table in tables if len(table)]
    if not found:
        msg = (
            f"No cell type has {params.min_cells} cells in both groups of a contrast; lower "
            "min_cells under overrides.fig3_enrichment."
        )
        raise NotPossibleError(msg)
    write_table(pd.concat(found, ignore_index=True), genes)
    write_table(pd.DataFrame(rows), tests)


def compare_by_cell(
    cells: ad.AnnData, contrast: Contrast, params: ExpressionParams
) -> tuple[pd.DataFrame, dict[str, object]]:
    """The source's test, all cells of two groups: genes, and the row that tells of the test."""
    groups = cells.obs[GROUP].astype(str).to_numpy()
    n = {label: int((groups == label).sum()) for label in (contrast.test, contrast.reference)}
    row: dict[str, object] = {"unit": "cell", "test": CELL_TEST}
    row |= {"n_reference": n[contrast.reference], "n_test": n[contrast.test], "n_genes": 0}
    few = [f"{label}: {count} cells" for label, count in n.items() if count < params.min_cells]
    if few:
        return pd.DataFrame(), row | {"reason": f"{', '.join(few)}; needed: {params.min_cells}"}
    both = np.isin(groups, [contrast.test, contrast.reference])
    chosen = cells[both]
    expression = log_normalise(
        chosen.X, target_sum=params.target_sum, totals=chosen.obs["n_umis"].to_numpy(dtype=float)
    )
    seen = np.asarray((expression > 0).sum(axis=0)).ravel() > 0
    table = rank_cells(
        expression[:, seen],
        cells.var_names[seen],
        groups[both],
        reference=contrast.reference,
        test=contrast.test,
    )
    named = table.rename(columns={"z": "statistic"}).assign(unit="cell", test=CELL_TEST)
    return named, row | {"n_genes": len(named), "reason": ""}


def compare_by_sample(
    cells: ad.AnnData, contrast: Contrast, params: PseudobulkParams
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Sums over the cells of every sample with enough of them: genes, and the row of the test."""
    sums, samples = sum_samples(
        cells.X, cells.obs[SAMPLE].astype(str).to_numpy(), min_cells=params.min_cells
    )
    sheet = cells.obs.drop_duplicates(SAMPLE).set_index(SAMPLE)[[GROUP, DONOR]].astype(str)
    groups, donors = (sheet[column].reindex(samples) for column in (GROUP, DONOR))
    sides = count_sides(groups, contrast, donors)
    test = SAMPLE_TESTS[params.pseudobulk] + (PAIRED if sides.paired else "")
    row: dict[str, object] = {"unit": SAMPLE, "test": test}
    row |= {"n_reference": sides.n_reference, "n_test": sides.n_test, "n_genes": 0}
    try:
        table = compare_sums(
            sums.astype(float),
            cells.var_names,
            groups.to_numpy(),
            contrast,
            donors=donors.to_numpy(),
            confidence=params.confidence,
            method=params.pseudobulk,
        )
    except DataError as error:
        return pd.DataFrame(), row | {"reason": str(error)}
    named = table.rename(columns={"t": "statistic"}).assign(unit=SAMPLE, test=test)
    return named, row | {"n_genes": len(named), "reason": ""}
