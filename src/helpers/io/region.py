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

    Returns
    -------
    In the order of the regions; empty for a region on a sequence the file does not have, as a
    primary assembly lacks patches and scaffolds that data may be aligned to.

    Raises
    ------
    FileError
        If it has no index, most regions are on sequences it does not have, or one ends beyond one.
    """
    import pysam

    if not fasta.with_name(fasta.name + ".fai").exists():
        raise FileError(
            fasta, "has no index (.fai)", expected="an index beside it",
            remedy=f"run samtools faidx {fasta.name}",
        )  # fmt: skip
    with pysam.FastaFile(str(fasta)) as file:
        lengths = dict(zip(file.references, file.lengths, strict=True))
        _require_genome(fasta, regions, lengths)
        places = zip(regions["chrom"], regions["start"], regions["end"], strict=True)
        return [file.fetch(c, start, end) if c in lengths else "" for c, start, end in places]


def _require_genome(fasta: Path, regions: pd.DataFrame, lengths: dict[str, int]) -> None:
    there = regions["chrom"].isin(lengths)
    ends = regions[there].groupby("chrom", observed=True)["end"].max()
    short = [f"{chrom}:{end}" for chrom, end in ends.items() if end > lengths[str(chrom)]]
    what = f"does not reach {short[0]}, where the cohort has a peak" if short else ""
    if there.sum() < len(regions) / 2:
        absent = regions.loc[~there, "chrom"].iloc[0]
        what = f"has no {absent}; {(~there).sum()} of {len(regions)} peaks are on such sequences"
    if what:
        raise FileError(
            fasta, what,
            expected="the genome the data were aligned to",
            remedy="name that genome's sequence under genome: fasta in the cohort file",
        )  # fmt: skip


def read_region(fragments: Path, chrom: str, start: int, end: int) -> pd.DataFrame:
    """Fragments that overlap a stretch: ``start``, ``end``, ``barcode``."""
    import pysam

    with pysam.TabixFile(str(fragments)) as file:
        if chrom not in file.contigs:
            return pd.DataFrame({"start": [], "end": [], "barcode": []})
        rows = [line.split("\t")[1:4] for line in file.fetch(chrom, max(start, 0), end)]
    table = pd.DataFrame(rows, columns=["start", "end", "barcode"])
    return table.astype({"start": int, "end": int})
