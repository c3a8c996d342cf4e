"""A sound cohort broken in one way at a time, and what a user must be told."""

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from tiny import (
    N_GENES,
    log_counts,
    make_anndata,
    some_barcodes,
    some_counts,
    some_genes,
    write_h5_v2,
)

from helpers.io.tenx import write_h5

Spoil = Callable[[Path], None]


@dataclass(frozen=True)
class Broken:
    """One way to break a cohort: what is done to it, where the defect is, what is said of it."""

    name: str
    spoil: Spoil
    where: str
    what: str

    def __str__(self) -> str:
        return self.name


# Ways to spoil a file


def say(name: str, old: str, new: str) -> Spoil:
    """Replace a text that stands in a file once."""

    def spoil(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, (old, text)
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return spoil


def in_yaml(old: str, new: str) -> Spoil:
    return say("cohort.yml", old, new)


def in_sheet(old: str, new: str) -> Spoil:
    return say("samples.csv", old, new)


def with_days(*days: str, column: str = "time_days") -> Spoil:
    """Let the sheet say when its four samples were taken."""

    def spoil(folder: Path) -> None:
        path = folder / "samples.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [f"{line},{day}" for line, day in zip(lines, (column, *days), strict=True)]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")

    return spoil


def hold(name: str, content: bytes | str) -> Spoil:
    """Let a file hold something else."""
    return lambda folder: (folder / name).write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )


def drop(name: str) -> Spoil:
    return lambda folder: (folder / name).unlink()


def cut(name: str, share: float = 0.6) -> Spoil:
    """Keep only the beginning of a file."""

    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(folder: Path) -> None:
        for one in spoils:
            one(folder)

    return spoil


def in_packed(name: str, change: Callable[[str], str]) -> Spoil:
    """Change the text inside a gzipped file."""

    def spoil(folder: Path) -> None:
        text = gzip.decompress((folder / name).read_bytes()).decode()
        (folder / name).write_bytes(gzip.compress(change(text).encode()))

    return spoil


def in_hdf5(name: str, change: Callable[[h5py.File], None]) -> Spoil:
    def spoil(folder: Path) -> None:
        with h5py.File(folder / name, "r+") as file:
            change(file)

    return spoil


def put(place: str, values: object) -> Callable[[h5py.File], None]:
    """Put other values (or, for a function, what it makes of the present ones) in a place."""

    def change(file: h5py.File) -> None:
        made = values(file[place][:]) if callable(values) else values
        del file[place]
        file[place] = made

    return change


def remove(place: str) -> Callable[[h5py.File], None]:
    return lambda file: file.pop(place)


def new_h5(
    *, n_cells: int = 60, genes: pd.DataFrame | None = None, genome: str = "GRCh38"
) -> Spoil:
    """Write A1.h5 anew with other cells, genes or genome."""

    def spoil(folder: Path) -> None:
        table = some_genes() if genes is None else genes
        counts = some_counts(1, n_cells=n_cells, n_genes=len(table))
        write_h5(folder / "A1.h5", counts, some_barcodes(n_cells), table, genome=genome)

    return spoil


def new_h5ad(change: Callable) -> Spoil:
    """Write B1.h5ad anew, changed."""

    def spoil(folder: Path) -> None:
        adata = make_anndata(some_counts(3))
        change(adata)
        adata.write_h5ad(folder / "B1.h5ad")

    return spoil


def link_results_outside(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "results").mkdir()
    (folder.parent / "results" / "tiny").symlink_to(folder.parent / "elsewhere")


def link_tables_outside(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "results" / "tiny").mkdir(parents=True)
    (folder.parent / "results" / "tiny" / "tables").symlink_to(folder.parent / "elsewhere")


def file_for_results(folder: Path) -> None:
    (folder.parent / "results").mkdir()
    (folder.parent / "results" / "tiny").write_text("mine")


def sheet_is_a_folder(folder: Path) -> None:
    (folder / "samples.csv").unlink()
    (folder / "samples.csv").mkdir()


def fragments_are_a_folder(folder: Path) -> None:
    (folder / "A1.fragments.tsv.gz").unlink()
    (folder / "A1.fragments.tsv.gz").mkdir()


def pack_plainly(name: str) -> Spoil:
    """Gzip a bgzipped file as gzip does."""
    return lambda folder: (folder / name).write_bytes(
        gzip.compress(gzip.decompress((folder / name).read_bytes()))
    )


