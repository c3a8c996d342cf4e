"""Copy number at the size of the study, beside infercnvpy.

    python benchmarks/cnv.py [--cells 20000] [--genes 15000] [--study]

Both are given the same simulated counts, each in a process of its own that measures its wall
seconds and peak memory from reading the counts to every cell's score. With ``--study``, 76,458
cells x 20,000 genes of profile `paper` go through the whole stage, and nothing else.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=15_000)
    parser.add_argument("--study", action="store_true")
    parser.add_argument("--run", choices=["ours", "infercnvpy", "stage", "make"])
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        runs = {"ours": run_ours, "infercnvpy": run_infercnvpy, "stage": run_stage}
        if options.run == "make":
            make_counts(options.file, options.cells, options.genes)
        else:
            runs[options.run](options.file)
        return
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "counts.h5ad"
        n_cells, n_genes = (76_458, 20_000) if options.study else (options.cells, options.genes)
        start("make", file, "--cells", str(n_cells), "--genes", str(n_genes))
        print(f"{n_cells:,} cells x {n_genes:,} genes")
        print(f"{'run':<14}{'seconds':>9}{'peak MB':>9}")
        for run in ("stage",) if options.study else ("ours", "infercnvpy"):
            start(run, file)


def start(run: str, file: Path, *more: str) -> None:
    command = [sys.executable, "-W", "ignore", __file__, "--run", run, "--file", str(file), *more]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


def make_counts(file: Path, n_cells: int, n_genes: int) -> None:
    """Counts of profile `paper` with their true types, as the annotated object holds them."""
    from dataclasses import replace

    import anndata as ad

    from helpers.io.reference import arm_of_genes, read_genes
    from helpers.synth.design import make_design
    from helpers.synth.rna import choose_genes, make_landscape, make_sample

    design = replace(make_design("paper", n_cells=n_cells), n_genes=n_genes)
    genes = choose_genes(read_genes(), design, wanted=set())
    landscape, arms = make_landscape(genes, design), arm_of_genes(genes)
    parts = []
    for sample in design.samples:
        part = make_sample(landscape, design, sample, arms=arms)
        part.obs = part.obs.assign(sample=sample.sample, group=sample.group)
        part.obs["barcode"] = part.obs_names
        parts.append(part)
    adata = ad.concat(parts, index_unique="-", merge="same")
    adata.obs_names.name = "cell"  # barcode is a column, too
    adata.uns = {
        "groups": json.dumps({"reference": "CK", "responder": "CR", "non_responder": "NCR"})
    }
    adata.write_h5ad(file)


def run_ours(file: Path) -> None:
    """Ratios of every gene, with inferCNV's denoising, and every cell's score."""
    import anndata as ad
    import numpy as np

    from helpers.compute.cnv import fit_baseline, measure_ratios, place_genes, score_variability
    from helpers.io.reference import arm_of_genes, read_genes

    began = time.monotonic()
    adata = ad.read_h5ad(file)
    genes = place_genes(
        adata.var_names, read_genes().assign(arm=arm_of_genes(read_genes())), exclude_loci=False
    )
    counts = adata.X[:, genes["column"].to_numpy()].tocsr()
    normal = np.flatnonzero((adata.obs["cell_type"] == "Pro-B") & (adata.obs["group"] == "CK"))
    del adata
    level = fit_baseline(counts, genes["chrom"].to_numpy(), [normal])
    score = [score_variability(ratio) for ratio in measure_ratios(counts, level)]
    tell("ours", began, len(np.concatenate(score)))


def run_infercnvpy(file: Path) -> None:
    """The same with infercnvpy's defaults (every tenth window) in one process per core."""
    import anndata as ad
    import infercnvpy
    import numpy as np
    import scanpy as sc

    from helpers.io.reference import read_genes

    began = time.monotonic()
    adata = ad.read_h5ad(file)
    genes = read_genes().drop_duplicates("gene").set_index("gene")
    columns = {"chromosome": "chrom", "start": "start", "end": "end"}
    for name, column in columns.items():
        adata.var[name] = genes[column].reindex(adata.var_names)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    adata.obs["kind"] = adata.obs["cell_type"].astype(str) + adata.obs["group"].astype(str)
    infercnvpy.tl.infercnv(adata, reference_key="kind", reference_cat="Pro-BCK")
    score = np.asarray(adata.obsm["X_cnv"].power(2).mean(axis=1)).ravel()
    tell("infercnvpy", began, len(score))


def run_stage(file: Path) -> None:
    """The whole stage: profiles, arms, clones, sensitivity."""
    import anndata as ad

    from helpers.params import CnvParams, load_params, subset
    from helpers.stages.cnv import stage_cnv

    groups = json.loads(ad.read_h5ad(file, backed="r").uns["groups"])
    params = CnvParams.model_validate(subset(load_params("fig6_cnv"), CnvParams))
    outputs = [file.with_name(f"{i}") for i in ("a.h5ad", "b.h5ad", "c.csv", "d.csv")]
    began = time.monotonic()
    stage_cnv(file, *outputs, groups=groups, params=params)
    tell("stage", began, 0)


def tell(name: str, began: float, _: int) -> None:
    """Wall seconds and the peak memory of this process or, added, of its workers."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"{name:<14}{time.monotonic() - began:>9.1f}{max(own, worker) / 1024:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
