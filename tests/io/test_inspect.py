"""A look into input files: quick, of a part, and in agreement with reading them."""

import gzip

import h5py
import numpy as np
import pysam
import pytest
from fragments import pack
from tiny import (
    make_anndata,
    some_barcodes,
    some_counts,
    some_genes,
    write_bgzipped,
    write_folder,
)

from helpers.io import inspect
from helpers.io.inspect import (
    Finding,
    inspect_annotation,
    inspect_fragments,
    inspect_gzip,
    inspect_regions,
    inspect_rna,
)
from helpers.io.reference import chromosome_lengths
from helpers.io.tenx import write_h5

HEAD = "%%MatrixMarket matrix coordinate integer general\n%a comment\n40 60 30000\n"
ENTRIES = "".join(f"{1 + i % 40} {1 + i % 60} 1\n" for i in range(30_000))


@pytest.fixture
def folder(tmp_path):
    """A matrix folder of 30,000 values, more than a look takes."""
    write_folder(tmp_path / "x", some_counts(), version=2)
    (tmp_path / "x" / "matrix.mtx").write_text(HEAD + ENTRIES)
    return tmp_path / "x"


def write_genome(path, genome):
    write_h5(path, some_counts(), some_barcodes(), some_genes(), genome=genome)
    return path


def test_inspect_rna__reads_a_matrix_to_its_end(folder):
    assert inspect_rna(folder, assembly="GRCh38") == []
    (folder / "matrix.mtx").write_text(HEAD + ENTRIES[: ENTRIES.rindex("\n", 0, -2) + 1])
    (finding,) = inspect_rna(folder, assembly="GRCh38")
    assert finding.what == "matrix.mtx announces 30000 values and holds 29999"


def test_inspect_rna__counts_a_last_line_without_its_end(folder):
    (folder / "matrix.mtx").write_text((HEAD + ENTRIES).rstrip())
    assert inspect_rna(folder, assembly="GRCh38") == []


def test_inspect_rna__stops_where_its_time_is_over(folder):
    (folder / "matrix.mtx").write_text(HEAD + ENTRIES + "1 1 1\n" * 7)
    assert len(inspect_rna(folder, assembly="GRCh38")) == 1
    assert inspect_rna(folder, assembly="GRCh38", seconds=0) == []


def test_inspect_rna__looks_at_the_beginning_and_the_end_of_an_h5(tmp_path, monkeypatch):
    monkeypatch.setattr(inspect, "LOOK", 10)
    path = write_genome(tmp_path / "x.h5", "GRCh38")
    with h5py.File(path, "r+") as file:
        values = file["matrix/data"][:].astype(float)
        del file["matrix/data"]
        file["matrix/data"] = values
        for place, n_found in ((9, 1), (10, 0), (len(values) - 11, 0), (len(values) - 10, 1)):
            file["matrix/data"][:] = values
            file["matrix/data"][place] = 0.5
            file.flush()
            assert len(inspect_rna(path, assembly="GRCh38")) == n_found, place


@pytest.mark.parametrize("n_cells", [49, 50])
def test_inspect_rna__wants_50_cells(n_cells, tmp_path):
    counts = some_counts(n_cells=n_cells)
    write_h5(tmp_path / "x.h5", counts, some_barcodes(n_cells), some_genes(), genome="")
    found = [finding.what for finding in inspect_rna(tmp_path / "x.h5", assembly="GRCh38")]
    assert found == ["49 cells"] * (n_cells == 49)


@pytest.mark.parametrize(
    ("genome", "assembly", "wrong"),
    [
        ("GRCh38", "GRCh38", False),
        ("hg38", "GRCh38", False),
        ("refdata-gex-GRCh38-2020-A", "GRCh38", False),
        ("", "GRCh38", False),
        ("my_reference", "GRCh38", False),
        ("hg19", "GRCh37", False),
        ("hg19", "GRCh38", True),
        ("GRCh38", "GRCh37", True),
        ("T2T-CHM13", "GRCh38", True),
        ("mm10", "GRCh38", True),
        ("GRCm39", "GRCh38", True),
        ("GRCh38_and_mm10", "GRCh38", True),
        ("Rnor_6.0_rn6", None, True),
        ("hg19", None, False),
    ],
)
def test_inspect_rna__compares_the_genome_with_the_assembly(genome, assembly, wrong, tmp_path):
    path = write_genome(tmp_path / "x.h5", genome)
    found = [finding.what for finding in inspect_rna(path, assembly=assembly)]
    assert found == [f"was aligned to {genome}"] * wrong


