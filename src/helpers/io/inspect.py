"""A quick look into count matrices: what they hold and what is wrong, without reading them whole."""

import gzip
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from helpers.errors import DataError
from helpers.io.reference import symbol_of_id
from helpers.io.tenx import (
    GENE_EXPRESSION,
    Features,
    counts_element,
    folder_files,
    gene_names,
    is_count,
    matrix_group,
    outside_references,
    read_feature_list,
    read_features,
)
from helpers.schema import ASSEMBLIES

LOOK = 20_000  # values looked at from each end of a matrix
MIN_CELLS = 50  # fewer barcodes than this are no sample
SECONDS_PER_GZIP = 1.5  # how long to read in a compressed file before believing it


@dataclass(frozen=True)
class Finding:
    """Something wrong with one file."""

    what: str
    expected: str
    remedy: str
    severity: Literal["error", "warning"] = "error"


class _StopError(Exception):
    """Nothing more can be said of the file than this."""

    def __init__(self, what: str, expected: str, remedy: str) -> None:
        super().__init__(what)
        self.finding = Finding(what, expected, remedy)


@dataclass(frozen=True)
class _Facts:
    """What a look into a matrix showed."""

    n_barcodes: int
    repeated_barcode: str | None
    features: Features
    values: np.ndarray
    """Some of the non-zero values."""


def inspect_rna(path: Path, *, assembly: str) -> list[Finding]:
    """What is wrong with a count matrix, looking at its lists and a part of its values.

    Parameters
    ----------
    path
        As :func:`helpers.io.tenx.read_rna` takes it.
    assembly
        ``GRCh38`` or ``GRCh37``, as the cohort file says.
    """
    try:
        if path.is_dir():
            facts = _look_into_folder(path)
        elif path.suffix == ".h5ad":
            facts = _look_into_h5ad(path)
        elif path.suffix in (".h5", ".hdf5"):
            facts = _look_into_h5(path)
        else:
            what = f"{path.name} is neither .h5, .h5ad nor a folder"
            raise _StopError(
                what, "Cell Ranger .h5, matrix.mtx.gz folder or .h5ad", "name such a file"
            )
    except _StopError as stop:
        return [stop.finding]
    except DataError as error:
        return [Finding(str(error), "raw counts of one sample", "export the file again")]
    except (OSError, KeyError, ValueError, RuntimeError, EOFError, zlib.error) as error:
        return [_unreadable(path, error)]
    return [*_judge(facts, assembly)]


def _unreadable(path: Path, error: Exception) -> Finding:
    text = " ".join(str(error).split())
    truncated = isinstance(error, EOFError) or "truncated" in text or "end-of-stream" in text
    what = f"{path.name} is {'cut short' if truncated else 'damaged or not what it claims'} ({text[:120]})"
    return Finding(what, "a complete file", "copy or export it again and compare checksums")


def _look_into_h5(path: Path) -> _Facts:
    with h5py.File(path, "r") as file:
        group = matrix_group(file, path)
        features = read_features(group)
        barcodes = group["barcodes"][:]
        n_genes, n_barcodes = (int(n) for n in group["shape"][:])
        stored = group["data"].shape[0]
        starts = group["indptr"][:]
        values = np.concatenate([group["data"][:LOOK], group["data"][-LOOK:]])
        group["indices"][-LOOK:]
        lists = (len(features.ids), len(barcodes), len(starts) - 1, int(starts[-1]))
        if lists != (n_genes, n_barcodes, n_barcodes, stored):
            what = (
                f"{path.name}: shape says {n_genes} genes x {n_barcodes} barcodes and {stored} values "
                f"are stored, but the lists hold {lists[0]}, {lists[1]} and {lists[3]}"
            )
            raise _StopError(what, "lists that agree with the shape", "export the file again")
    return _Facts(n_barcodes, _repeated([*barcodes]), features, values)


def _repeated(barcodes: list[object]) -> str | None:
    if len(set(barcodes)) == len(barcodes):
        return None
    name = Counter(barcodes).most_common(1)[0][0]
    return name.decode() if isinstance(name, bytes) else str(name)


def _look_into_h5ad(path: Path) -> _Facts:
    import anndata as ad

    with h5py.File(path, "r") as file:
        outside = outside_references(file)
        if outside:
            what = f"{path.name} does not stand alone: {', '.join(outside)}"
            raise _StopError(
                what, "a file without links and pickled objects", "write it again with anndata"
            )
        if not {"X", "obs", "var"} <= set(file):
            what = f"{path.name} lacks {', '.join(sorted({'X', 'obs', 'var'} - set(file)))}"
            raise _StopError(what, "X, obs and var", "write it with anndata")
        element = counts_element(file)
        if element is None:
            what = f"{path.name}: X, layers/counts and raw/X hold fractions or negative numbers"
            raise _StopError(what, "raw counts", "keep the counts in layers['counts']")
        obs = ad.io.read_elem(file["obs"])
        var = ad.io.read_elem(file["raw/var" if element == "raw/X" else "var"])
        matrix = file[element]
        values = matrix["data"][:LOOK] if isinstance(matrix, h5py.Group) else matrix[:100]
    names = gene_names(var)
    kinds = np.full(len(names), GENE_EXPRESSION, dtype=object)
    features = Features(var.index.astype(str).to_numpy(dtype=object), names, kinds, "")
    return _Facts(len(obs), _repeated(list(obs.index)), features, np.asarray(values).ravel())


