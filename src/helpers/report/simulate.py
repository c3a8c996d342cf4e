"""Make a simulated cohort of a named profile."""

import os
from collections.abc import Callable
from pathlib import Path

from helpers.io.digest import hash_file
from helpers.io.objects import read_markers
from helpers.io.reference import ARMS, GENES
from helpers.params import load_defaults, marker_file
from helpers.report.modules import trace_code
from helpers.stages.simulate import is_simulated, stage_simulate
from helpers.synth.design import make_design


def simulate_cohort(
    profile: str,
    folder: Path,
    *,
    n_cells: int | None,
    seed: int,
    difficulty: str,
    say: Callable[[str], None],
) -> Path:
    """Write the cohort, unless the very same is there already; return its cohort file."""
    design = make_design(profile, n_cells=n_cells, seed=seed, difficulty=difficulty)
    markers = marker_file(str(load_defaults("fig1_composition")["markers"]))
    made_by = trace_code(
        [("helpers.stages.simulate", "stage_simulate"), ("helpers.synth.design", "make_design")]
    )
    record: dict[str, object] = {
        "profile": profile,
        "cells": n_cells,
        "seed": seed,
        "difficulty": difficulty,
        "genes": {path.name: hash_file(path) for path in (GENES, ARMS, markers)},
        "code": made_by.digests,
        "versions": made_by.versions,
    }
    if is_simulated(folder, record):
        say(f"{folder} holds this cohort already")
        return folder / "cohort.yml"
    positive, negative = read_markers(markers)
    wanted = {gene for table in (positive, negative) for genes in table.values() for gene in genes}
    done = 0
    parts = len(design.samples) * (2 if design.n_chromatin_genes else 1)

    def progress(sample: str) -> None:
        nonlocal done
        done += 1
        say(f"[{done}/{parts}] {sample}")

    stage_simulate(
        design,
        folder,
        wanted=wanted,
        record=record,
        processes=min(os.cpu_count() or 1, len(design.samples)),
        progress=progress,
    )
    return folder / "cohort.yml"