def test_inspect_rna__finds_the_genome_of_an_h5ad(tmp_path):
    adata = make_anndata(some_counts())
    adata.var["genome"] = "hg19"
    adata.write_h5ad(tmp_path / "x.h5ad")
    (finding,) = inspect_rna(tmp_path / "x.h5ad", assembly="GRCh38")
    assert finding.what == "was aligned to hg19"


@pytest.mark.parametrize(("n_foreign", "found"), [(31, True), (29, False)])
def test_inspect_rna__calls_genes_foreign_above_30_percent(n_foreign, found, tmp_path):
    genes = some_genes(100)
    mouse = genes["gene"].str.capitalize()
    genes["gene"] = mouse.where(np.arange(100) < n_foreign, genes["gene"])
    counts = some_counts(n_genes=100)
    write_h5(tmp_path / "x.h5", counts, some_barcodes(), genes, genome="")
    whats = [finding.what for finding in inspect_rna(tmp_path / "x.h5", assembly="GRCh38")]
    what = f"genes are not human but those of a mouse or another species, such as {mouse[0]}"
    assert whats == [what] * found


@pytest.mark.parametrize(("n_known", "found"), [(19, True), (20, False)])
def test_inspect_rna__wants_a_fifth_of_the_genes_known(n_known, found, tmp_path):
    genes = some_genes(100)
    made_up = [f"GENE_{i}" for i in range(100)]
    genes["gene"] = genes["gene"].where(np.arange(100) < n_known, made_up)
    counts = some_counts(n_genes=100)
    write_h5(tmp_path / "x.h5", counts, some_barcodes(), genes, genome="")
    whats = [finding.what for finding in inspect_rna(tmp_path / "x.h5", assembly="GRCh38")]
    assert len(whats) == found
    assert [what.partition(" of")[0] for what in whats] == ["19%"] * found


def test_inspect_rna__warns_of_ids_and_says_how_many_are_known(tmp_path):
    genes = some_genes().assign(gene=lambda table: table["gene_id"])
    genes.loc[:9, "gene"] = [f"ENSG99999{i:06d}" for i in range(10)]
    write_h5(tmp_path / "x.h5", some_counts(), some_barcodes(), genes, genome="")
    remedy = "nothing: ids are translated (75% known)"
    expected = Finding("genes are named by Ensembl id", "gene symbols", remedy, "warning")
    assert inspect_rna(tmp_path / "x.h5", assembly="GRCh38") == [expected]


def test_inspect_fragments__takes_real_ones(real_data):
    found = sorted(real_data.rglob("fragments.tsv.gz"))
    assert len(found) >= 2
    for path in found:
        assert inspect_fragments(path) == []


def test_inspect_fragments__skips_the_comments_of_cell_ranger(tmp_path):
    write_bgzipped(tmp_path / "f.tsv.gz", ["# id=x", "chr1\t10\t20\tACGT-1\t2"])
    assert inspect_fragments(tmp_path / "f.tsv.gz") == []


@pytest.mark.parametrize("line", ["chr1\t10\t20", "chr1\tten\t20\tA\t1", "chr1 10 20 A 1"])
def test_inspect_fragments__wants_four_columns(line, tmp_path):
    write_bgzipped(tmp_path / "f.tsv.gz", ["chr1\t1\t2\tA\t1"])
    (tmp_path / "plain").write_text(line + "\n")
    pysam.tabix_compress(str(tmp_path / "plain"), str(tmp_path / "f.tsv.gz"), force=True)
    (finding,) = inspect_fragments(tmp_path / "f.tsv.gz")
    assert finding.what == f"f.tsv.gz begins with {line!r}"
    assert finding.expected == "chrom, start, end, barcode, count, separated by tabs"


def test_inspect_fragments__takes_either_index(tmp_path):
    write_bgzipped(tmp_path / "f.tsv.gz", ["chr1\t1\t2\tA\t1"])
    (tmp_path / "f.tsv.gz.tbi").rename(tmp_path / "f.tsv.gz.csi")
    assert inspect_fragments(tmp_path / "f.tsv.gz") == []


def test_inspect_gzip__takes_plain_gzip_and_sees_a_cut_bgzip(tmp_path):
    (tmp_path / "plain.gz").write_bytes(gzip.compress(b"x"))
    assert inspect_gzip(tmp_path / "plain.gz") == []
    write_bgzipped(tmp_path / "f.bed.gz", [f"chr1\t{i}\t{i + 1}" for i in range(1000)])
    assert inspect_gzip(tmp_path / "f.bed.gz") == []
    content = (tmp_path / "f.bed.gz").read_bytes()
    for n in (1, 27, 28, 29, len(content) - 20):
        (tmp_path / "f.bed.gz").write_bytes(content[:-n])
        (finding,) = inspect_gzip(tmp_path / "f.bed.gz")
        assert finding.what == "f.bed.gz is cut short (its closing block is missing)"


