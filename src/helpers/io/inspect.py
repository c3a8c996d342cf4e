"""A quick look into input files: what they hold and what is wrong, without reading them whole."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import h5py
import numpy as np

from helpers.errors import DataError, FileError
from helpers.io.counts import (
    NO_SYMBOL,
    Features,
    is_count,
    no_genes,
    not_a_count,
    repeated_name,
    symbols_for,
)
from helpers.io.genome import read_annotation, read_regions
from helpers.io.reference import read_genes
from helpers.io.tenx import (
    BANNER,
    DAMAGE,
    H5_SUFFIXES,
    damaged,
    find_files,
    open_bytes,
    open_file,
    read_feature_list,
    read_lines,
    require_lists,
)
from helpers.schema import ASSEMBLIES

LOOK = 20_000  # values looked at from each end of a matrix
BLOCK = 1 << 20
MIN_CELLS = 50  # fewer barcodes than this are no sample
MAX_CELLS = 200_000  # more are all droplets of a run, not its cells
KNOWN_SHARE = 0.2  # of genes with a human symbol; 83 % and more in data aligned to GRCh37
# Genomes a matrix may name that are not of this project, with what they are.
FOREIGN = re.compile(
    r"mm\d+|GRCm\d+|rn\d+|mRatBN|GRCz\d+|danRer\d+|\bmouse\b|\brat\b", re.IGNORECASE
)
OTHER_HUMAN = re.compile(r"T2T|CHM13|hs1\b|hg18|NCBI36", re.IGNORECASE)
OTHER_SPECIES = re.compile(r"ENS(?!G\d)[A-Z]+G\d{11}")
GZIP, BGZF = b"\x1f\x8b", b"BC"
# A bgzipped file ends with this empty block (SAM specification, section 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@dataclass(frozen=True)
class Finding:
    """Something wrong with one file."""

    what: str
    expected: str
    remedy: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class _Facts:
    """What a look into a matrix showed."""

    path: Path
    barcodes: np.ndarray
    features: Features
    values: np.ndarray
    """Some of the non-zero values."""


def inspect_rna(path: Path, *, assembly: str | None, seconds: float = 3.0) -> list[Finding]:
    """What is wrong with a count matrix, looking at its lists and a part of its values.

    Parameters
    ----------
    path
        As :func:`helpers.io.tenx.read_rna` takes it.
    assembly
        ``GRCh38`` or ``GRCh37``, as the cohort file says; None if it says neither.
    seconds
        How long to read on in a ``matrix.mtx.gz``, which shows only at its end whether it is whole.
    """
    try:
        return [*_judge(_look(path, seconds), assembly)]
    except FileError as error:
        return [_finding(error)]
    except DAMAGE as error:
        return [_finding(damaged(path, error))]


def _finding(error: FileError) -> Finding:
    return Finding(f"{error.path.name} {error.what}", error.expected, error.remedy)


def _look(path: Path, seconds: float) -> _Facts:
    if path.is_dir():
        return _look_into_folder(path, seconds)
    if path.suffix.lower() not in (*H5_SUFFIXES, ".h5ad"):
        is_part = ".mtx" in path.suffixes or ".tsv" in path.suffixes
        raise FileError(
            path,
            "is neither .h5, .h5ad nor a folder",
            expected="Cell Ranger .h5, matrix.mtx.gz folder or .h5ad",
            remedy="name the folder it lies in" if is_part else "name such a file",
        )
    with h5py.File(path, "r") as file:
        matrix, barcodes, features = open_file(file)
        return _Facts(path, barcodes, features, matrix.look(LOOK))


def _look_into_folder(path: Path, seconds: float) -> _Facts:
    files = find_files(path)
    features, barcodes = read_feature_list(files["features"]), read_lines(files["barcodes"])
    with open_bytes(files["matrix"]) as stream:
        shape, values = _look_into_matrix(stream, files["matrix"], seconds)
    require_lists(files["matrix"], shape, features, barcodes)
    return _Facts(path, np.array(barcodes, dtype=object), features, values)


def _look_into_matrix(
    stream: BinaryIO, path: Path, seconds: float
) -> tuple[tuple[int, int], np.ndarray]:
    """Shape and first values of a MatrixMarket file, read on to its end if that is quick."""
    n_rows, n_columns, n_values = _read_head(stream, path)
    first = [line.split() for _, line in zip(range(LOOK), stream, strict=False)]
    wrong = next((entry for entry in first if len(entry) != 3), None)
    if wrong is not None:
        raise _bad_matrix(path, f"has a line of {len(wrong)} numbers", "row, column, value a line")
    entries = np.array(first, dtype=float).reshape(-1, 3)
    if np.any((entries[:, :2] < 1) | (entries[:, :2] > [n_rows, n_columns])):
        raise _bad_matrix(path, "names a row or column beyond its shape", f"{n_rows} x {n_columns}")
    n_more = _count_lines(stream, seconds)
    if n_more is not None and len(first) + n_more != n_values:
        what = f"announces {n_values} values and holds {len(first) + n_more}"
        raise _bad_matrix(path, what, "as many lines as announced")
    return (n_rows, n_columns), entries[:, 2]


def _bad_matrix(path: Path, what: str, expected: str) -> FileError:
    return FileError(path, what, expected=expected, remedy="copy the file again")


def _read_head(stream: BinaryIO, path: Path) -> tuple[int, int, int]:
    """Rows, columns and values a MatrixMarket file announces."""
    if not stream.readline(200).startswith(BANNER.encode()):
        raise _bad_matrix(path, f"does not begin with {BANNER}", "Cell Ranger's matrix.mtx.gz")
    line = stream.readline()
    while line.startswith(b"%"):
        line = stream.readline()
    numbers = line.split()
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        raise _bad_matrix(path, "does not say its shape", "rows, columns and values")
    n_rows, n_columns, n_values = (int(number) for number in numbers)
    return n_rows, n_columns, n_values


def _count_lines(stream: BinaryIO, seconds: float) -> int | None:
    """Lines to the end of a stream, or None if that takes longer."""
    until = time.monotonic() + seconds
    n_lines, last = 0, b"\n"
    while block := stream.read(BLOCK):
        n_lines += block.count(b"\n")
        last = block[-1:]
        if time.monotonic() > until:
            return None
    return n_lines + (last != b"\n")


def _judge(facts: _Facts, assembly: str | None) -> Iterator[Finding]:
    genes = facts.features.of_genes()
    if len(genes) == 0:
        yield _finding(no_genes(facts.path, facts.features))
        return
    yield from _judge_cells(facts)
    names, ids = facts.features.names[genes], facts.features.ids[genes]
    yield from _judge_genes(names, ids)
    yield from _judge_genome(facts.features.genome, assembly)


def _judge_cells(facts: _Facts) -> Iterator[Finding]:
    n_barcodes = len(facts.barcodes)
    if n_barcodes < MIN_CELLS:
        remedy = "leave this sample out, or pass the filtered matrix"
        yield Finding(f"{n_barcodes} cells", f"at least {MIN_CELLS}", remedy)
    if n_barcodes > MAX_CELLS:
        what = f"{n_barcodes:,} barcodes: all droplets, it seems, not cells"
        remedy = "pass filtered_feature_bc_matrix, not raw_"
        yield Finding(what, f"at most {MAX_CELLS:,}", remedy, "warning")
    repeated = repeated_name(facts.barcodes)
    if repeated is not None:
        what = f"barcode {repeated!r} stands twice"
        yield Finding(what, "each barcode once", "export one matrix a sample")
    if not is_count(facts.values):
        what = f"holds {not_a_count(facts.values)}: normalised, not raw, counts"
        yield Finding(what, "whole numbers of UMIs", "pass the matrix Cell Ranger wrote")
    elif not facts.values.any():
        yield Finding("holds no count above 0", "counts", "export the file again")


def _judge_genes(names: np.ndarray, ids: np.ndarray) -> Iterator[Finding]:
    """Whether genes are human, and named so that their symbols are known."""
    foreign = [str(name) for name in (*names, *ids) if OTHER_SPECIES.search(str(name))]
    capitalised = [n for n in map(str, names) if n[:1].isupper() and n[1:].islower()]
    foreign = foreign if len(foreign) > 0.3 * len(names) else capitalised
    symbols = set(read_genes()["gene"])
    known = sum(symbol in symbols for symbol in symbols_for(names, ids)) / len(names)
    by_id = sum(bool(NO_SYMBOL.match(str(name))) for name in names) / len(names)
    if len(foreign) > 0.3 * len(names):
        what = f"genes are not human but those of a mouse or another species, such as {foreign[0]}"
        yield Finding(what, "human genes", "align to a human genome, or leave the sample out")
    elif known < KNOWN_SHARE:
        what = f"{known:.0%} of the genes are known by symbol or Ensembl id (the first: {names[0]})"
        yield Finding(what, "human gene symbols", "name the genes by symbol")
    elif by_id > 0.5:
        remedy = f"nothing: ids are translated ({known:.0%} known)"
        yield Finding("genes are named by Ensembl id", "gene symbols", remedy, "warning")


def _judge_genome(genome: str, assembly: str | None) -> Iterator[Finding]:
    """The genome a matrix says it was aligned to against the cohort's."""
    found = {known for name, known in ASSEMBLIES.items() if name.casefold() in genome.casefold()}
    what = f"was aligned to {genome}"
    if FOREIGN.search(genome):
        yield Finding(what, f"a human genome{f', {assembly}' * bool(assembly)}", "leave it out")
    elif assembly and (OTHER_HUMAN.search(genome) or (found and assembly not in found)):
        change = f"set assembly: {min(found)}, or " if found else ""
        yield Finding(what, assembly, f"{change}align all samples to one genome")


