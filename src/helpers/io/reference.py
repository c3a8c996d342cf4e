"""Reference tables that come with the project: genes and chromosome arms."""

import gzip
from functools import cache
from pathlib import Path

import pandas as pd

from helpers.project import REFERENCE

GENES = REFERENCE / "genes_grch38.tsv.gz"
ARMS = REFERENCE / "arms_grch38.tsv"


@cache
def read_genes(path: Path = GENES) -> pd.DataFrame:
    """Human genes in genomic order (GRCh38, Ensembl 110).

    Returns
    -------
    Columns ``gene_id``, ``gene``, ``chrom``, ``start``, ``end`` (0-based, half-open),
    ``strand`` (``.`` where not known) and ``biotype``.
    """
    with gzip.open(path, "rt", encoding="utf-8") as text:
        return pd.read_csv(text, sep="\t", keep_default_na=False)


@cache
def read_arms(path: Path = ARMS) -> pd.DataFrame:
    """Chromosome arms (GRCh38): ``chrom``, ``start``, ``end``, ``arm``."""
    return pd.read_csv(path, sep="\t")


# GRCh37 (Genome Reference Consortium, 2009); those of GRCh38 are the ends of the arms.
GRCH37_LENGTHS = {
    "chr1": 249250621, "chr2": 243199373, "chr3": 198022430, "chr4": 191154276, "chr5": 180915260,
    "chr6": 171115067, "chr7": 159138663, "chr8": 146364022, "chr9": 141213431, "chr10": 135534747,
    "chr11": 135006516, "chr12": 133851895, "chr13": 115169878, "chr14": 107349540,
    "chr15": 102531392, "chr16": 90354753, "chr17": 81195210, "chr18": 78077248,
    "chr19": 59128983, "chr20": 63025520, "chr21": 48129895, "chr22": 51304566,
    "chrX": 155270560, "chrY": 59373566,
}  # fmt: skip


def chromosome_lengths(assembly: str) -> dict[str, int]:
    """Lengths of the main chromosomes in bp, by name, of GRCh38 or GRCh37."""
    if assembly == "GRCh37":
        return dict(GRCH37_LENGTHS)
    ends = read_arms().groupby("chrom", sort=False)["end"].max()
    return {str(chrom): int(end) for chrom, end in ends.items()}


@cache
def symbol_of_id() -> dict[str, str]:
    """Ensembl gene id to symbol."""
    genes = read_genes()
    return dict(zip(genes["gene_id"], genes["gene"], strict=True))


def arm_of_genes(genes: pd.DataFrame) -> pd.Series:
    """Arm of each gene by its midpoint, such as ``21q``; empty off the main chromosomes."""
    arms = read_arms()
    middle = (genes["start"] + genes["end"]) // 2
    boundary = arms[arms["arm"].str.endswith("p")].set_index("chrom")["end"]
    side = (middle >= genes["chrom"].map(boundary)).map({True: "q", False: "p"})
    name = genes["chrom"].str.removeprefix("chr") + side
    return name.where(genes["chrom"].isin(boundary.index), "")
