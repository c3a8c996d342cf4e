"""RNA from quality control to cell types at the size of the study, beside hand-written scanpy.

    python benchmarks/rna.py [--cells N] [--keep DIR]

Simulates profile `paper` (76,458 cells x 20,000 genes, nine samples), runs the project's jobs one
after the other and then the same steps written by hand with scanpy, each in a process of its own,
and prints wall seconds and peak memory of every step.
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
STEPS = ("rna_sample", "rna_integrate", "rna_annotate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=76_458)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep cohort and results here")
    parser.add_argument("--by-hand", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.by_hand:
        run_by_hand(options.by_hand)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        cohort = folder / "cohort"
        command = [sys.executable, "-m", "helpers.report.cli"]
        size = ["--cells", str(options.cells)]
        run([*command, "simulate", "paper", "--out", str(cohort), *size])
        began = time.monotonic()
        build = [
            *command,
            "build",
            str(cohort / "cohort.yml"),
            "--results",
            str(folder / "results"),
        ]
        run([*build, "--cores", str(options.cores), "--chapter", "fig1_composition"])
        report_ours(folder / "results" / "paper", time.monotonic() - began)
        run([sys.executable, __file__, "--by-hand", str(cohort)], quiet=False)


def run(command: list[str], *, quiet: bool = True) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL if quiet else None)


def report_ours(folder: Path, wall: float) -> None:
    print(f"{'job':<28}{'seconds':>9}{'peak MB':>9}")
    records = [json.loads(p.read_text()) for p in sorted((folder / "records").glob("*.json"))]
    for record in records:
        print(f"{record['job']:<28}{record['seconds']:>9.1f}{record['peak_mb']:>9.0f}")
    stages = [r for r in records if r["job"].split("/")[0] in STEPS]
    print(f"{'all jobs, wall':<28}{wall:>9.1f}{max(r['peak_mb'] for r in stages):>9.0f}")


def run_by_hand(cohort: Path) -> None:
    """What an analyst would type: scanpy on the merged counts, Scrublet sample by sample."""
    import anndata as ad
    import harmonypy
    import numpy as np
    import pandas as pd
    import scanpy as sc
    from sklearn.neighbors import KNeighborsTransformer

    lap = Lap()
    sheet = pd.read_csv(cohort / "samples.csv")
    parts = []
    for row in sheet.itertuples():
        part = sc.read_10x_h5(cohort / row.rna)
        part.var_names_make_unique()
        part.obs["sample"] = row.sample
        part.var["mt"] = part.var_names.str.startswith("MT-")
        sc.pp.calculate_qc_metrics(part, qc_vars=["mt"], percent_top=None, inplace=True)
        obs = part.obs
        keep = obs["n_genes_by_counts"].between(200, 5000)
        keep &= obs["total_counts"].between(500, 25_000) & (obs["pct_counts_mt"] < 10)
        parts.append(part[keep].copy())
    lap.tell("read, QC")
    for part in parts:
        options = {"expected_doublet_rate": 0.08, "threshold": 0.25}
        sc.pp.scrublet(part, use_approx_neighbors=False, **options)
    lap.tell("Scrublet, nine samples")
    adata = ad.concat([part[~part.obs["predicted_doublet"]] for part in parts], index_unique="-")
    del parts
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    lap.tell("merge, normalise")
    sc.pp.highly_variable_genes(
        adata, n_top_genes=2000, flavor="seurat_v3", layer="counts", batch_key="sample"
    )
    lap.tell("variable genes")
    sc.pp.pca(adata, n_comps=20, mask_var="highly_variable")
    lap.tell("PCA")
    result = harmonypy.run_harmony(adata.obsm["X_pca"], adata.obs, "sample", verbose=False)
    corrected = np.asarray(result.Z_corr)
    adata.obsm["X"] = corrected if len(corrected) == adata.n_obs else corrected.T
    lap.tell("Harmony")
    # The default index fails with this scipy; exact search is also the faster one at this size.
    exact = KNeighborsTransformer(n_neighbors=20, algorithm="brute")
    sc.pp.neighbors(adata, n_neighbors=20, use_rep="X", transformer=exact)
    lap.tell("neighbours")
    sc.tl.leiden(adata, flavor="igraph", n_iterations=2, directed=False)
    lap.tell("Leiden")
    sc.tl.umap(adata)
    lap.tell("UMAP")
    lap.end()


class Lap:
    """Prints seconds since the last lap and the peak memory so far."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        print(f"\n{'by hand, scanpy':<28}{'seconds':>9}{'peak MB':>9}")

    def tell(self, name: str) -> None:
        now = time.monotonic()
        print(f"{name:<28}{now - self.last:>9.1f}{self.peak():>9.0f}", flush=True)
        self.last = now

    def end(self) -> None:
        print(f"{'all steps, wall':<28}{time.monotonic() - self.start:>9.1f}{self.peak():>9.0f}")

    @staticmethod
    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
