"""Fragments to peak matrix beside SnapATAC2, and all stages of chromatin at the size of the study.

    python benchmarks/chromatin.py [--nuclei 1300] [--study]

Both are given the same simulated sample and its peaks, each in a process of its own that measures
wall and CPU seconds from the fragment file to the matrix, imports left out, and peak memory. With
``--study``, about 60,000 nuclei of nine samples of profile `paper` go through every stage.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDY = 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nuclei", type=int, default=1300)
    parser.add_argument("--study", action="store_true")
    parser.add_argument("--run", choices=["ours", "snapatac2", "stages", "make"])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run == "make":
        make_sample(options.folder, options.nuclei, whole=options.study)
    elif options.run:
        runs = {"ours": run_ours, "snapatac2": run_snapatac2, "stages": run_stages}
        runs[options.run](options.folder)
    else:
        compare(STUDY if options.study else options.nuclei, whole=options.study)


def compare(n_nuclei: int, *, whole: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "cohort"
        more = ["--nuclei", str(n_nuclei), *(["--study"] if whole else [])]
        start("make", folder, *more)
        print(f"{n_nuclei:,} nuclei")
        print(f"{'run':<24}{'seconds':>9}{'CPU':>9}{'peak MB':>9}")
        for run in ("stages",) if whole else ("ours", "snapatac2"):
            start(run, folder)


def start(run: str, folder: Path, *more: str) -> None:
    command = [sys.executable, "-W", "ignore", __file__, "--run", run, "--folder", str(folder)]
    subprocess.run([*command, *more], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


def make_sample(folder: Path, n_nuclei: int, *, whole: bool) -> None:
    """One sample of remission, or nine samples, of profile `paper`."""
    from dataclasses import replace

    from helpers.stages.simulate import stage_simulate
    from helpers.synth.design import make_design

    design = make_design("paper")
    samples = design.samples if whole else (design.samples[3],)
    share = n_nuclei // len(samples)
    samples = tuple(replace(s, n_nuclei=share, n_cells=200) for s in samples)
    design = replace(design, samples=samples, n_genes=10_000)
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


def run_stages(folder: Path) -> None:
    """Every stage of chromatin but the transfer, whose time depends on the RNA."""
    from helpers.params import ChromatinMapParams, SampleAtacParams, load_params, subset
    from helpers.stages.atac import stage_atac_integrate, stage_atac_sample
    from helpers.stages.rna import SampleRow

    values = load_params("fig2_accessibility")
    annotation = folder / "genome/genes.gtf.gz"
    samples = sorted(path.parent for path in folder.glob("*/fragments.tsv.gz"))
    files = [[s / name for name in ("a.csv", "a.h5", "a.peaks.csv")] for s in samples]
    for sample, made in zip(samples, files, strict=True):
        began = clock()
        stage_atac_sample(
            sample / "fragments.tsv.gz",
            *made,
            peaks=sample / "peaks.bed",
            annotation=annotation,
            row=SampleRow(sample.name, sample.name, sample.name.rstrip("123"), ""),
            params=SampleAtacParams.model_validate(subset(values, SampleAtacParams)),
        )
        report(f"atac_sample {sample.name}", began)
    began = clock()
    stage_atac_integrate(
        *(list(part) for part in zip(*files, strict=True)),
        folder / "map.h5ad",
        folder / "counts.h5ad",
        folder / "depth.csv",
        annotation=annotation,
        blacklist=folder / "genome/blacklist.bed",
        params=ChromatinMapParams.model_validate(subset(values, ChromatinMapParams)),
    )
    report("atac_integrate", began)


if __name__ == "__main__":
    main()