def inspect_fragments(path: Path, *, lengths: Mapping[str, int] | None = None) -> list[Finding]:
    """What is wrong with a ``fragments.tsv.gz``: bgzipped, whole, in order, indexed, its genome.

    Parameters
    ----------
    lengths
        Chromosome -> bp of the genome the cohort names; None leaves the genome unjudged.
    """
    try:
        found = inspect_gzip(path) or [*_judge_fragments(path)]
        if not found and lengths:
            found = [*_judge_chromosomes(path, lengths)]
    except DAMAGE as error:
        return [_finding(damaged(path, error))]
    return found


def _judge_fragments(path: Path) -> Iterator[Finding]:
    with path.open("rb") as stream:
        if stream.read(14)[12:] != BGZF:
            what, remedy = f"{path.name} is not bgzipped", "gunzip it and pack it with bgzip"
            yield Finding(what, "a bgzipped file, as Cell Ranger writes it", remedy)
    with open_bytes(path) as stream:
        lines = (line.rstrip(b"\r\n") for line in stream if not line.startswith(b"#"))
        first = [line.split(b"\t") for _, line in zip(range(LOOK), lines, strict=False)]
    wrong = next((cells for cells in first or [[b""]] if not _is_fragment(cells)), None)
    if wrong is not None:
        shown = b"\t".join(wrong)[:60].decode(errors="replace")
        begins = "begins with" if not first or wrong is first[0] else "holds"
        expected = "chrom, start, end, barcode, count, separated by tabs"
        yield Finding(
            f"{path.name} {begins} {shown!r}", expected, "pass Cell Ranger's fragments.tsv.gz"
        )
    elif not _in_order(first):
        what = f"{path.name} is not sorted by place"
        remedy = "sort -k1,1 -k2,2n it, then bgzip and tabix -p bed"
        yield Finding(what, "fragments in order of chromosome and start", remedy)
    if not any(path.with_name(path.name + suffix).is_file() for suffix in (".tbi", ".csi")):
        remedy = f"copy it, or make it: tabix -p bed {path.name}"
        yield Finding(f"{path.name} has no index", f"{path.name}.tbi beside it", remedy)


