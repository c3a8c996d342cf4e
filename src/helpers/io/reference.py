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
