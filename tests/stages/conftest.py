"""Simulated cells under their planted names, as the annotation would have left them."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.io.objects import write_object
from helpers.io.reference import arm_of_genes, read_genes
from helpers.io.signatures import list_signature_genes, read_registry
from helpers.params import marker_file
from helpers.synth.design import make_design
from helpers.synth.rna import choose_genes, make_landscape, make_sample


@pytest.fixture(scope="session")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good HSC/MPP and Pro-B cells of a simulated cohort under their planted names."""
    design = make_design("demo", n_cells=9000)
    added = list_signature_genes(read_registry(marker_file("signatures.yml")))
    genes = choose_genes(read_genes(), design, wanted=set(), added=added)
    landscape, arms = make_landscape(genes, design), arm_of_genes(genes)
    parts = []
    for sample in design.samples:
        cells = make_sample(landscape, design, sample, arms=arms)
        cells = cells[
            cells.obs["cell_type"].isin(["HSC/MPP", "Pro-B"]) & (cells.obs["kind"] == "good")
        ]
        cells = ad.AnnData(
            cells.X, obs=cells.obs[["cell_type", "subcluster", "dormant"]], var=cells.var[[]]
        )
        cells.obs["planted"] = cells.obs.pop("subcluster")
        cells.obs["barcode"] = cells.obs_names.to_numpy()
        cells.obs["sample"] = cells.obs["donor"] = sample.sample
        cells.obs["group"] = sample.group
        cells.obs_names = pd.Index(sample.sample + ":" + cells.obs["barcode"], name="cell")
        parts.append(cells)
    adata = ad.concat(parts)
    adata.obs["n_umis"] = np.asarray(adata.X.sum(axis=1)).ravel()
    mitochondrial = adata.var_names.str.startswith("MT-")
    mito = np.asarray(adata.X[:, mitochondrial].sum(axis=1)).ravel()
    adata.obs["pct_mito"] = 100 * mito / adata.obs["n_umis"].to_numpy()
    path = tmp_path_factory.mktemp("objects") / "rna.h5ad"
    write_object(adata, path)
    return path
