"""Fragments to peak matrix beside SnapATAC2, and all jobs of chromatin at the size of the study.

    python benchmarks/chromatin.py [--nuclei 1300] [--study [--keep DIR]]

Both are given the same simulated sample and its peaks, each in a process of its own that measures
wall and CPU seconds from the fragment file to the matrix, imports left out, and peak memory. With
``--study``, the chapters of chromatin are built for profile `paper` (60,000 nuclei, 76,458 cells,
nine samples), and seconds and peak memory of every job are printed.
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
CHAPTERS = ("fig2_accessibility", "fig7_hsc_mpp_motifs", "fig8_pro_b_motifs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nuclei", type=int, default=1300)
    parser.add_argument("--study", action="store_true")
    parser.add_argument("--keep", type=Path, help="keep the study's cohort and results here")
    parser.add_argument("--run", choices=["ours", "snapatac2", "make"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run == "make":
        make_sample(options.folder, options.nuclei)
    elif options.run:
        {"ours": run_ours, "snapatac2": run_snapatac2}[options.run](options.folder)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = options.keep or Path(scratch)
            build_study(folder) if options.study else compare(folder / "sample", options.nuclei)


def compare(folder: Path, n_nuclei: int) -> None:
    start("make", folder, "--nuclei", str(n_nuclei))
    print(f"{n_nuclei:,} nuclei")
    print(f"{'run':<24}{'seconds':>9}{'CPU':>9}{'peak MB':>9}")
    for run in ("ours", "snapatac2"):
        start(run, folder)


def start(run: str, folder: Path, *more: str) -> None:
    command = [sys.executable, "-W", "ignore", __file__, "--run", run, "--folder", str(folder)]
    subprocess.run([*command, *more], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


def build_study(folder: Path) -> None:
    """The whole way of a user: simulate, build, read what the jobs noted."""
    command = [sys.executable, "-m", "helpers.report.cli"]
    cohort, results = folder / "cohort", folder / "results"
    subprocess.run([*command, "simulate", "paper", "--out", str(cohort)], cwd=ROOT, check=True)
    wanted = [part for chapter in CHAPTERS for part in ("--chapter", chapter)]
    build = [*command, "build", str(cohort / "cohort.yml"), "--results", str(results), *wanted]
    began = time.monotonic()
    subprocess.run(build, cwd=ROOT, check=True)
    wall = time.monotonic() - began
    print(f"{'job':<32}{'seconds':>9}{'peak MB':>9}")
    records = [json.loads(p.read_text()) for p in results.glob("paper/records/*.json")]
    for record in sorted(records, key=lambda record: record["job"]):
        print(f"{record['job']:<32}{record['seconds']:>9.1f}{record['peak_mb']:>9.0f}")
    print(f"{'all jobs, wall':<32}{wall:>9.1f}{max(r['peak_mb'] for r in records):>9.0f}")


def make_sample(folder: Path, n_nuclei: int) -> None:
    """One sample of remission of profile `paper`."""
    from dataclasses import replace

    from helpers.stages.simulate import stage_simulate
    from helpers.synth.design import make_design

    design = make_design("paper")
    sample = replace(design.samples[3], n_nuclei=n_nuclei, n_cells=200)
    design = replace(design, samples=(sample,), n_genes=10_000)
    stage_simulate(design, folder, wanted=set(), record={"benchmark": n_nuclei})


def report(name: str, began: tuple[float, float]) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
    print(f"{name:<24}{wall:>9.1f}{cpu:>9.1f}{peak:>9.0f}", flush=True)


def clock() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def run_ours(folder: Path) -> None:
    """Text to store, store to matrix, as the stages do."""
    import numpy as np

    from helpers.compute.fragments import count_peaks
    from helpers.io.fragments import read_store
    from helpers.stages.atac import find_peaks, store_fragments

    (sample,) = sorted(path.parent for path in folder.glob("*/fragments.tsv.gz"))
    began = clock()
    names = store_fragments(sample / "fragments.tsv.gz", folder / "store.h5")
    peaks = find_peaks(sample / "peaks.bed", folder / "store.h5", fdr=0.05)
    counts = count_peaks(read_store(folder / "store.h5"), peaks, rows=np.arange(len(names)))
    report(f"ours, {counts.sum() / 1e6:.1f} M counts", began)


def run_snapatac2(folder: Path) -> None:
    import snapatac2 as snap

    (sample,) = sorted(path.parent for path in folder.glob("*/fragments.tsv.gz"))
    index = (folder / "genome/genome.fa.fai").read_text().splitlines()
    sizes = {line.split("\t")[0]: int(line.split("\t")[1]) for line in index}
    began = clock()
    fragments = snap.pp.import_fragments(
        sample / "fragments.tsv.gz", chrom_sizes=sizes, min_num_fragments=0, sorted_by_barcode=False
    )
    counts = snap.pp.make_peak_matrix(fragments, peak_file=sample / "peaks.bed")
    report(f"SnapATAC2, {counts.X.sum() / 1e6:.1f} M counts", began)


if __name__ == "__main__":
    main()