def _look_into_folder(path: Path) -> _Facts:
    files = folder_files(path)
    missing = [name for name in ("matrix", "barcodes", "features") if name not in files]
    if missing:
        what = f"{path.name} has no {' and no '.join(missing)} file"
        raise _StopError(
            what, "matrix.mtx.gz, barcodes.tsv.gz, features.tsv.gz", "copy the whole folder"
        )
    features = read_feature_list(files["features"])
    opened = gzip.open if files["barcodes"].suffix == ".gz" else open
    with opened(files["barcodes"], "rt", encoding="utf-8") as text:
        barcodes: list[object] = [line.strip() for line in text if line.strip()]
    (n_genes, n_barcodes), values = _look_into_mtx(files["matrix"])
    if (n_genes, n_barcodes) != (len(features.ids), len(barcodes)):
        what = (
            f"{files['matrix'].name} has {n_genes} x {n_barcodes}, the lists beside it name "
            f"{len(features.ids)} features and {len(barcodes)} barcodes"
        )
        raise _StopError(what, "three files of one run", "copy the folder again")
    return _Facts(n_barcodes, _repeated(barcodes), features, values)


def _look_into_mtx(path: Path) -> tuple[tuple[int, int], np.ndarray]:
    """Shape and first values of a MatrixMarket file, read on to its end if that is quick."""
    opened = gzip.open if path.suffix == ".gz" else open
    until = time.monotonic() + SECONDS_PER_GZIP
    values: list[float] = []
    with opened(path, "rt", encoding="utf-8") as text:
        if not text.readline().startswith("%%MatrixMarket matrix coordinate"):
            what = f"{path.name} does not begin with %%MatrixMarket matrix coordinate"
            raise _StopError(what, "Cell Ranger's matrix.mtx.gz", "copy the file again")
        line = text.readline()
        while line.startswith("%"):
            line = text.readline()
        n_rows, n_columns, n_values = (int(part) for part in line.split())
        n_lines = 0
        for entry in text:
            n_lines += 1
            if n_lines <= LOOK:
                values.append(float(entry.split()[2]))
            elif n_lines % LOOK == 0 and time.monotonic() > until:
                return (n_rows, n_columns), np.array(values)
    if n_lines != n_values:
        what = f"{path.name} announces {n_values} values and holds {n_lines}"
        raise _StopError(what, "as many lines as announced", "copy the file again")
    return (n_rows, n_columns), np.array(values)


def _judge(facts: _Facts, assembly: str) -> Iterator[Finding]:
    if facts.n_barcodes < MIN_CELLS:
        what = f"{facts.n_barcodes} cells"
        yield Finding(
            what, f"at least {MIN_CELLS}", "leave this sample out, or pass the filtered matrix"
        )
    if facts.repeated_barcode is not None:
        what = f"barcode {facts.repeated_barcode!r} stands twice"
        yield Finding(what, "each barcode once", "export one matrix a sample")
    if not is_count(facts.values):
        shown = facts.values[facts.values != np.floor(facts.values)]
        example = f"{shown[0]:.4g}" if len(shown) else f"{facts.values.min():.4g}"
        what = f"holds {example}: normalised, not raw, counts"
        yield Finding(what, "whole numbers of UMIs", "pass the matrix Cell Ranger wrote")
    genes = facts.features.kinds == GENE_EXPRESSION
    if not genes.any():
        kinds = ", ".join(sorted(set(map(str, facts.features.kinds))))
        yield Finding(
            f"no gene expression (feature types: {kinds})", GENE_EXPRESSION, "pass the RNA matrix"
        )
        return
    yield from _judge_genes(facts.features.names[genes], facts.features.ids[genes])
    yield from _judge_genome(facts.features.genome, assembly)


def _judge_genes(names: np.ndarray, ids: np.ndarray) -> Iterator[Finding]:
    text = [str(name) for name in names]
    human = sum(name.startswith("ENSG") for name in text) / len(text)
    mouse = sum(
        name.startswith("ENSMUSG") or (name[:1].isupper() and name[1:].islower()) for name in text
    )
    mouse_ids = sum(str(i).startswith("ENSMUSG") for i in ids)
    if max(mouse, mouse_ids) / len(text) > 0.3:
        example = next(n for n in text if n.startswith("ENSMUSG") or n[1:].islower())
        what = f"genes are those of a mouse, such as {example}"
        yield Finding(what, "human genes", "align to a human genome, or leave the sample out")
    elif human > 0.5:
        known = symbol_of_id()
        share = sum(name.split(".")[0] in known for name in text) / len(text)
        if share < 0.5:
            what = f"genes are Ensembl ids of which {share:.0%} are known"
            yield Finding(what, "gene symbols", "add symbols, in the column gene_symbols of var")
        else:
            what = "genes are named by Ensembl id"
            remedy = f"nothing: ids are translated ({share:.0%} known)"
            yield Finding(what, "gene symbols", remedy, "warning")


def _judge_genome(genome: str, assembly: str) -> Iterator[Finding]:
    """The genome a matrix says it was aligned to against the cohort's."""
    found = {canonical for name, canonical in ASSEMBLIES.items() if name in genome}
    foreign = [
        name for name in ("mm10", "mm39", "GRCm38", "GRCm39", "GRCz", "rn6") if name in genome
    ]
    if foreign:
        what = f"was aligned to {genome}"
        yield Finding(what, f"human, {assembly}", "leave the sample out")
    elif found and assembly not in found:
        what = f"was aligned to {genome}"
        yield Finding(
            what, assembly, f"set assembly: {found.pop()}, or align all samples to one genome"
        )
