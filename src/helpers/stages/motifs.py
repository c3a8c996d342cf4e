"""Chromatin of a type: motifs in peaks, deviations of nuclei, peaks that differ, tracks."""

from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.accessibility import find_label
from helpers.compute.deviations import bin_peaks, measure_deviations
from helpers.compute.differential_peaks import (
    CELL_TEST,
    SAMPLE_TEST,
    Sides,
    compare_nuclei,
    compare_units,
    name_nearest,
    oppose_groups,
    pair_sides,
    sum_units,
)
from helpers.compute.motif_groups import group_motifs
from helpers.compute.motif_scan import match_motifs, measure_gc
from helpers.compute.tracks import measure_coverage
from helpers.errors import NotPossibleError
from helpers.io.genome import read_annotation
from helpers.io.jaspar import read_jaspar
from helpers.io.objects import read_object, write_object
from helpers.io.region import read_region, read_sequences
from helpers.io.tables import write_table
from helpers.params import MotifScanParams, PeakContrastParams
from helpers.schema import (
    BARCODE,
    CELL_TYPE,
    CONTRAST,
    DONOR,
    GENE,
    GROUP,
    RESEMBLES,
    SAMPLE,
    UNCALLED,
    Contrast,
    Motif,
)
from helpers.stages.task import Task

PLACE = ["chrom", "start", "end"]
CELLS = [SAMPLE, BARCODE, DONOR, GROUP, CELL_TYPE]
# Columns of a table of peaks, also where nothing could be tested.
TESTED = {
    CONTRAST: object,
    "peak": int,
    "unit": object,
    "chrom": object,
    "start": int,
    "end": int,
    GENE: object,
    "distance_bp": float,
    "log2fc": float,
    "pct_test": float,
    "pct_reference": float,
    "pvalue": float,
    "padj": float,
    "test": object,
    "ci_low": float,
    "ci_high": float,
}


def run_motif_scan(task: Task) -> None:
    """The job ``motif_scan``."""
    params = MotifScanParams.model_validate(task.params)
    stage_motif_scan(task.inputs[0], task.data["fasta"], *task.outputs, params=params)


def run_peak_contrasts(task: Task) -> None:
    """The job ``peak_contrasts``, one a chapter."""
    params = PeakContrastParams.model_validate(task.params)
    contrasts = [Contrast.model_validate(c) for c in task.design["contrasts"]]  # type: ignore[attr-defined]
    keys = dict(task.design["samples"])  # type: ignore[call-overload]
    files = {sample: task.data[f"fragments_{key}"] for sample, key in keys.items()}
    stage_peak_contrasts(
        task.inputs[0], task.data["annotation"], files, *task.outputs,
        contrasts=contrasts, params=params,
    )  # fmt: skip


def run_rna_sums(task: Task) -> None:
    """The job ``rna_sums``."""
    stage_rna_sums(task.inputs[0], task.outputs[0])


def stage_motif_scan(
    nuclei: Path, fasta: Path, matched: Path, deviating: Path, *, params: MotifScanParams
) -> None:
    """Find every motif in every peak, and how far its peaks deviate in every nucleus.

    Parameters
    ----------
    nuclei
        Fragments over peaks, nuclei x peaks, with the peaks' places in ``var``.
    matched
        Written: AnnData of peaks x motifs (boolean, sparse); ``obs``: place, ``gc`` (missing where
        ``fasta`` does not have the sequence, and no motif was looked for), ``insertions``; ``var``:
        ``tf``, ``motif_group``, ``width``; the letter counts are in ``varm["counts"]``, position by
        position.
    deviating
        Written: AnnData of nuclei x motifs, z-scores in ``X``, deviations in a layer.
    """
    adata = read_object(nuclei)
    counts = sparse.csr_matrix(adata.X)
    insertions = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    sequences = read_sequences(fasta, adata.var[PLACE])
    scanned = np.array([sequence != "" for sequence in sequences])
    open_peaks = np.flatnonzero(scanned & (insertions > 0))
    motifs = read_jaspar(release=params.jaspar_release, species=params.species)
    matches = match_motifs(sequences, motifs, pvalue=params.match_pvalue)
    gc = np.where(scanned, measure_gc(sequences), np.nan)
    peaks = adata.var[PLACE].assign(gc=gc, insertions=insertions)
    table = ad.AnnData(matches.tocsr(), obs=peaks, var=_describe(motifs))
    table.varm["counts"] = _pad(motifs)
    write_object(table, matched)
    result = measure_deviations(
        counts if len(open_peaks) == counts.shape[1] else counts[:, open_peaks],
        matches[open_peaks],
        bin_peaks(insertions[open_peaks], gc[open_peaks]),
        n_draws=params.background_draws,
        seed=params.seed,
    )
    known = [name for name in (*CELLS, RESEMBLES) if name in adata.obs]
    deviations = ad.AnnData(result.z, obs=adata.obs[known], var=table.var)
    deviations.layers["deviation"] = result.deviation
    write_object(deviations, deviating)


