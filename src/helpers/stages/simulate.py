"""Write a simulated cohort: Cell Ranger files, cohort file, sample sheet and the truth."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import DataError
from helpers.io.atomic import write_text
from helpers.io.fragments import write_fragments
from helpers.io.genome import write_annotation, write_fasta, write_regions
from helpers.io.jaspar import read_motifs
from helpers.io.reference import arm_of_genes, read_genes
from helpers.io.tables import dump_json, read_json, write_json, write_table
from helpers.io.tenx import write_h5
from helpers.stages.simulate_tables import write_tables
from helpers.synth.chromatin import (
    MOTIF_IDS,
    Chromatin,
    list_exons,
    list_motifs,
    list_peaks,
    make_chromatin,
    make_sequences,
)
from helpers.synth.design import LINE_PROFILES, Design, SampleDesign
from helpers.synth.nuclei import make_nuclei
from helpers.synth.resistance import line_genes, make_line, make_line_sample, make_line_truth
from helpers.synth.rna import Landscape, choose_genes, make_landscape, make_sample
from helpers.synth.truth import make_truth

RECORD = "simulation.json"
SAMPLES = """\
samples: samples.csv
groups:
  reference: CK
  responder: CR
  non_responder: NCR
contrasts:
  - test: NCR
    reference: CR
"""

LINE_SAMPLES = """\
samples: samples.csv
groups:
  parental: parental
  resistant: resistant
contrasts:
  - test: resistant
    reference: parental
"""
FASTA, ANNOTATION, BLACKLIST = "genome/genome.fa", "genome/genes.gtf.gz", "genome/blacklist.bed"


def stage_simulate(
    design: Design,
    folder: Path,
    *,
    wanted: set[str],
    record: dict[str, object],
    added: set[str] | None = None,
    processes: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Write a whole cohort into ``folder``.

    Parameters
    ----------
    wanted
        Genes the cohort must measure besides those the simulation itself names.
    added
        Genes to measure on top, on which nothing else hangs.
    record
        What was asked for; kept as ``simulation.json``, which is written last and so marks a
        complete cohort.

    Raises
    ------
    DataError
        If the folder holds something that is not a simulated cohort.
    """
    prepare_folder(folder, record)
    if design.samples:
        _write_cells(
            folder, design, wanted=wanted, added=added, processes=processes, progress=progress
        )
    tables = write_tables(folder, design)
    _write_cohort(folder, design, tables)
    write_json(record, folder / RECORD)


def _write_cells(
    folder: Path,
    design: Design,
    *,
    wanted: set[str],
    added: set[str] | None,
    processes: int,
    progress: Callable[[str], None],
) -> None:
    """Samples, sample sheet and what was planted in the cells."""
    line = design.profile in LINE_PROFILES
    markers, wanted = frozenset(wanted), wanted | line_genes() if line else wanted
    genes = choose_genes(read_genes(), design, wanted=wanted, added=added)
    landscape = make_line(genes, design, markers=markers) if line else make_landscape(genes, design)
    arms = arm_of_genes(genes)
    write_one = partial(_write_sample, folder, landscape, design, arms=arms)
    truths = []
    with ProcessPoolExecutor(processes) if processes > 1 else nullcontext() as pool:
        written = pool.map(write_one, design.samples) if pool else map(write_one, design.samples)
        for sample, truth in zip(design.samples, written, strict=True):
            progress(sample.sample)
            truths.append(truth)
    planted = make_line_truth(design) if line else make_truth(landscape, design)
    tables = {"cells": pd.concat(truths, ignore_index=True), **planted}
    if design.n_chromatin_genes:
        tables |= _write_chromatin(
            folder, landscape, design, wanted=wanted, processes=processes, progress=progress
        )
    for name, table in tables.items():
        write_table(table, folder / "truth" / f"{name}.csv")
    _write_sheet(folder, design)


def prepare_folder(folder: Path, record: dict[str, object]) -> None:
    """Refuse to write over anything but an earlier simulation."""
    ours = (folder / RECORD).exists() or (folder / f".{RECORD}").exists()
    if folder.exists() and any(folder.iterdir()) and not ours:
        msg = f"{folder} is not empty and not a simulated cohort; choose another --out"
        raise DataError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    write_text(folder / f".{RECORD}", dump_json(record))


def is_simulated(folder: Path, record: dict[str, object]) -> bool:
    """Whether the folder already holds the very cohort that ``record`` describes."""
    return (folder / RECORD).exists() and read_json(folder / RECORD) == record


