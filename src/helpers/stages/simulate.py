"""Write a simulated cohort: Cell Ranger files, cohort file, sample sheet and the truth."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd

from helpers.errors import DataError
from helpers.io.atomic import write_text
from helpers.io.reference import arm_of_genes, read_genes
from helpers.io.tables import dump_json, read_json, write_json, write_table
from helpers.io.tenx import write_h5
from helpers.synth.design import COMPOSITION, COPY_NUMBER, SUBCLUSTERS, Design, SampleDesign
from helpers.synth.programmes import (
    CELL_TYPES,
    GROUP_SHIFTS,
    SUBCLUSTER_GENES,
    SUBCLUSTER_PATHWAYS,
    SUBCLUSTER_SHIFTS,
    levels,
    type_levels,
)
from helpers.synth.rna import Landscape, choose_genes, make_landscape, make_sample

RECORD = "simulation.json"


def stage_simulate(
    design: Design,
    folder: Path,
    *,
    wanted: set[str],
    record: dict[str, object],
    processes: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Write a whole cohort into ``folder``.

    Parameters
    ----------
    wanted
        Genes the cohort must measure besides those the simulation itself names.
    record
        What was asked for; kept as ``simulation.json``, which is written last and so marks a
        complete cohort.

    Raises
    ------
    DataError
        If the folder holds something that is not a simulated cohort.
    """
    prepare_folder(folder, record)
    genes = choose_genes(read_genes(), design, wanted=wanted)
    landscape = make_landscape(genes, design)
    arms = arm_of_genes(genes)
    write_one = partial(_write_sample, folder, landscape, design, arms=arms)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            truths = []
            for truth in pool.map(write_one, design.samples):
                progress(str(truth["sample"].iloc[0]))
                truths.append(truth)
    else:
        truths = [write_one(sample) for sample in design.samples]
    _write_truth(folder / "truth", pd.concat(truths, ignore_index=True), genes, design)
    _write_sheet(folder, design)
    write_json(record, folder / RECORD)


def prepare_folder(folder: Path, record: dict[str, object]) -> None:
    """Refuse to write over anything but an earlier simulation."""
    if folder.exists() and any(folder.iterdir()) and not (folder / RECORD).exists():
        partial_run = (folder / "truth").is_dir() or (folder / f".{RECORD}").exists()
        if not partial_run:
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


def _write_truth(folder: Path, cells: pd.DataFrame, genes: pd.DataFrame, design: Design) -> None:
    """Everything that was planted, one table a subject."""
    write_table(cells, folder / "cells.csv")
    composition = (
        COMPOSITION
        if design.group_effects
        else COMPOSITION.assign(CR=COMPOSITION.CK, NCR=COMPOSITION.CK)
    )
    shares = (composition / composition.sum()).rename_axis("cell_type").reset_index()
    write_table(
        shares.melt("cell_type", var_name="group", value_name="fraction"),
        folder / "composition.csv",
    )
    subclusters = [
        (table / table.sum()).rename_axis("subcluster").reset_index().assign(cell_type=parent)
        for parent, table in SUBCLUSTERS.items()
    ]
    write_table(
        pd.concat(subclusters).melt(
            ["cell_type", "subcluster"], var_name="group", value_name="fraction"
        ),
        folder / "subclusters.csv",
    )
    markers = [
        (cell_type, gene, level)
        for cell_type in CELL_TYPES
        for gene, level in type_levels(cell_type).items()
        if gene in set(genes["gene"])
    ]
    write_table(
        pd.DataFrame(markers, columns=["cell_type", "gene", "umis_per_10k"]), folder / "markers.csv"
    )
    write_table(_planted_markers(), folder / "subcluster_markers.csv")
    write_table(_planted_pathways(design), folder / "pathways.csv")
    altered = [
        (sample, cell_type, subcluster, arm, "gain" if change > 0 else "loss")
        for (sample, cell_type, subcluster), arms in COPY_NUMBER.items()
        for arm, change in arms.items()
        if design.group_effects
    ]
    columns = ["sample", "cell_type", "subcluster", "arm", "state"]
    write_table(pd.DataFrame(altered, columns=columns), folder / "copy_number.csv")


def _planted_markers() -> pd.DataFrame:
    """Genes that mark each subcluster: those it turns on and those it turns up."""
    rows = [
        (cell_type, subcluster, gene)
        for table in (SUBCLUSTER_GENES, SUBCLUSTER_SHIFTS)
        for (cell_type, subcluster), programme in table.items()
        for gene in levels(programme)
    ]
    return pd.DataFrame(rows, columns=["cell_type", "subcluster", "gene"]).sort_values(
        ["cell_type", "subcluster"], kind="stable"
    )


def _planted_pathways(design: Design) -> pd.DataFrame:
    """Pathways that differ: subcluster against the rest, or non-remission against remission."""
    rows = [
        (cell_type, subcluster, "", pathway, shift, gene)
        for (cell_type, subcluster, pathway), programme in SUBCLUSTER_PATHWAYS.items()
        for gene, shift in levels(programme).items()
    ]
    rows += [
        (cell_type, "", "NCR vs CR", pathway, shift, gene)
        for (cell_type, pathway), programme in GROUP_SHIFTS.items()
        for gene, shift in levels(programme).items()
        if design.group_effects
    ]
    columns = ["cell_type", "subcluster", "contrast", "pathway", "log2fc", "gene"]
    return pd.DataFrame(rows, columns=columns)


def _write_sheet(folder: Path, design: Design) -> None:
    sheet = pd.DataFrame(
        {
            "sample": [s.sample for s in design.samples],
            "donor": [s.sample for s in design.samples],
            "group": [s.group for s in design.samples],
            "rna": [f"{s.sample}/filtered_feature_bc_matrix.h5" for s in design.samples],
        }
    )
    write_table(sheet, folder / "samples.csv")
    write_text(
        folder / "cohort.yml",
        f"""# A simulated cohort: made by `relapse-book simulate {design.profile}`, no patient in it.
name: "{design.profile}"
title: "{design.title}"
assembly: GRCh38
samples: samples.csv
groups:
  reference: CK
  responder: CR
  non_responder: NCR
contrasts:
  - test: NCR
    reference: CR
simulated: true
""",
    )