def _describe(motifs: list[Motif]) -> pd.DataFrame:
    names = pd.Index([motif.id for motif in motifs], name="motif_id")
    factors = [motif.tf for motif in motifs]
    widths = [motif.counts.shape[1] for motif in motifs]
    groups = group_motifs(motifs)
    return pd.DataFrame({"tf": factors, "motif_group": groups, "width": widths}, index=names)


def _pad(motifs: list[Motif]) -> np.ndarray:
    """Letter counts as one matrix: four columns a position, zeros behind the last."""
    widest = max(motif.counts.shape[1] for motif in motifs)
    table = np.zeros((len(motifs), 4 * widest), dtype=np.float32)
    for row, motif in zip(table, motifs, strict=True):
        row[: motif.counts.size] = motif.counts.T.ravel()
    return table


@dataclass(frozen=True)
class _Peaks:
    """Fragments over peaks with what the comparisons need of them."""

    counts: sparse.csc_matrix
    depth: np.ndarray
    cells: pd.DataFrame
    places: pd.DataFrame


def stage_peak_contrasts(
    nuclei: Path,
    annotation: Path,
    fragments: dict[str, Path],
    compared: Path,
    coverage: Path,
    drawn: Path,
    *,
    contrasts: list[Contrast],
    params: PeakContrastParams,
) -> None:
    """Compare the peaks of a type with all others, and between groups; cover a gene.

    Parameters
    ----------
    nuclei
        Fragments over peaks, nuclei x peaks.
    fragments
        Sample -> its fragments.
    compared
        Written: CSV, one row a contrast, unit and tested peak; no row where nothing was tested.
    coverage
        Written: CSV, insertions along the stretch around the gene by type and group.
    drawn
        Written: CSV, genes, exons and peaks on the stretch.

    Raises
    ------
    NotPossibleError
        If too few nuclei are of the type.
    """
    adata = read_object(nuclei)
    cells = adata.obs.astype(dict.fromkeys(CELLS, str))
    asked = find_label(cells, params.cell_type)
    params = params.model_copy(update={"cell_type": asked})
    _require_type(cells, params)
    counts = sparse.csc_matrix(adata.X)
    del adata.X
    depth = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    genes, exons = read_annotation(annotation)
    parts = pd.concat([genes.assign(feature="gene"), exons.assign(feature="exon")])
    places = adata.var[PLACE].reset_index(drop=True)
    places = places.join(name_nearest(places, genes))
    data = _Peaks(counts, depth, cells, places)
    tables = [_compare_types(data, params)]
    tables += [_compare_groups(data, contrast, params) for contrast in contrasts]
    write_table(_stack(tables), compared)
    tracks, shown = _cover(data, parts, fragments, params)
    write_table(tracks, coverage)
    write_table(shown, drawn)


def _require_type(cells: pd.DataFrame, params: PeakContrastParams) -> None:
    found = cells[CELL_TYPE].value_counts()
    if found.get(params.cell_type, 0) >= params.min_nuclei:
        return
    listed = ", ".join(f"{name} ({n})" for name, n in found.items())
    msg = (
        f"Peaks of {params.cell_type} need {params.min_nuclei} nuclei, and "
        f"{found.get(params.cell_type, 0)} were called so. Types found: {listed}. Name another "
        "cell_type under overrides of this chapter."
    )
    raise NotPossibleError(msg)


def _compare_types(data: _Peaks, params: PeakContrastParams) -> pd.DataFrame:
    """The type against all nuclei of other types, by nucleus and within samples."""
    mine = (data.cells[CELL_TYPE] == params.cell_type).to_numpy()
    others = ~mine & ~data.cells[CELL_TYPE].isin(UNCALLED).to_numpy()
    name = f"{params.cell_type} vs others"
    if not others.any():
        return _stack([])
    rows = np.flatnonzero(mine | others)
    units = pd.DataFrame({SAMPLE: data.cells[SAMPLE].to_numpy()[rows], "test": mine[rows]})
    sums, units = sum_units(data.counts[rows], units, min_nuclei=params.min_nuclei)
    by_sample = compare_units(sums, pair_sides(units), confidence=params.confidence)
    return _join(data, Sides(mine, others), by_sample, name, params)


