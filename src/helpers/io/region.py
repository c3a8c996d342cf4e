"""Stretches of genome files: sequences, fragments."""

from pathlib import Path

import pandas as pd

from helpers.errors import FileError


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