def log_in_x(adata: object) -> None:
    adata.X = log_counts(some_counts(3))


def log_in_all(adata: object) -> None:
    log_in_x(adata)
    adata.layers["counts"] = adata.X
    adata.raw = adata


def link_loop(folder: Path) -> None:
    (folder / "A1.h5").unlink()
    (folder / "A1.h5").symlink_to("A1.h5")


def opaque(file: h5py.File) -> None:
    file["uns/model"] = np.frombuffer(b"cos\nsystem\n", dtype="V11")


def hidden_opaque(file: h5py.File) -> None:
    file["uns/table"] = np.zeros(3, dtype=[("a", "i4"), ("b", "V8")])


def other_file_for_x(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", (60, 40), "f4", external=[("/etc/hostname", 0, 9600)])


MOUSE = some_genes().assign(
    gene_id=[f"ENSMUSG{i:011d}" for i in range(N_GENES)],
    gene=lambda table: table["gene"].str.capitalize(),
)
RAT = some_genes().assign(gene_id=[f"ENSRNOG{i:011d}" for i in range(N_GENES)])
PEAKS = some_genes().assign(
    gene_id=[f"chr1:{i}00-{i}50" for i in range(N_GENES)], gene=lambda table: table["gene_id"]
)
OLD_TABLE = np.zeros(N_GENES, dtype=[("index", "S5")])
BARCODE = some_barcodes(1)[0].encode()

# fmt: off
BROKEN = [
    # the cohort file as a file
    Broken("no cohort file", drop("cohort.yml"), "cohort.yml", "does not exist"),
    Broken("empty YAML", hold("cohort.yml", ""), "cohort.yml", "is empty"),
    Broken("list", hold("cohort.yml", "- tiny\n- title\n"), "cohort.yml", "no key: value lines"),
    Broken("one word", hold("cohort.yml", "tiny"), "cohort.yml", "no key: value lines"),
    Broken("YAML syntax", in_yaml('"Tiny cohort"', '"Tiny'), "cohort.yml:2",
           "is not YAML: found unexp"),
    Broken("colon in a title", in_yaml('"Tiny cohort"', "Relapse: a cohort"), "cohort.yml:2",
           "a text with : or # in it goes in double quotes"),
    Broken("tab", in_yaml("  reference: healthy\n  n", "\treference: healthy\n  n"),
           "cohort.yml:6", "is not YAML: found character '\\t'"),
    Broken("bytes that are no UTF-8", hold("cohort.yml", b"name: tiny\ntitle: Leuk\xe4mie\n"),
           "cohort.yml:2", "is not UTF-8 text (byte b'\\xe4')"),
    Broken("UTF-16", hold("cohort.yml", "name: tiny".encode("utf-16")), "cohort.yml:1",
           "is not UTF-8"),
    Broken("huge", hold("cohort.yml", "# " + "x" * 200_000), "cohort.yml", "has 200,002 bytes"),
    Broken("HDF5 for YAML",
           lambda folder: (folder / "cohort.yml").write_bytes((folder / "A1.h5").read_bytes()),
           "cohort.yml:1", "is not UTF-8"),
    Broken("Python in YAML", in_yaml("tiny", "!!python/object/apply:os.system [ls]"),
           "cohort.yml:1", "could not determine a constructor"),
    Broken("alias", in_yaml("healthy\n  non", "&a healthy\n  x: *a\n  non"), "cohort.yml:7",
           "alias *a"),
    Broken("nested without end", hold("cohort.yml", "name: " + "[" * 90_000), "cohort.yml:1",
           "nested too deep"),
    Broken("control character", in_yaml("tiny", "ti\x07ny"), "cohort.yml", "special characters"),
    Broken("two documents", in_yaml("simulated: false", "---\nname: b"), "cohort.yml:18",
           "is not YAML: but found another document"),
    # its keys
    Broken("key twice", in_yaml("assembly:", "name: again\nassembly:"), "cohort.yml:3",
           "name is given twice (also on line 1)"),
    Broken("nested key twice", in_yaml("    max", "    min_genes: 6\n    max"), "cohort.yml:15",
           "overrides.quality.min_genes is given twice (also on line 14)"),
    Broken("unknown key", in_yaml("assembly:", "assembley: x\nassembly:"),
           "cohort.yml:3/assembley", "did you mean 'assembly'?"),
    Broken("unknown key of a contrast", in_yaml("    reference:",
           "    control: a\n    reference:"), "cohort.yml:10/contrasts.0.control",
           "unknown key 'control'"),
    Broken("unknown genome key", in_yaml("blacklist:", "black_list:"),
           "cohort.yml:17/genome.black_list", "did you mean 'blacklist'?"),
    Broken("no name", in_yaml("name: tiny\n", ""), "cohort.yml/name", "is missing"),
    Broken("empty title", in_yaml('"Tiny cohort"', ""), "cohort.yml:2/title", "is empty"),
    Broken("title of spaces", in_yaml("Tiny cohort", "  "), "cohort.yml:2/title", "is empty"),
    Broken("title of two lines", in_yaml("Tiny cohort", "Tiny\\ncohort"), "cohort.yml:2/title",
           "cannot be seen (U+000A"),
    Broken("long title", in_yaml("Tiny", "Tiny" * 60), "cohort.yml:2/title", "at most 200"),
    Broken("list for a title", in_yaml('"Tiny cohort"', "[a, b]"), "cohort.yml:2/title",
           "should be a valid string"),
    Broken("name with a slash", in_yaml("name: tiny", "name: a/b"), "cohort.yml:1/name", "'a/b'"),
    Broken("name that leads up", in_yaml("name: tiny", 'name: ".."'), "cohort.yml:1/name", "'..'"),
    Broken("mouse assembly", in_yaml("GRCh38", "mm10"), "cohort.yml:3/assembly", "'mm10'"),
    Broken("list for an assembly", in_yaml("GRCh38", "[GRCh38]"), "cohort.yml:3/assembly",
           "['GRCh38']"),
    Broken("neither true nor false", in_yaml("simulated: false", "simulated: perhaps"),
           "cohort.yml:18/simulated", "'perhaps'"),
    Broken("groups as a list", in_yaml("  reference: healthy\n  non_responder: relapse",
           "  - healthy\n  - relapse"), "cohort.yml:5/groups", "valid dictionary"),
    Broken("no group", in_yaml("  reference: healthy\n  non_responder: relapse\n", ""),
           "cohort.yml:5/groups", "is empty"),
    Broken("one label, two roles", in_yaml("non_responder: relapse", "non_responder: healthy"),
           "cohort.yml:5/groups", "the label 'healthy' stands for two roles"),
    Broken("group without label", in_yaml("non_responder: relapse", "non_responder:"),
           "cohort.yml:7/groups.non_responder", "is empty"),
    Broken("invisible label", in_yaml("non_responder: relapse",
           'non_responder: "re\\u200blapse"'), "cohort.yml:7/groups.non_responder",
           "U+200B, ZERO WIDTH SPACE"),
    Broken("unknown chapter", in_yaml("[cohort, quality]", "[cohort, qualty]"),
           "cohort.yml:11/chapters.1", "did you mean 'quality'?"),
    Broken("chapter that is no text", in_yaml("[cohort, quality]", "[cohort, {a: b}]"),
           "cohort.yml:11/chapters.1", "valid string"),
    Broken("no chapter", in_yaml("[cohort, quality]", "[]"), "cohort.yml:11/chapters",
           "at least 1 item"),
    Broken("chapters as a text", in_yaml("[cohort, quality]", "quality"),
           "cohort.yml:11/chapters", "a list of chapters"),
    # overrides
    Broken("override of no chapter", in_yaml("  quality:\n", "  qualty:\n"),
           "cohort.yml:13/overrides.qualty", "did you mean 'quality'?"),
    Broken("override of no parameter", in_yaml("min_genes:", "min_gene:"),
           "cohort.yml:14/overrides.quality.min_gene", "did you mean 'min_genes'?"),
    Broken("text for a number", in_yaml("min_genes: 5", "min_genes: five"),
           "cohort.yml:14/overrides.quality.min_genes", "min_genes = 'five': input should be"),
    Broken("half a gene", in_yaml("min_genes: 5", "min_genes: 5.5"),
           "cohort.yml:14/overrides.quality.min_genes", "valid integer"),
    Broken("true for a number", in_yaml("min_genes: 5", "min_genes: yes"),
           "cohort.yml:14/overrides.quality.min_genes", "valid integer"),
    Broken("out of range", in_yaml("min_genes: 5", "max_pct_mito: 101"),
           "cohort.yml:14/overrides.quality.max_pct_mito", "less than or equal to 100"),
    Broken("no number", in_yaml("min_genes: 5", "max_pct_mito: .nan"),
           "cohort.yml:14/overrides.quality.max_pct_mito", "finite number"),
    Broken("minimum above maximum", in_yaml("min_genes: 5", "min_genes: 50"),
           "cohort.yml:14/overrides.quality.min_genes", "min_genes (50) must be below max_genes"),
    Broken("minimum above the default", in_yaml("min_genes: 5",
           "min_genes: 5\n    min_umis: 30000"), "cohort.yml:15/overrides.quality.min_umis",
           "must be below max_umis (25000)"),
    Broken("more components than genes", in_yaml("  quality:",
           "  fig1_composition: {n_pcs: 60, n_variable_genes: 60}\n  quality:"),
           "cohort.yml:13/overrides.fig1_composition.n_pcs",
           "must be below n_variable_genes (60)"),
    Broken("overrides as a list", in_yaml("    min_genes: 5\n    max_genes: 50",
           "    - min_genes"), "cohort.yml:13/overrides.quality", "valid dictionary"),
    Broken("no marker file", in_yaml("  quality:",
           "  fig1_composition:\n    markers: my.yml\n  quality:"),
           "cohort.yml:14/overrides.fig1_composition.markers", "my.yml does not exist"),
    Broken("marker file without types", lambda folder: in_yaml("  quality:",
           f"  fig1_composition:\n    markers: {folder}/samples.csv\n  quality:")(folder),
           "cohort.yml:14/overrides.fig1_composition.markers", "holds no list of cell types"),
    Broken("factors without their column", lambda folder: in_yaml("  quality:",
           f"  regulons:\n    factor_table: {folder}/samples.csv\n  quality:")(folder),
           "cohort.yml:14/overrides.regulons.factor_table", "needs a column 'tf'"),
    Broken("two ways to find motifs", in_yaml("  quality:",
           "  fig8_pro_b_motifs:\n    match_pvalue: 0.001\n  quality:"),
           "cohort.yml:14/overrides.fig8_pro_b_motifs.match_pvalue",
           "is 0.001, fig7_hsc_mpp_motifs.match_pvalue 5e-05"),
    Broken("sequence without index", both(hold("genome.fa", ">chr1\nACGT\n"),
           in_yaml("genome:\n", "genome:\n  fasta: genome.fa\n")),
           "cohort.yml:17/genome.fasta", "has no index (.fai)"),
    # contrasts and results
    Broken("contrast with itself", in_yaml("    reference: healthy", "    reference: relapse"),
           "cohort.yml:9/contrasts.0", "compares 'relapse' with itself"),
    Broken("contrast of no group", in_yaml("test: relapse", "test: relaps"),
           "cohort.yml:9/contrasts.0.test", "did you mean 'relapse'?"),
    Broken("contrast twice", in_yaml("chapters:",
           "  - {test: relapse, reference: healthy}\nchapters:"), "cohort.yml:11/contrasts.1",
           "the contrast relapse vs healthy stands twice"),
    Broken("half a contrast", in_yaml("    reference: healthy\n", ""),
           "cohort.yml:9/contrasts.0.reference", "is missing"),
    Broken("contrast without samples", both(in_yaml("test: relapse", "test: remission"),
           in_yaml("  non_r", "  responder: remission\n  non_r")),
           "cohort.yml:10/contrasts.0.test",
           "no sample of group 'remission', which this contrast needs"),
    Broken("results linked outside", link_results_outside, "cohort.yml:1/name",
           "results would be written to"),
    Broken("tables linked outside", link_tables_outside, "cohort.yml:1/name",
           "results/tiny/tables"),
    Broken("file for results", file_for_results, "cohort.yml:1/name", "is not a folder"),
    Broken("results are a file", lambda folder: (folder.parent / "results").write_text(""),
           "cohort.yml:1/name", "results is not a folder"),
    Broken("no genome file", drop("blacklist.bed.gz"), "cohort.yml:17/genome.blacklist",
           "does not exist"),
    Broken("genome file cut", cut("blacklist.bed.gz", 0.9), "cohort.yml:17/genome.blacklist",
           "is cut short"),
    Broken("genome file not packed", hold("blacklist.bed.gz", "chr1\t0\t1000\n"),
           "cohort.yml:17/genome.blacklist", "is not gzipped"),
    Broken("blacklist named otherwise", in_packed("blacklist.bed.gz", lambda text: text[3:]),
           "cohort.yml:17/genome.blacklist", "names its chromosomes like '1'"),
    Broken("annotation named otherwise", both(hold("genes.tsv", "chrom\tstart\tend\tstrand\tgene\n"
           "1\t5\t9\t+\tA\n"), in_yaml("genome:\n", "genome:\n  annotation: genes.tsv\n")),
           "cohort.yml:17/genome.annotation", "names its chromosomes like '1'"),
    # the sheet
    Broken("no sheet", drop("samples.csv"), "cohort.yml:4/samples", "does not exist"),
    Broken("folder for a sheet", sheet_is_a_folder, "cohort.yml:4/samples", "is a folder"),
    Broken("empty sheet", hold("samples.csv", ""), "samples.csv:1", "is empty"),
    Broken("sheet of commas", hold("samples.csv", ",,,\n,,,\n"), "samples.csv:1", "is empty"),
    Broken("header alone", hold("samples.csv", "sample,group,rna\n"), "samples.csv:2",
           "no sample below the header"),
    Broken("sheet that is no UTF-8", hold("samples.csv", b"sample,group,rna\nM\xfcller,a,b\n"),
           "samples.csv:2", "is not UTF-8"),
    Broken("semicolons", hold("samples.csv", "sample;group;rna\na;healthy;A1.h5\n"),
           "samples.csv:1", "separated by semicolons or tabs"),
    Broken("tabs", hold("samples.csv", "sample\tgroup\trna\na\thealthy\tA1.h5\n"),
           "samples.csv:1", "separated by semicolons or tabs"),
    Broken("open quote", in_sheet("d3", '"d3'), "samples.csv:5", "is not CSV: unexpected end"),
    Broken("no column sample", in_sheet("sample,", "patient,"), "samples.csv:1",
           "no column 'sample'"),
    Broken("misspelt group", in_sheet("group", "Grupo"), "samples.csv:1",
           "rename 'Grupo' to 'group'"),
    Broken("misspelt optional column", in_sheet("donor", "donor_id"), "samples.csv:1/donor_id",
           "did you mean 'donor'?"),
    Broken("column twice", in_sheet("donor", "batch"), "samples.csv:1/batch",
           "column 'batch' stands twice"),
    Broken("column without a name", in_sheet("donor", ""), "samples.csv:1", "has no name"),
    Broken("day in words", with_days("0", "0", "7 d", "7"), "samples.csv:4/time_days",
           "'7 d' is not a number"),
    Broken("day without end", with_days("0", "0", "7", "inf"), "samples.csv:5/time_days",
           "'inf' is not a number"),
    Broken("day before the start", with_days("0", "-0.5", "7", "7"), "samples.csv:3/time_days",
           "'-0.5' is negative"),
    Broken("date for a day", with_days("0", "0", "20240315", "7"), "samples.csv:4/time_days",
           "'20240315' is more than 36,525 days"),
    Broken("day missing in a group", with_days("", "", "7", ""), "samples.csv:5/time_days",
           "sample 'B2' has no time, others of group 'relapse' have one"),
    Broken("misspelt day", with_days("0", "0", "7", "7", column="time_day"), "samples.csv:1/time_day",
           "unknown column 'time_day'"),
    Broken("too few fields", in_sheet("A2,d2,healthy,run2,A2,", "A2,d2,healthy,run2"),
           "samples.csv:3", "4 fields where the header has 6"),
    Broken("too many fields", in_sheet("A2,d2,", "A2,d2,Doe, J.,"), "samples.csv:3",
           "8 fields where the header has 6"),
    Broken("sample without name", in_sheet("A2,d2", ",d2"), "samples.csv:3/sample", "is empty"),
    Broken("sample without group", in_sheet("d2,healthy", "d2,"), "samples.csv:3/group",
           "is empty"),
    Broken("invisible name", in_sheet("A2,d2", "A\u200b2,d2"), "samples.csv:3/sample",
           "ZERO WIDTH SPACE"),
    Broken("bell in a donor", in_sheet("d2,", "d\x072,"), "samples.csv:3/donor", "U+0007"),
    Broken("long name", in_sheet("A2,d2", "A" * 101 + ",d2"), "samples.csv:3/sample",
           "has 101 characters, at most 100"),
    Broken("sample twice", in_sheet("B1,d3", "A1,d3"), "samples.csv:4/sample",
           "sample 'A1' stands twice (also in row 2)"),
    Broken("samples alike but for case", in_sheet("B1,d3", "a1,d3"), "samples.csv:4/sample",
           "sample 'a1' differs from 'A1' only by case (also in row 2)"),
    Broken("unknown group", in_sheet("d4,relapse", "d4,Relapsed"), "samples.csv:5/group",
           "did you mean 'relapse'?"),
    Broken("confounded with batch", both(in_sheet("healthy,run2", "healthy,run1"),
           in_sheet("relapse,run1", "relapse,run2")), "samples.csv:4/batch",
           "every batch holds only one of 'relapse' and 'healthy'"),
    Broken("nothing measured", in_sheet("run2,A2,", "run2,,"), "samples.csv:3",
           "neither rna nor fragments"),
    Broken("one file for two samples", in_sheet("B1.h5ad", "./A1.h5"), "samples.csv:4/rna",
           "A1.h5 is also that of row 2 ('A1')"),
    # the files it names
    Broken("no such file", drop("A1.h5"), "samples.csv:2/rna", "A1.h5 does not exist"),
    Broken("Windows path", in_sheet("run2,A2,", "run2,in\\A2,"), "samples.csv:3/rna",
           "write / between folders"),
    Broken("endless path", in_sheet("run2,A2,", f"run2,{'x' * 5000},"), "samples.csv:3/rna",
           "cannot be looked at (File name too long)"),
    Broken("link to itself", link_loop, "samples.csv:2/rna", "A1.h5 cannot be looked at"),
    Broken("path of two lines", in_sheet("run2,A2,", 'run2,"A\n2",'), "samples.csv:4/rna",
           "A\\n2 does not exist"),
    Broken("file of another kind", both(in_sheet("A1.h5", "A1.rds"), hold("A1.rds", "x")),
           "samples.csv:2/rna", "A1.rds is neither .h5, .h5ad nor a folder"),
    Broken("matrix in place of its folder", in_sheet("run2,A2,", "run2,A2/matrix.mtx.gz,"),
           "samples.csv:3/rna", "name the folder it lies in"),
    Broken("folder above", both(lambda f: (f / "in").mkdir(),
           lambda f: (f / "A2").rename(f / "in" / "filtered"), in_sheet("run2,A2,", "run2,in,")),
           "samples.csv:3/rna", "did you mean in/filtered?"),
    Broken("folder for fragments", fragments_are_a_folder, "samples.csv:2/fragments",
           "is a folder"),
    Broken("no peaks", both(in_sheet(",fragments\n", ",peaks\n"), in_sheet("A1.fragments.tsv.gz",
           "p.bed")), "samples.csv:2/peaks", "p.bed does not exist"),
    Broken("peaks that are none", both(hold("p.bed", "chr1\t5\t9\nfoo bar\n"),
           with_days("p.bed", "", "", "", column="peaks")), "samples.csv:2/peaks",
           "a line is not chrom, start, end"),
    Broken("fragments cut", cut("A1.fragments.tsv.gz", 0.9), "samples.csv:2/fragments",
           "is cut short"),
    Broken("fragments without index", drop("A1.fragments.tsv.gz.tbi"), "samples.csv:2/fragments",
           "has no index"),
    Broken("fragments gzipped plainly", pack_plainly("A1.fragments.tsv.gz"),
           "samples.csv:2/fragments", "is not bgzipped"),
    Broken("fragments not packed", hold("A1.fragments.tsv.gz", "chr1\t1\t2\tA\t1\n"),
           "samples.csv:2/fragments", "is not gzipped"),
    # .h5
    Broken(".h5 cut", cut("A1.h5"), "samples.csv:2/rna", "A1.h5 is cut short"),
    Broken(".h5 of text", hold("A1.h5", "gene,cell\n"), "samples.csv:2/rna",
           "A1.h5 is damaged or not what it claims"),
    Broken(".h5 of nothing", hold("A1.h5", ""), "samples.csv:2/rna", "A1.h5 is "),
    Broken(".h5 without matrix", in_hdf5("A1.h5", lambda f: f.move("matrix", "other/matrix")),
           "samples.csv:2/rna", "has no Cell Ranger matrix inside (but other)"),
    Broken(".h5 without values", in_hdf5("A1.h5", remove("matrix/data")), "samples.csv:2/rna",
           "A1.h5 has no matrix/data"),
    Broken(".h5 with a group for a list", in_hdf5("A1.h5", both(remove("matrix/data"),
           lambda f: f.create_group("matrix/data"))), "samples.csv:2/rna",
           "something else than a list in matrix/data"),
    Broken(".h5 normalised", in_hdf5("A1.h5", put("matrix/data", np.log1p)), "samples.csv:2/rna",
           "holds 0.6931: normalised, not raw, counts"),
    Broken(".h5 negative", in_hdf5("A1.h5", put("matrix/data", lambda x: -x)),
           "samples.csv:2/rna", "holds -1: normalised"),
    Broken(".h5 of infinity", in_hdf5("A1.h5", put("matrix/data", lambda x: np.full(len(x),
           np.inf))), "samples.csv:2/rna", "holds inf: normalised"),
    Broken(".h5 of zeros", in_hdf5("A1.h5", put("matrix/data", lambda x: 0 * x)),
           "samples.csv:2/rna", "holds no count above 0"),
    Broken(".h5 of fewer barcodes", in_hdf5("A1.h5", put("matrix/barcodes", lambda x: x[1:])),
           "samples.csv:2/rna", "lists 40 features and 59 barcodes"),
    Broken(".h5 of fewer values", in_hdf5("A1.h5", put("matrix/data", lambda x: x[1:])),
           "samples.csv:2/rna", "that do not fit"),
    Broken(".h5 of fewer names", in_hdf5("A1.h5", put("matrix/features/name", lambda x: x[1:])),
           "samples.csv:2/rna", "lists 40 feature ids, 39 names"),
    Broken(".h5 whose starts fall", in_hdf5("A1.h5", put("matrix/indptr", lambda x: np.r_[x[:1],
           x[1:-1][::-1], x[-1:]])), "samples.csv:2/rna", "that do not fit"),
    Broken(".h5 with a barcode twice", in_hdf5("A1.h5", put("matrix/barcodes",
           lambda x: np.r_[x[:1], x[:1], x[2:]])), "samples.csv:2/rna",
           f"barcode '{BARCODE.decode()}' stands twice"),
    Broken(".h5 linked to another", in_hdf5("A1.h5", both(remove("matrix/data"),
           lambda f: f["matrix"].__setitem__("data", h5py.ExternalLink("B2.h5", "GRCh38/data")))),
           "samples.csv:2/rna", "/matrix/data (link to another file)"),
    Broken(".h5 of two genomes", lambda folder: write_h5_v2(folder / "B2.h5", some_counts(5),
           genome="mm10"), "samples.csv:5/rna", "holds several genomes (GRCh38, mm10)"),
    Broken(".h5 of proteins", in_hdf5("A1.h5", put("matrix/features/feature_type",
           np.full(N_GENES, b"Antibody Capture"))), "samples.csv:2/rna",
           "has no gene expression (feature types: Antibody Capture)"),
    Broken("mouse genes", new_h5(genes=MOUSE), "samples.csv:2/rna", "those of a mouse"),
    Broken("rat ids", new_h5(genes=RAT), "samples.csv:2/rna", "such as ENSRNOG"),
    Broken("mouse genome", new_h5(genome="mm10"), "samples.csv:2/rna", "was aligned to mm10"),
    Broken("other human genome", new_h5(genome="GRCh37"), "samples.csv:2/rna",
           "set assembly: GRCh37"),
    Broken("hg19", new_h5(genome="hg19"), "samples.csv:2/rna", "was aligned to hg19"),
    Broken("T2T", new_h5(genome="T2T-CHM13v2.0"), "samples.csv:2/rna", "aligned to T2T"),
    Broken("peaks for genes", new_h5(genes=PEAKS), "samples.csv:2/rna",
           "0% of the genes are known by symbol or Ensembl id (the first: chr1:000-050)"),
    Broken("too few cells", new_h5(n_cells=49), "samples.csv:2/rna", "49 cells"),
    # matrix folders
    Broken("matrix cut", cut("A2/matrix.mtx.gz"), "samples.csv:3/rna", "A2 is cut short"),
    Broken("features cut", cut("A2/features.tsv.gz"), "samples.csv:3/rna", "A2 is cut short"),
    Broken("matrix of fewer lines", in_packed("A2/matrix.mtx.gz",
           lambda text: "\n".join(text.split("\n")[:-6])), "samples.csv:3/rna",
           "matrix.mtx.gz announces"),
    Broken("matrix without shape", in_packed("A2/matrix.mtx.gz", lambda text: text[:40]),
           "samples.csv:3/rna", "does not "),
    Broken("matrix of text", in_packed("A2/matrix.mtx.gz", lambda _: "gene,cell\n"),
           "samples.csv:3/rna", "does not begin with %%MatrixMarket"),
    Broken("matrix not packed", hold("A2/matrix.mtx.gz", "%%MatrixMarket\n"), "samples.csv:3/rna",
           "A2 is damaged or not what it claims (Not a gzipped file"),
    Broken("matrix of words", in_packed("A2/matrix.mtx.gz", lambda text: text.replace(" 1\n",
           " x\n")), "samples.csv:3/rna", "A2 is damaged"),
    Broken("matrix of patterns", in_packed("A2/matrix.mtx.gz", lambda text: text.replace(" 1\n",
           "\n")), "samples.csv:3/rna", "has a line of 2 numbers"),
    Broken("matrix beyond its shape", in_packed("A2/matrix.mtx.gz",
           lambda text: text.replace("\n40 60 ", "\n30 60 ")), "samples.csv:3/rna",
           "names a row or column beyond its shape"),
    Broken("normalised folder", in_packed("A2/matrix.mtx.gz", lambda text: text.replace(" 1\n",
           " 0.5\n")), "samples.csv:3/rna", "holds 0.5: normalised"),
    Broken("no barcodes", drop("A2/barcodes.tsv.gz"), "samples.csv:3/rna",
           "A2 has no barcodes.tsv.gz"),
    Broken("other barcodes", in_packed("A2/barcodes.tsv.gz", lambda text: text + "ACGT-1\n"),
           "samples.csv:3/rna", "name 40 features and 61 barcodes"),
    # .h5ad
    Broken(".h5ad cut", cut("B1.h5ad"), "samples.csv:4/rna", "B1.h5ad is cut short"),
    Broken(".h5ad normalised", new_h5ad(log_in_x), "samples.csv:4/rna",
           "holds no raw counts (X holds"),
    Broken(".h5ad normalised all over", new_h5ad(log_in_all), "samples.csv:4/rna",
           "; layers/counts holds"),
    Broken(".h5ad without matrix", in_hdf5("B1.h5ad", remove("X")), "samples.csv:4/rna",
           "holds no raw counts (neither X nor layers nor raw)"),
    Broken(".h5ad without cells", in_hdf5("B1.h5ad", remove("obs")), "samples.csv:4/rna",
           "has no table obs"),
    Broken(".h5ad of old", in_hdf5("B1.h5ad", put("var", OLD_TABLE)), "samples.csv:4/rna",
           "older than anndata 0.7"),
    Broken(".h5ad without index", in_hdf5("B1.h5ad", remove("obs/_index")), "samples.csv:4/rna",
           "has no obs/_index"),
    Broken(".h5ad of fewer cells", in_hdf5("B1.h5ad", put("obs/_index", lambda x: x[1:])),
           "samples.csv:4/rna", "60 x 40 counts in X, but 59 cells"),
    Broken(".h5ad linked to another", in_hdf5("B1.h5ad",
           lambda f: f["layers"].__setitem__("counts", h5py.ExternalLink("/etc/passwd", "/"))),
           "samples.csv:4/rna", "/layers/counts (link to another file)"),
    Broken(".h5ad linked to nothing", in_hdf5("B1.h5ad", lambda f: f["uns"].__setitem__("gone",
           h5py.SoftLink("/nothing"))), "samples.csv:4/rna", "/uns/gone (link to nothing)"),
    Broken(".h5ad with pickled data", in_hdf5("B1.h5ad", opaque), "samples.csv:4/rna",
           "/uns/model (opaque bytes, such as a pickled object)"),
    Broken(".h5ad with a pickled field", in_hdf5("B1.h5ad", hidden_opaque), "samples.csv:4/rna",
           "/uns/table (opaque bytes"),
    Broken(".h5ad with data elsewhere", in_hdf5("B1.h5ad", other_file_for_x), "samples.csv:4/rna",
           "/X (data kept in another file)"),
]
# fmt: on
assert len({case.name for case in BROKEN}) == len(BROKEN)
assert os.sep == "/"
