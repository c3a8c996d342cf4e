"""Tiny count matrices of real genes in every format, and a sound cohort made of them."""

import gzip
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pysam
from scipy import io as scipy_io
from scipy import sparse

from helpers.io.reference import read_genes
from helpers.io.tenx import write_h5

N_CELLS, N_GENES = 60, 40
COHORT = """\
name: tiny
title: "Tiny cohort"
assembly: GRCh38
samples: samples.csv
groups:
  reference: healthy
  non_responder: relapse
contrasts:
  - test: relapse
    reference: healthy
chapters: [cohort, quality]
overrides:
  quality:
    min_genes: 5
    max_genes: 50
genome:
  blacklist: blacklist.bed.gz
simulated: false
"""
SHEET = """\
sample,donor,group,batch,rna,fragments
A1,d1,healthy,run1,A1.h5,A1.fragments.tsv.gz
A2,d2,healthy,run2,A2,
B1,d3,relapse,run1,B1.h5ad,
B2,d4,relapse,run2,B2.h5,
"""


def some_genes(n: int = N_GENES) -> pd.DataFrame:
    """``gene_id`` and ``gene`` of real protein-coding genes."""
    genes = read_genes().query("biotype == 'protein_coding'")
    return genes[["gene_id", "gene"]].head(n).reset_index(drop=True)


def some_counts(
    seed: int = 0, *, n_cells: int = N_CELLS, n_genes: int = N_GENES
) -> sparse.csr_matrix:
    """Counts of cells x genes, about a third of them above zero."""
    counts = np.random.default_rng(seed).poisson(0.4, (n_cells, n_genes))
    return sparse.csr_matrix(counts.astype(np.int32))


def some_barcodes(n: int = N_CELLS) -> list[str]:
    letters = np.array(list("ACGT"))
    return ["".join(letters[[i // 4**k % 4 for k in range(8)]]) + "-1" for i in range(n)]


def write_h5_v2(path: Path, counts: sparse.csr_matrix, *, genome: str = "GRCh38") -> None:
    """Counts as Cell Ranger 2 wrote them: one group a genome."""
    genes = some_genes(counts.shape[1])
    with h5py.File(path, "a") as file:
        group = file.create_group(genome)
        group["barcodes"] = np.array(some_barcodes(counts.shape[0]), dtype="S")
        group["genes"] = genes["gene_id"].to_numpy().astype("S")
        group["gene_names"] = genes["gene"].to_numpy().astype("S")
        group["data"], group["indices"] = counts.data, counts.indices.astype(np.int64)
        group["indptr"] = counts.indptr.astype(np.int64)
        group["shape"] = np.array(counts.shape[::-1], dtype=np.int32)


def write_folder(path: Path, counts: sparse.csr_matrix, *, version: int = 3) -> None:
    """Counts as a matrix folder, packed (version 3) or plain (version 2)."""
    path.mkdir()
    genes = some_genes(counts.shape[1])
    names = genes["gene_id"] + "\t" + genes["gene"] + "\tGene Expression" * (version == 3)
    lists = {"barcodes.tsv": some_barcodes(counts.shape[0])}
    lists["features.tsv" if version == 3 else "genes.tsv"] = list(names)
    for name, lines in lists.items():
        (path / name).write_text("\n".join(lines) + "\n")
    scipy_io.mmwrite(path / "matrix.mtx", counts.T.tocoo(), field="integer")
    for file in sorted(path.iterdir()) if version == 3 else ():
        pack(file)


def pack(path: Path) -> None:
    """Gzip a file in place."""
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()


def make_anndata(counts: sparse.csr_matrix) -> ad.AnnData:
    genes = some_genes(counts.shape[1])
    var = pd.DataFrame({"gene_ids": genes["gene_id"].to_numpy()}, index=genes["gene"].to_numpy())
    obs = pd.DataFrame(index=some_barcodes(counts.shape[0]))
    return ad.AnnData(counts.astype(np.float32), obs=obs, var=var)


def count_differences(a: sparse.csr_matrix, b: sparse.csr_matrix) -> int:
    """Entries in which two matrices differ."""
    return (a != b).nnz


def log_counts(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Log-normalised expression of cells."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    scaled = sparse.diags_array(1e4 / totals) @ counts.astype(np.float32)
    return sparse.csr_matrix(scaled.log1p())


def write_bgzipped(path: Path, lines: list[str]) -> None:
    """A bgzipped table of intervals with its index beside it."""
    plain = path.with_suffix("")
    plain.write_text("\n".join(lines) + "\n")
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    pysam.tabix_index(str(path), preset="bed", force=True)


def write_cohort(folder: Path) -> Path:
    """A sound cohort of four samples, each in another format; its cohort file."""
    folder.mkdir()
    (folder / "cohort.yml").write_text(COHORT)
    (folder / "samples.csv").write_text(SHEET)
    write_h5(folder / "A1.h5", some_counts(1), some_barcodes(), some_genes(), genome="GRCh38")
    write_folder(folder / "A2", some_counts(2))
    make_anndata(some_counts(3)).write_h5ad(folder / "B1.h5ad")
    write_h5_v2(folder / "B2.h5", some_counts(4))
    rows = [f"chr1\t{1000 * i}\t{1000 * i + 150}\t{b}\t1" for i, b in enumerate(some_barcodes(), 1)]
    write_bgzipped(folder / "A1.fragments.tsv.gz", rows)
    write_bgzipped(folder / "blacklist.bed.gz", ["chr1\t0\t1000"])
    return folder / "cohort.yml"