FRAGMENTS = ["chr1\t5\t90\tAC-1\t2", "chr1\t7\t30\tGT-1\t1", "chr2\t1\t9\tGT-1\t3"]
LENGTHS = {"chr1": 100, "chr2": 50}


def test_inspect_fragments__finds_nothing_wrong_with_a_good_file(tmp_path):
    path = pack(tmp_path / "f.tsv.gz", FRAGMENTS)
    assert inspect_fragments(path, lengths=LENGTHS) == []


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([FRAGMENTS[1], FRAGMENTS[0]], "is not sorted by place"),
        ([FRAGMENTS[0], FRAGMENTS[2], FRAGMENTS[1]], "is not sorted by place"),
        ([FRAGMENTS[0], "chr1 9 20 AC-1"], "holds 'chr1 9 20 AC-1'"),
    ],
)
def test_inspect_fragments__looks_at_more_than_the_first_line(tmp_path, lines, what):
    path = pack(tmp_path / "f.tsv.gz", lines, index=False)
    found = inspect_fragments(path)
    assert what in found[0].what
    assert "has no index" in found[-1].what


@pytest.mark.parametrize(
    ("lengths", "what", "remedy"),
    [
        ({"1": 100, "2": 50}, "names its chromosomes like 'chr1'", "take chr off the names"),
        ({"chr1": 80, "chr2": 50}, "has a fragment at chr1:90, beyond", "set assembly"),
        ({"chrA": 10}, "names its chromosomes like 'chr1'", "align it to the cohort's genome"),
    ],
)
def test_inspect_fragments__judges_the_genome(tmp_path, lengths, what, remedy):
    path = pack(tmp_path / "f.tsv.gz", FRAGMENTS)
    (found,) = inspect_fragments(path, lengths=lengths)
    assert what in found.what
    assert remedy in found.remedy


def test_inspect_fragments__knows_names_without_chr(tmp_path):
    path = pack(tmp_path / "f.tsv.gz", [line.removeprefix("chr") for line in FRAGMENTS])
    (found,) = inspect_fragments(path, lengths=LENGTHS)
    assert "put chr before the names" in found.remedy


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("chr1\t5\t90\nchrUn_1\t1\t900\n", None, None),
        ("1\t5\t90\n", "x.bed names its chromosomes like '1'", "put chr before the names"),
        ("A\t5\t90\n", "x.bed names its chromosomes like 'A'", "name the file of the cohort's"),
        ("chr1\t5\t101\n", "has a peak at chr1:101, beyond the chromosome's end (100)", "correct"),
        ("chr1\t5\t90\nfoo bar\n", "a line is not chrom, start, end", "correct the line"),
        ("", "x.bed holds no peak", "name another file"),
    ],
)
def test_inspect_regions__judges_format_and_genome(tmp_path, text, what, remedy):
    path = tmp_path / "x.bed"
    path.write_text(text)
    found = inspect_regions(path, lengths=LENGTHS, kind="peak")
    assert len(found) == (what is not None)
    for finding in found:
        assert what in finding.what
        assert remedy in finding.remedy


def test_inspect_regions__looks_at_the_first_lines_only(tmp_path, monkeypatch):
    monkeypatch.setattr(inspect, "LOOK", 2)
    path = tmp_path / "x.bed"
    path.write_text("1\t5\t90\n1\t5\t90\nfoo bar\n")
    assert inspect_regions(path, lengths={}, kind="region") == []


GENE = '{}\t.\tgene\t6\t{}\t.\t+\t.\tgene_id "E1"; gene_name "A";\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (GENE.format("chr1", 90), None),
        (GENE.format("1", 90), "names its chromosomes like '1'"),
        (GENE.format("chr2", 90), "has a gene at chr2:90, beyond the chromosome's end (50)"),
        ("chr1\tgene\n", "a line is not the nine columns of a GTF"),
        ("# a comment\n", "holds no gene with a name"),
        (GENE.format("chr1", 90).replace("gene_name", "symbol"), "holds no gene with a name"),
    ],
)
def test_inspect_annotation__judges_format_and_genome(tmp_path, text, what):
    path = tmp_path / "genes.gtf"
    path.write_text(text)
    found = inspect_annotation(path, lengths=LENGTHS)
    assert len(found) == (what is not None)
    assert all(what in finding.what for finding in found)


def test_inspect_fragments__finds_nothing_wrong_with_real_files(real_data):
    for name, assembly in (("cohorts/pbsmall/pbsmall", "GRCh37"), ("multiome", "GRCh38")):
        path = real_data / name / "fragments.tsv.gz"
        assert inspect_fragments(path, lengths=chromosome_lengths(assembly)) == []
