"""Genome files: sequence, genes, regions; written and read, and refused where they are broken."""

import gzip

import pandas as pd
import pysam
import pytest

from helpers.errors import DataError
from helpers.io.genome import (
    read_annotation,
    read_lengths,
    read_regions,
    write_annotation,
    write_fasta,
    write_regions,
)
from helpers.io.reference import chromosome_lengths

GENES = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr2"],
        "start": [100, 500, 40],
        "end": [300, 900, 60],
        "strand": ["+", "-", "+"],
        "gene": ["A", "B", "A"],
        "gene_id": ["ENSG01", "ENSG02", "ENSG03"],
        "biotype": "protein_coding",
    }
)


def test_write_fasta__can_be_read_by_its_index(tmp_path):
    path = tmp_path / "genome.fa"
    write_fasta({"chr1": b"ACGT" * 40, "chr2": b"GATTACA"}, path)
    with pysam.FastaFile(str(path)) as file:
        assert file.fetch("chr1", 58, 64) == "GTACGT"
        assert file.fetch("chr2") == "GATTACA"
    assert read_lengths(path) == {"chr1": 160, "chr2": 7}
    assert read_lengths(tmp_path / "other.fa") == {}


def test_write_annotation__gives_back_genes_and_exons(tmp_path):
    path = tmp_path / "genes.gtf.gz"
    write_annotation(GENES, GENES.iloc[:1].assign(end=150), path)
    genes, exons = read_annotation(path)
    # A stands twice: the longer one is kept
    assert genes.to_numpy().tolist() == [
        ["chr1", 100, 300, "+", "A"],
        ["chr1", 500, 900, "-", "B"],
    ]
    assert exons.to_numpy().tolist() == [["chr1", 100, 150, "+", "A"]]
    assert "\t101\t300\t" in gzip.decompress(path.read_bytes()).decode()


def test_read_annotation__takes_a_table_with_symbols(tmp_path):
    path = tmp_path / "genes.tsv"
    GENES.rename(columns={"gene": "symbol"}).to_csv(path, sep="\t", index=False)
    genes, exons = read_annotation(path)
    assert genes["gene"].tolist() == ["A", "B"]
    assert len(exons) == 0


def test_read_annotation__says_what_a_table_lacks(tmp_path):
    path = tmp_path / "genes.tsv"
    GENES.drop(columns="strand").to_csv(path, sep="\t", index=False)
    with pytest.raises(DataError, match="has no column strand, which a gene table needs"):
        read_annotation(path)
    GENES.iloc[:0].to_csv(path, sep="\t", index=False)
    with pytest.raises(DataError, match="holds no gene with a name"):
        read_annotation(path)


def test_read_regions__sorts_and_skips_heads(tmp_path):
    path = tmp_path / "peaks.bed"
    path.write_text("# a comment\nchr2\t5\t9\tname\nchr1\t7\t8\n")
    assert read_regions(path).to_numpy().tolist() == [["chr1", 7, 8], ["chr2", 5, 9]]
    path.write_text("chrom\tstart\tend\nchr1\t7\t8\n")
    assert read_regions(path).to_numpy().tolist() == [["chr1", 7, 8]]
    path.write_text("")
    assert len(read_regions(path)) == 0


def test_read_regions__gives_back_what_was_written(tmp_path):
    write_regions(GENES, tmp_path / "x.bed")
    assert read_regions(tmp_path / "x.bed").equals(
        GENES[["chrom", "start", "end"]].sort_values(["chrom", "start"], ignore_index=True)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [("chr1\t5\t9\nchr1\tx\t9\n", "a line is not chrom"), ("chr1\t9\t9\n", "region 1 ends at or")],
)
def test_read_regions__refuses_what_is_no_region(tmp_path, text, message):
    path = tmp_path / "peaks.bed"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_regions(path)


def test_chromosome_lengths__are_those_of_the_assembly():
    # UCSC hg38.chrom.sizes and hg19.chrom.sizes
    assert chromosome_lengths("GRCh38")["chr1"] == 248_956_422
    assert chromosome_lengths("GRCh37")["chr1"] == 249_250_621
