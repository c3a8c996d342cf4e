"""What the stage of subclusters left for a page."""

import anndata as ad
import pandas as pd

from helpers.io.objects import read_object
from helpers.io.tables import read_table
from helpers.report.chapters import SUBCLUSTER_KEYS
from helpers.report.page import Page
from helpers.schema import BARCODE, GROUP, SAMPLE, SUBCLUSTER


def read_division(
    page: Page,
) -> tuple[ad.AnnData, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Object, cells with their place on the map, markers, draws and ratings of numbers.

    Names of subclusters are text everywhere.
    """
    stem = f"subclusters_{SUBCLUSTER_KEYS[page.chapter]}"
    adata = read_object(page.stage_result(f"{stem}.h5ad"))
    cells = adata.obs.reset_index(drop=True)
    cells = cells.astype(dict.fromkeys((SAMPLE, BARCODE, GROUP, SUBCLUSTER), str))
    cells = cells.assign(x=adata.obsm["X_map"][:, 0], y=adata.obsm["X_map"][:, 1])
    markers, draws, numbers = (
        read_table(page.stage_result(f"{stem}_{name}.csv"))
        for name in ("markers", "stability", "numbers")
    )
    text = {SUBCLUSTER: str}
    return adata, cells, markers.astype(text), draws.astype(text), numbers