def _is_fragment(cells: list[bytes]) -> bool:
    return len(cells) >= 4 and cells[1].isdigit() and cells[2].isdigit()


def _in_order(fragments: list[list[bytes]]) -> bool:
    """Whether starts do not fall within a chromosome, and none comes back."""
    finished: set[bytes] = set()
    chrom, last = b"", -1
    for cells in fragments:
        if cells[0] != chrom:
            finished.add(chrom)
            chrom, last = cells[0], -1
        if chrom in finished or int(cells[1]) < last:
            return False
        last = int(cells[1])
    return True


def _judge_chromosomes(path: Path, lengths: Mapping[str, int]) -> Iterator[Finding]:
    """Names of the chromosomes, and fragments beyond their ends, by the index."""
    import pysam

    with pysam.TabixFile(str(path)) as file:
        names = list(file.contigs)
        known = [name for name in names if name in lengths]
        if names and not known:
            remedy = "align it to the cohort's genome, or correct genome and assembly"
            again = ", then bgzip and tabix -p bed again"
            yield _strange_names(path, names[0], lengths, remedy=remedy, again=again)
            return
        for name in known:
            beyond = next(file.fetch(name, lengths[name], 1 << 29), None)
            if beyond is not None:
                place = name, int(beyond.split("\t")[2])
                remedy = "set assembly to the genome it was aligned to, or align it again"
                yield _beyond_end(path, place, lengths, kind="fragment", remedy=remedy)
                return


