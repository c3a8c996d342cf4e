"""What the stage of signatures left for a page."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.compute.signatures import ALL_CELLS
from helpers.io.objects import read_object
from helpers.io.signatures import read_registry
from helpers.io.tables import read_table
from helpers.report.page import Page
from helpers.schema import BARCODE, CELL_TYPE, CONTRAST, GROUP, SAMPLE, SIGNATURE, SUBCLUSTER


@dataclass(frozen=True)
class Scored:
    """Scores of cells and samples with what stands beside them."""

    cells: pd.DataFrame
    """One row a cell: sample, barcode, group, type, place on the map, axes, probability, call."""
    layers: dict[str, pd.DataFrame]
    """Method, and mean and deviation of its random sets -> shape (n_cells, n_signatures)."""
    names: dict[str, str]
    coverage: pd.DataFrame
    samples: pd.DataFrame
    contrasts: pd.DataFrame
    frequency: pd.DataFrame
    uncalled: str
    """Why no cell was called dormant, if so."""

    def table(self, method: str) -> pd.DataFrame:
        """Scores of every cell by a method."""
        return self.layers[method]

    def excess(self, method: str, wanted: list[str] | None = None) -> pd.DataFrame:
        """Deviations of random sets by which scores lie over their mean, of those wanted and scored."""
        spread = self.layers[f"{method}, random sd"]
        over = self.layers[method] - self.layers[f"{method}, random mean"]
        excess = (over / spread.where(spread > 0)).fillna(0.0)
        return excess if wanted is None else excess[[name for name in wanted if name in excess]]

    def columns(self, labels: list[str]) -> pd.MultiIndex:
        """Every cell type and group with a score, types in order, groups as given."""
        found = set(zip(self.samples[CELL_TYPE], self.samples[GROUP], strict=True))
        types = sorted({kind for kind, _ in found} - {ALL_CELLS}, key=str.casefold)
        pairs = [(k, g) for k in (*types, ALL_CELLS) for g in labels if (k, g) in found]
        return pd.MultiIndex.from_tuples(pairs, names=[CELL_TYPE, GROUP])

    def beside(self, truth: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
        """Which cells were planted as dormant, and the cells, matched by barcode."""
        planted = truth[[SAMPLE, BARCODE, "dormant"]]
        both = self.cells.merge(planted, on=[SAMPLE, BARCODE], how="inner")
        return (both["dormant"].astype(str) == "True").to_numpy(), both


def read_scores(page: Page) -> Scored:
    """Everything the stage wrote."""
    adata = read_object(page.stage_result("signatures.h5ad"))
    cells = adata.obs.reset_index(drop=True)
    cells = cells.astype(dict.fromkeys((SAMPLE, BARCODE, GROUP, CELL_TYPE, "call"), str))
    cells = cells.assign(x=adata.obsm["X_map"][:, 0], y=adata.obsm["X_map"][:, 1])
    layers = {
        name: pd.DataFrame(values, columns=adata.var_names, index=cells.index)
        for name, values in adata.layers.items()
    }
    tables = {
        name: read_table(page.stage_result(f"signatures_{name}.csv"))
        for name in ("coverage", "samples", "contrasts", "frequency")
    }
    coverage = tables["coverage"]
    return Scored(
        cells=cells,
        layers=layers,
        names=dict(zip(coverage[SIGNATURE], coverage["name"], strict=True)),
        coverage=coverage,
        samples=tables["samples"],
        contrasts=tables["contrasts"].astype({CONTRAST: str}),
        frequency=tables["frequency"],
        uncalled=str(adata.uns["uncalled"]),
    )


def list_published(page: Page) -> pd.DataFrame:
    """What sources report of the signatures of the registry, one row a number."""
    registry = read_registry(Path(page.job.data["registry"][0]))
    rows = [
        {SIGNATURE: entry.id, "status": entry.status, **effect.model_dump(), "doi": entry.doi}
        for entry in registry.entries
        for effect in entry.published
    ]
    columns = [SIGNATURE, "status", "outcome", "cohort", "hazard_ratio", "ci_low", "ci_high", "doi"]
    return pd.DataFrame(rows, columns=columns)


def count_subclusters(page: Page, cells: pd.DataFrame) -> pd.DataFrame:
    """The cells that lie in a subcluster, with its name (``HSC/MPP 0``) in column ``part``.

    The index is that of ``cells``.
    """
    key = (SAMPLE, BARCODE, SUBCLUSTER)
    tables = [page.optional_table(name, key) for name in page.job.optional]
    tables.append(pd.DataFrame(columns=list(key), dtype=str))
    listed = pd.concat(tables).set_index([SAMPLE, BARCODE])[SUBCLUSTER]
    found = listed.reindex(pd.MultiIndex.from_frame(cells[[SAMPLE, BARCODE]])).to_numpy()
    part = cells[CELL_TYPE] + " " + pd.Series(found, cells.index, dtype=object)
    return cells.assign(part=part).dropna(subset=["part"])


def sum_frequency(scored: Scored) -> pd.DataFrame:
    """Dormant cells of whole samples: those of the types, weighted by their numbers of cells.

    The ends of the interval add up as if draws that call many cells of one type did so of all.
    """
    table, numbers = scored.frequency, ["fraction", "ci_low", "ci_high", "chance"]
    weighted = table.assign(**{name: table[name] * table["n_cells"] for name in numbers})
    summed = weighted.groupby([SAMPLE, GROUP], sort=True)[["n_cells", "n_called", *numbers]].sum()
    shares = summed[numbers].div(summed["n_cells"], axis=0)
    return summed.assign(**{name: shares[name] for name in numbers}).reset_index()
