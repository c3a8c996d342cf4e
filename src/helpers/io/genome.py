"""Files of a genome: sequence with its index, genes, regions."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

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
