"""What the stage of resistance left for a page."""

import pandas as pd

from helpers.compute.signatures import ALL_CELLS, CELL_METHODS
from helpers.io.tables import read_table
from helpers.report.page import Page
from helpers.schema import CELL_TYPE, CLUSTER, CONTRAST, SIGNATURE, Contrast


def read_line(page: Page) -> pd.DataFrame:
    """Every cell with its cluster, scores, pseudotime and place on the map."""
    return read_table(page.stage_result("resistance_cells.csv"))


def read_rated(page: Page) -> tuple[pd.DataFrame, list[str]]:
    """Every cluster's scores, and the names of stem-like clusters."""
    rated = read_table(page.stage_result("resistance_clusters.csv"))
    found = rated.loc[rated["stem_like"].astype(str) == "True", CLUSTER]
    return rated, list(dict.fromkeys(found))


def topic_contrasts(
    page: Page, contrast: Contrast, topic: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Signatures of a topic compared between two groups in all cells, and their names."""
    coverage = read_table(page.stage_result("signatures_coverage.csv"))
    mine = coverage[coverage["topic"] == topic]
    table = read_table(page.stage_result("signatures_contrasts.csv"))
    chosen = table[
        (table[CONTRAST] == contrast.name)
        & (table[CELL_TYPE] == ALL_CELLS)
        & (table["method"] == CELL_METHODS[0])
        & table[SIGNATURE].isin(mine[SIGNATURE])
    ]
    return chosen, dict(zip(mine[SIGNATURE], mine["name"], strict=True))