def _compare_groups(data: _Peaks, contrast: Contrast, params: PeakContrastParams) -> pd.DataFrame:
    """Two groups inside the type, by nucleus and by sample."""
    mine = (data.cells[CELL_TYPE] == params.cell_type).to_numpy()
    group = data.cells[GROUP].to_numpy()
    sides = Sides(mine & (group == contrast.test), mine & (group == contrast.reference))
    if min(sides.test.sum(), sides.reference.sum()) < params.min_nuclei:
        return _stack([])
    rows = np.flatnonzero(mine)
    units = data.cells[[SAMPLE, GROUP, DONOR]].iloc[rows].reset_index(drop=True)
    sums, units = sum_units(data.counts[rows], units, min_nuclei=params.min_nuclei)
    comparison = oppose_groups(units, contrast)
    by_sample = compare_units(sums, comparison, confidence=params.confidence)
    return _join(data, sides, by_sample, contrast.name, params)


def _join(
    data: _Peaks, sides: Sides, by_sample: pd.DataFrame, name: str, params: PeakContrastParams
) -> pd.DataFrame:
    """Both tests below each other, with the place of every peak."""
    by_cell = compare_nuclei(data.counts, data.depth, sides, min_share=params.min_share)
    tables = [
        table.assign(unit=unit, test=test)
        for unit, test, table in (("cell", CELL_TEST, by_cell), (SAMPLE, SAMPLE_TEST, by_sample))
    ]
    placed = [
        data.places.join(table, how="inner").assign(**{CONTRAST: name, "peak": table.index})
        for table in tables
    ]
    return _stack(placed).sort_values(["unit", "pvalue"], kind="stable", ignore_index=True)


def _stack(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of peaks below each other; those without rows, which have other columns, do not count."""
    found = [table for table in tables if len(table)]
    if not found:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in TESTED.items()})
    return pd.concat(found, ignore_index=True).reindex(columns=list(TESTED))


def _cover(
    data: _Peaks, parts: pd.DataFrame, fragments: dict[str, Path], params: PeakContrastParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coverage around the gene, and what lies there; no rows where the gene is not known."""
    gene = parts[(parts[GENE] == params.track_gene) & (parts["feature"] == "gene")]
    if gene.empty:
        shown = pd.DataFrame(columns=[*PLACE, "strand", GENE, "feature"])
        return pd.DataFrame(columns=[CELL_TYPE, GROUP, "start", "coverage"]), shown
    chrom = gene["chrom"].iloc[0]
    start = max(0, int(gene["start"].min()) - params.track_flank_bp)
    end = int(gene["end"].max()) + params.track_flank_bp
    tables = []
    for sample, path in fragments.items():
        table = read_region(path, chrom, start, end)
        tables.append(table.assign(nucleus=sample + ":" + table["barcode"].astype(str)))
    nuclei = data.cells[[CELL_TYPE, GROUP]].assign(depth=data.depth)
    tracks = measure_coverage(pd.concat(tables, ignore_index=True), nuclei, start=start, end=end)
    features = pd.concat([parts, data.places[PLACE].assign(strand=".", gene="", feature="peak")])
    here = (features["chrom"] == chrom) & (features["end"] > start) & (features["start"] < end)
    return tracks, features[here]


def stage_rna_sums(annotated: Path, result: Path) -> None:
    """Add up the RNA of every sample and type.

    Parameters
    ----------
    annotated
        Counts of cells with sample, group and type.
    result
        Written: AnnData of units (sample, group and type) x genes: summed counts in ``X``, cells
        that show the gene in the layer ``n_expressing``.
    """
    adata = read_object(annotated)
    cells = adata.obs[[SAMPLE, GROUP, DONOR, CELL_TYPE]].astype(str).reset_index(drop=True)
    counts = sparse.csr_matrix(adata.X)
    sums, units = sum_units(counts, cells, min_nuclei=1)
    shown, _ = sum_units(counts.sign(), cells, min_nuclei=1)
    units = units.rename(columns={"n_nuclei": "n_cells"})
    units.index = units.index.astype(str)
    table = ad.AnnData(sums.astype(np.float64), obs=units, var=adata.var[[]])
    table.layers["n_expressing"] = shown.astype(np.int32)
    write_object(table, result)
