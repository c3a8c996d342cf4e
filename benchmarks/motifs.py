"""Motif scanning and what follows it, at the size of the study.

    python benchmarks/motifs.py [--peaks 100000] [--nuclei 60000] [--run scan|deviations|peaks]

Random peaks of 501 bp and all human motifs of JASPAR CORE; lightmotif scans a part of the same
peaks with the same matrices and thresholds, its time is scaled to all. Then random insertions, as
many a nucleus as the study has, with the matches found: deviations of all nuclei, and the
likelihood-ratio test of all peaks for a fifth of the nuclei against the others. Each run has a
process of its own that measures its wall seconds and peak memory.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH, PART = 501, 2000
INSERTIONS = 3500  # of a nucleus in peaks: two ends of half of 5,071 fragments, some in one place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peaks", type=int, default=100_000)
    parser.add_argument("--nuclei", type=int, default=60_000)
    parser.add_argument("--run", choices=["scan", "lightmotif", "deviations", "peaks"])
    parser.add_argument("--only", choices=["scan", "lightmotif", "deviations", "peaks"])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        began = time.perf_counter()
        note = globals()[f"run_{options.run}"](options)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        record = {"seconds": time.perf_counter() - began, "mb": peak, "note": note}
        (options.folder / "record.json").write_text(json.dumps(record))
        return
    print(
        f"{options.peaks:,} peaks of {WIDTH} bp, {options.nuclei:,} nuclei, {os.cpu_count()} cores"
    )
    print(f"{'run':<12}{'seconds':>9}{'peak MB':>9}  note")
    runs = [options.only] if options.only else ["scan", "lightmotif", "deviations", "peaks"]
    with tempfile.TemporaryDirectory() as scratch:
        for run in runs:
            sizes = ["--peaks", str(options.peaks), "--nuclei", str(options.nuclei)]
            command = [sys.executable, __file__, "--run", run, "--folder", scratch, *sizes]
            subprocess.run(command, cwd=ROOT, check=True)
            record = json.loads((Path(scratch) / "record.json").read_text())
            print(f"{run:<12}{record['seconds']:>9.1f}{record['mb']:>9.0f}  {record['note']}")


def draw_sequences(n: int) -> list[str]:
    import numpy as np

    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[rng.integers(0, 4, (n, WIDTH))]
    return [row.tobytes().decode() for row in letters]


def run_scan(options: argparse.Namespace) -> str:
    from scipy import sparse

    from helpers.compute.motif_scan import match_motifs
    from helpers.io.jaspar import read_jaspar

    motifs = read_jaspar()
    sequences = draw_sequences(options.peaks)
    began = time.perf_counter()
    matches = match_motifs(sequences, motifs)
    seconds = time.perf_counter() - began
    sparse.save_npz(options.folder / "matches.npz", matches, compressed=False)
    return f"{len(motifs)} motifs, {matches.nnz:,} matches; scanning alone {seconds:.0f} s"


def run_lightmotif(options: argparse.Namespace) -> str:
    import lightmotif

    from helpers.compute.motif_scan import find_threshold, weigh_letters
    from helpers.io.jaspar import read_jaspar

    tables = []
    for motif in read_jaspar():
        weights = weigh_letters(motif.counts)
        columns = dict(zip("ACGT", weights.tolist(), strict=True))
        matrix = lightmotif.ScoringMatrix(columns | {"N": [-1e3] * weights.shape[1]})
        tables.append((matrix, find_threshold(weights, pvalue=5e-5)))
    sequence = "N".join(draw_sequences(PART))
    began = time.perf_counter()
    striped = lightmotif.stripe(sequence)
    n = 0
    for matrix, threshold in tables:
        for strand in (matrix, matrix.reverse_complement()):
            n += sum(1 for _ in lightmotif.scan(strand, striped, threshold=threshold))
    seconds = (time.perf_counter() - began) * options.peaks / PART
    return f"one thread, {PART:,} peaks, {n:,} places: {seconds:.0f} s for all peaks"


def draw_counts(options: argparse.Namespace):
    import numpy as np
    from scipy import sparse

    rng = np.random.default_rng(1)
    weight = np.cumsum(rng.lognormal(0, 1, options.peaks))
    parts = []
    for first in range(0, options.nuclei, 2000):
        n = min(2000, options.nuclei - first)
        depth = rng.poisson(INSERTIONS * rng.lognormal(0, 0.2, n))
        row = np.repeat(np.arange(n, dtype=np.int32), depth)
        drawn = np.searchsorted(weight, rng.random(len(row)) * weight[-1])
        ones = np.ones(len(row), dtype=np.int32)
        parts.append(sparse.csr_matrix((ones, (row, drawn)), (n, options.peaks)))
    return sparse.vstack(parts, format="csr")


def run_deviations(options: argparse.Namespace) -> str:
    import numpy as np
    from scipy import sparse

    from helpers.compute.deviations import bin_peaks, measure_deviations

    counts = draw_counts(options)
    matches = sparse.load_npz(options.folder / "matches.npz")
    total = np.asarray(counts.sum(axis=0), dtype=float).ravel()
    gc = np.random.default_rng(2).normal(0.45, 0.08, len(total))
    began = time.perf_counter()
    bins = bin_peaks(total, gc)
    measure_deviations(counts, matches, bins, n_draws=0, seed=0)
    return f"deviations alone {time.perf_counter() - began:.0f} s, {counts.nnz:,} counts"


def run_peaks(options: argparse.Namespace) -> str:
    import numpy as np
    from scipy import sparse

    from helpers.compute.differential_peaks import Sides, compare_nuclei

    counts = sparse.csc_matrix(draw_counts(options))
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    mine = np.arange(len(depth)) % 5 == 0
    began = time.perf_counter()
    found = compare_nuclei(counts, depth, Sides(mine, ~mine), min_share=0.05)
    seconds = time.perf_counter() - began
    return f"test alone {seconds:.0f} s, {len(found):,} peaks tested"


if __name__ == "__main__":
    main()