def _beyond_end(
    path: Path, place: tuple[str, int], lengths: Mapping[str, int], *, kind: str, remedy: str
) -> Finding:
    name, end = place
    what = (
        f"{path.name} has a {kind} at {name}:{end:,}, beyond the chromosome's end "
        f"({lengths[name]:,})"
    )
    return Finding(what, f"{kind}s on the cohort's genome", remedy)


def _strange_names(
    path: Path, name: str, lengths: Mapping[str, int], *, remedy: str, again: str = ""
) -> Finding:
    example = next(iter(lengths))
    if f"chr{name}" in lengths:
        remedy = f"put chr before the names{again}"
    elif name.removeprefix("chr") in lengths:
        remedy = f"take chr off the names{again}"
    what = f"{path.name} names its chromosomes like {name!r}"
    return Finding(what, f"names like {example!r}", remedy)


def inspect_regions(path: Path, *, lengths: Mapping[str, int], kind: str) -> list[Finding]:
    """What is wrong with a BED file by its first lines: its format and its genome.

    Parameters
    ----------
    lengths
        Chromosome -> bp of the genome the cohort names; empty leaves the genome unjudged.
    kind
        What one of its lines is: ``peak`` or ``region``.
    """
    try:
        regions = read_regions(path, n_lines=LOOK)
    except DAMAGE as error:
        return [_finding(damaged(path, error))]
    except DataError as error:
        expected = "chrom, start, end, separated by tabs"
        return [Finding(str(error), expected, "correct the line, or name another file")]
    if regions.empty:
        return [Finding(f"{path.name} holds no {kind}", f"{kind}s", "name another file, or none")]
    ends = regions.groupby("chrom", sort=False)["end"].max().to_dict()
    return [*_judge_places(path, ends, lengths, kind)]


def inspect_annotation(path: Path, *, lengths: Mapping[str, int]) -> list[Finding]:
    """The same of genes, as :func:`helpers.io.genome.read_annotation` takes them."""
    try:
        genes, _ = read_annotation(path, n_lines=LOOK)
    except DAMAGE as error:
        return [_finding(damaged(path, error))]
    except DataError as error:
        return [Finding(str(error), "genes as GTF, or a table of them", "name another file")]
    ends = genes.groupby("chrom", sort=False)["end"].max().to_dict()
    return [*_judge_places(path, ends, lengths, "gene")]


def _judge_places(
    path: Path, ends: dict[str, int], lengths: Mapping[str, int], kind: str
) -> Iterator[Finding]:
    """Names of the chromosomes, and places beyond their ends, by the last end on each."""
    known = [name for name in ends if name in lengths]
    remedy = "name the file of the cohort's genome, or correct genome and assembly"
    if lengths and not known:
        yield _strange_names(path, next(iter(ends)), lengths, remedy=remedy)
    beyond = next((name for name in known if ends[name] > lengths[name]), None)
    if beyond is not None:
        yield _beyond_end(path, (beyond, ends[beyond]), lengths, kind=kind, remedy=remedy)


def inspect_gzip(path: Path) -> list[Finding]:
    """What shows at the ends of a gzipped file: that it is none, or that it was cut short."""
    try:
        with path.open("rb") as stream:
            start = stream.read(14)
            size = stream.seek(0, 2)
            stream.seek(max(0, size - len(BGZF_END)))
            end = stream.read()
    except OSError as error:
        return [_finding(damaged(path, error))]
    if not start.startswith(GZIP):
        return [Finding(f"{path.name} is not gzipped", "a .gz file", "pack it, or rename it")]
    if start[12:] == BGZF and end != BGZF_END:
        what = f"{path.name} is cut short (its closing block is missing)"
        return [Finding(what, "a complete file", "copy it again and compare checksums")]
    return []
