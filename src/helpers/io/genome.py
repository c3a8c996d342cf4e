"""Files of a genome: sequence with its index, genes, regions."""

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import pandas as pd

from helpers.errors import DataError
from helpers.io.atomic import replacing, write_text

LINE = 60  # bases in a line of a FASTA file


def write_fasta(sequences: Mapping[str, bytes], path: Path) -> None:
    """Write sequences and, beside them, their ``.fai`` index."""
    index = []
    with replacing(path) as partial, partial.open("wb") as stream:
        for name, sequence in sequences.items():
            stream.write(f">{name}\n".encode())
            index.append(f"{name}\t{len(sequence)}\t{stream.tell()}\t{LINE}\t{LINE + 1}\n")
            lines = [sequence[i : i + LINE] for i in range(0, len(sequence), LINE)]
            stream.write(b"\n".join(lines) + b"\n")
    write_text(path.with_name(path.name + ".fai"), "".join(index))


def read_lengths(path: Path) -> dict[str, int]:
    """Lengths of the sequences of a FASTA file by its ``.fai`` index; empty where it has none."""
    index = path.with_name(path.name + ".fai")
    if not index.is_file():
        return {}
    rows = (line.split("\t") for line in index.read_text(encoding="utf-8").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def write_annotation(genes: pd.DataFrame, exons: pd.DataFrame, path: Path) -> None:
    """Write genes and exons as GTF, gzipped; the same tables give the same bytes.

    Parameters
    ----------
    genes, exons
        ``chrom, start, end, strand, gene_id, gene`` (0-based, half-open; GTF counts from 1).
    """
    both = pd.concat([genes.assign(feature="gene"), exons.assign(feature="exon")])
    both = both.sort_index(kind="stable")
    lines = [
        f"{r.chrom}\tsimulated\t{r.feature}\t{r.start + 1}\t{r.end}\t.\t{r.strand}\t.\t"
        f'gene_id "{r.gene_id}"; gene_name "{r.gene}"; gene_type "{r.biotype}";\n'
        for r in both.itertuples()
    ]
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress("".join(lines).encode(), 6, mtime=0))


def write_regions(regions: pd.DataFrame, path: Path) -> None:
    """Write ``chrom, start, end`` as BED."""
    lines = regions[["chrom", "start", "end"]].to_csv(sep="\t", header=False, index=False)
    write_text(path, lines)


def read_regions(path: Path, *, n_lines: int | None = None) -> pd.DataFrame:
    """Regions of a BED file, plain or gzipped, sorted: ``chrom, start, end`` (0-based, half-open).

    Parameters
    ----------
    n_lines
        Read only so many from the top, for a quick look.

    Raises
    ------
    DataError
        If a line has no whole-numbered start and end, or a region is empty.
    """
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            header=None,
            comment="#",
            usecols=[0, 1, 2],
            names=["chrom", "start", "end"],
            dtype={"chrom": str, "start": int, "end": int},
            skiprows=_header_lines(path),
            nrows=n_lines,
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame({"chrom": [], "start": [], "end": []}).astype(
            {"start": int, "end": int}
        )
    except ValueError as error:
        msg = f"{path}: a line is not chrom, start, end separated by tabs ({error})"
        raise DataError(msg) from error
    if (table["end"] <= table["start"]).any():
        line = int((table["end"] <= table["start"]).to_numpy().argmax()) + 1
        msg = f"{path}: region {line} ends at or before its start"
        raise DataError(msg)
    return table.sort_values(["chrom", "start", "end"], ignore_index=True)


def _header_lines(path: Path) -> int:
    with _open_text(path) as lines:
        first = next(iter(lines), "")
    return int(bool(first) and not first.startswith("#") and not re.search(r"\t\d+\t\d+", first))


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def read_annotation(path: Path, *, n_lines: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes and exons of a GTF, or genes of a table, plain or gzipped.

    Parameters
    ----------
    path
        GTF (``.gtf``, ``.gtf.gz``), or a tab-separated table with a header: ``chrom, start, end``
        (0-based, half-open), ``strand`` and ``gene`` (or ``symbol``).
    n_lines
        Read only so many from the top, for a quick look.

    Returns
    -------
    Genes (``chrom, start, end, strand, gene``), the longest where a symbol stands twice; and exons
    (the same columns), empty for a table.

    Raises
    ------
    DataError
        If a line is not one of the format, or there is no gene in it.
    """
    if ".gtf" in path.suffixes or ".gff" in path.suffixes:
        genes, exons = _read_gtf(path, n_lines)
    else:
        genes = _read_gene_table(path, n_lines)
        exons = genes.iloc[:0]
    if genes.empty:
        msg = f"{path}: holds no gene with a name"
        raise DataError(msg)
    longest = (genes["end"] - genes["start"]).sort_values(ascending=False, kind="stable").index
    genes = genes.loc[longest].drop_duplicates("gene").sort_index()
    return genes.reset_index(drop=True), exons.reset_index(drop=True)


def _read_gtf(path: Path, n_lines: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            header=None,
            comment="#",
            usecols=[0, 2, 3, 4, 6, 8],
            quoting=3,
            names=["chrom", "_", "feature", "start", "end", "_2", "strand", "_3", "more"],
            dtype={"chrom": str, "start": int, "end": int, "more": str},
            nrows=n_lines,
        )
    except ValueError as error:
        msg = f"{path}: a line is not the nine columns of a GTF separated by tabs ({error})"
        raise DataError(msg) from error
    table = table[table["feature"].isin(["gene", "exon"])].copy()
    table["gene"] = table["more"].str.extract(r'gene_name "([^"]+)"', expand=False)
    table["start"] -= 1
    table = table.dropna(subset=["gene"])
    columns = ["chrom", "start", "end", "strand", "gene"]
    return (
        table.loc[table["feature"] == "gene", columns],
        table.loc[table["feature"] == "exon", columns],
    )


def _read_gene_table(path: Path, n_lines: int | None) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", keep_default_na=False, dtype={"chrom": str}, nrows=n_lines)
    table = table.rename(columns={"symbol": "gene"} if "gene" not in table else {})
    missing = [c for c in ("chrom", "start", "end", "strand", "gene") if c not in table]
    if missing:
        msg = f"{path}: has no column {', '.join(missing)}, which a gene table needs"
        raise DataError(msg)
    table = table[(table["gene"] != "") & (table["end"] > table["start"])]
    return table[["chrom", "start", "end", "strand", "gene"]].reset_index(drop=True)
