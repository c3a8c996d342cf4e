"""Stretches of genome files: sequences, fragments, genes."""

import gzip
import re
from pathlib import Path

import pandas as pd

from helpers.errors import FileError

GENE_COLUMNS = ["chrom", "start", "end", "strand", "gene"]
FEATURES = ("gene", "exon")


def read_sequences(fasta: Path, regions: pd.DataFrame) -> list[str]:
    """Sequence of every region; the file is read by its index.

    Parameters
    ----------
    fasta
        ``.fa``, or bgzipped ``.fa.gz``, with its ``.fai`` beside it.
    regions
        ``chrom, start, end`` (0-based, half-open).

    Raises
    ------
    FileError
        If it has no index, or a region lies outside the sequences.
    """
    import pysam

    if not fasta.with_name(fasta.name + ".fai").exists():
        raise FileError(
            fasta, "has no index (.fai)", expected="an index beside it",
            remedy=f"run samtools faidx {fasta.name}",
        )  # fmt: skip
    with pysam.FastaFile(str(fasta)) as file:
        lengths = dict(zip(file.references, file.lengths, strict=True))
        for chrom, end in regions.groupby("chrom", observed=True)["end"].max().items():
            if end > lengths.get(chrom, -1):
                raise FileError(
                    fasta, f"does not reach {chrom}:{end}, where the cohort has a peak",
                    expected="the genome the data were aligned to",
                    remedy="name that genome's sequence under genome: fasta in the cohort file",
                )  # fmt: skip
        places = zip(regions["chrom"], regions["start"], regions["end"], strict=True)
        return [file.fetch(chrom, start, end) for chrom, start, end in places]


def read_region(fragments: Path, chrom: str, start: int, end: int) -> pd.DataFrame:
    """Fragments that overlap a stretch: ``start``, ``end``, ``barcode``."""
    import pysam

    with pysam.TabixFile(str(fragments)) as file:
        if chrom not in file.contigs:
            return pd.DataFrame({"start": [], "end": [], "barcode": []})
        rows = [line.split("\t")[1:4] for line in file.fetch(chrom, max(start, 0), end)]
    table = pd.DataFrame(rows, columns=["start", "end", "barcode"])
    return table.astype({"start": int, "end": int})


def read_gene_parts(path: Path) -> pd.DataFrame:
    """Genes and their exons.

    Parameters
    ----------
    path
        GTF, or a table of ``chrom, start, end, strand, gene`` (tab or comma between them, 0-based
        and half-open); gzipped or not.

    Returns
    -------
    ``chrom, start, end, strand, gene`` (0-based, half-open) and ``feature``: gene or exon.

    Raises
    ------
    FileError
        If it is neither.
    """
    name = path.name.removesuffix(".gz")
    table = _read_gtf(path) if name.endswith((".gtf", ".gff")) else _read_gene_table(path)
    if table.empty:
        raise FileError(
            path, "names no gene", expected="a GTF with gene_name or a table of genes",
            remedy="name the annotation of the genome under genome: annotation",
        )  # fmt: skip
    return table


def _read_gtf(path: Path) -> pd.DataFrame:
    opener = gzip.open if path.name.endswith(".gz") else open
    rows = []
    name = re.compile(r'gene_name "([^"]+)"')
    with opener(path, "rt", encoding="utf-8") as text:
        for line in text:
            fields = line.split("\t")
            if len(fields) < 9 or fields[2] not in FEATURES:
                continue
            found = name.search(fields[8])
            if found:
                place = (fields[0], int(fields[3]) - 1, int(fields[4]), fields[6])
                rows.append((*place, found[1], fields[2]))
    return pd.DataFrame(rows, columns=[*GENE_COLUMNS, "feature"])


def _read_gene_table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, sep=None, engine="python", dtype={"chrom": str, "gene": str})
    missing = set(GENE_COLUMNS) - set(table.columns)
    if missing:
        raise FileError(
            path, f"lacks the columns {', '.join(sorted(missing))}",
            expected=", ".join(GENE_COLUMNS), remedy="name its columns so, or give a GTF",
        )  # fmt: skip
    return table[GENE_COLUMNS].assign(feature="gene")