def _write_sample(
    folder: Path, landscape: Landscape, design: Design, sample: SampleDesign, *, arms: pd.Series
) -> pd.DataFrame:
    if design.profile in LINE_PROFILES:
        adata = make_line_sample(landscape, design, sample)
    else:
        adata = make_sample(landscape, design, sample, arms=arms)
    write_h5(
        folder / sample.sample / "filtered_feature_bc_matrix.h5",
        adata.X,
        list(adata.obs_names),
        landscape.genes,
        genome="GRCh38",
    )
    truth = adata.obs.reset_index()
    truth.insert(0, "sample", sample.sample)
    truth.insert(1, "group", sample.group)
    return truth


def _write_chromatin(
    folder: Path,
    landscape: Landscape,
    design: Design,
    *,
    wanted: set[str],
    processes: int,
    progress: Callable[[str], None],
) -> dict[str, pd.DataFrame]:
    """Write the genome and every sample's fragments; the truth of peaks, motifs and nuclei."""
    motifs = read_motifs(MOTIF_IDS)
    frequencies = {tf: table for tf, (_, table) in motifs.items()}
    chromatin = make_chromatin(landscape, design, wanted=wanted, motifs=frequencies)
    _write_genome(folder, chromatin, frequencies)
    write_one = partial(_write_nuclei, folder, chromatin, design)
    truths = []
    with ProcessPoolExecutor(processes) if processes > 1 else nullcontext() as pool:
        written = pool.map(write_one, design.samples) if pool else map(write_one, design.samples)
        for sample, truth in zip(design.samples, written, strict=True):
            progress(f"{sample.sample} chromatin")
            truths.append(truth)
    identifiers = {tf: identifier for tf, (identifier, _) in motifs.items()}
    return {
        "nuclei": pd.concat(truths, ignore_index=True),
        "peaks": list_peaks(chromatin),
        "motifs": list_motifs(design, identifiers),
    }


def _write_genome(folder: Path, chromatin: Chromatin, motifs: dict[str, np.ndarray]) -> None:
    write_fasta(make_sequences(chromatin, motifs), folder / FASTA)
    write_annotation(chromatin.genes, list_exons(chromatin.genes), folder / ANNOTATION)
    artefacts = chromatin.peaks[chromatin.peaks["kind"] == "artefact"]
    write_regions(artefacts, folder / BLACKLIST)


def _write_nuclei(
    folder: Path, chromatin: Chromatin, design: Design, sample: SampleDesign
) -> pd.DataFrame:
    made = make_nuclei(chromatin, design, sample)
    place = folder / sample.sample
    write_fragments(
        made.fragments,
        place / "fragments.tsv.gz",
        chroms=list(chromatin.lengths),
        barcodes=list(made.nuclei["barcode"]),
    )
    write_regions(made.peaks, place / "peaks.bed")
    write_table(made.metrics, place / "singlecell.csv")
    truth = made.nuclei.copy()
    truth.insert(0, "sample", sample.sample)
    truth.insert(1, "group", sample.group)
    return truth


def _write_sheet(folder: Path, design: Design) -> None:
    sheet = pd.DataFrame(
        {
            "sample": [s.sample for s in design.samples],
            "donor": [s.sample for s in design.samples],
            "group": [s.group for s in design.samples],
            "rna": [f"{s.sample}/filtered_feature_bc_matrix.h5" for s in design.samples],
        }
    )
    if any(s.time_days is not None for s in design.samples):
        sheet["time_days"] = [s.time_days for s in design.samples]
    if design.n_chromatin_genes:
        sheet["peaks"] = [f"{s.sample}/peaks.bed" for s in design.samples]
        sheet["fragments"] = [f"{s.sample}/fragments.tsv.gz" for s in design.samples]
    write_table(sheet, folder / "samples.csv")


def _groups(design: Design) -> str:
    """The lines of the cohort file that name sheet, groups and contrast."""
    if design.profile in LINE_PROFILES:
        return LINE_SAMPLES
    return SAMPLES if design.samples else ""


def _genome(design: Design) -> str:
    """The lines of the cohort file that name the genome's files."""
    named = f"  fasta: {FASTA}\n  annotation: {ANNOTATION}\n  blacklist: {BLACKLIST}\n"
    return f"genome:\n{named}" if design.n_chromatin_genes else ""


def _write_cohort(folder: Path, design: Design, tables: str) -> None:
    write_text(
        folder / "cohort.yml",
        f"""# A simulated cohort: made by `relapse-book simulate {design.profile}`, no patient in it.
name: "{design.profile}"
title: "{design.title}"
assembly: GRCh38
{_genome(design)}{_groups(design)}{tables}simulated: true
""",
    )
