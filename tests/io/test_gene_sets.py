"""Gene sets: reading, the built-in collection, and fetching with a checked digest."""

import gzip
import hashlib
from pathlib import Path

import pytest
import yaml

from helpers.errors import DataError
from helpers.io.gene_sets import fetch_gene_sets, read_gene_sets, read_published, read_sources
from helpers.io.reference import read_genes
from helpers.params import gene_set_files, marker_file


def test_read_gene_sets__by_hand(tmp_path: Path):
    path = tmp_path / "mine.gmt"
    path.write_text("GO BP: growth\tsource\tA\tB\tA\nHALLMARK_DNA_REPAIR\t\tC\tD,1.0\n\n")
    assert read_gene_sets([path]) == {
        ("GO BP", "growth"): ["A", "B"],
        ("mine", "Dna repair"): ["C", "D"],
    }


def test_read_gene_sets__reads_gzip(tmp_path: Path):
    path = tmp_path / "packed.gmt.gz"
    path.write_bytes(gzip.compress(b"L: t\t\tA\n"))
    assert read_gene_sets([path]) == {("L", "t"): ["A"]}


@pytest.mark.parametrize(
    ("content", "match"), [("", "holds no gene set"), ("name\tsource\n", "mine.gmt:1: a gene set")]
)
def test_read_gene_sets__says_what_is_wrong(tmp_path: Path, content: str, match: str):
    path = tmp_path / "mine.gmt"
    path.write_text(content)
    with pytest.raises(DataError, match=match):
        read_gene_sets([path])


def test_read_gene_sets__tells_how_to_fetch_what_is_missing(tmp_path: Path):
    with pytest.raises(DataError, match="relapse-book fetch hallmark"):
        read_gene_sets([tmp_path / "hallmark.gmt"])


def test_built_in_sets__name_known_genes_and_the_pathways_of_the_study():
    sets = read_gene_sets(gene_set_files(["gene_sets.gmt"]))
    known = set(read_genes()["gene"])
    assert {gene for genes in sets.values() for gene in genes} - known == set()
    assert {
        ("GO BP", "B cell receptor signaling pathway"),
        ("GO BP", "T cell receptor signaling pathway"),
        ("GO BP", "Notch signaling pathway"),
        ("GO BP", "DNA replication"),
        ("GO BP", "mismatch repair"),
        ("GO BP", "mitotic cell cycle"),
        ("Hallmark", "Allograft rejection"),
        ("Hallmark", "TNF-alpha signaling via NF-kB"),
        ("Hallmark", "Interferon alpha response"),
    } <= set(sets)
    assert min(len(genes) for genes in sets.values()) >= 10


def list_source(folder: Path, content: bytes, digest: str | None = None) -> Path:
    """A list of sources whose only entry is a local file."""
    (folder / "remote").write_bytes(content)
    entry = {
        "name": "mine",
        "library": "Mine",
        "url": (folder / "remote").as_uri(),
        "sha256": digest or hashlib.sha256(b"L: t\t\tA\n").hexdigest(),
    }
    sources = folder / "sources.yml"
    sources.write_text(yaml.safe_dump([entry]))
    return sources


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_fetch_gene_sets__writes_what_was_listed(tmp_path: Path, pack):
    sources = list_source(tmp_path, pack(b"L: t\t\tA\n"))
    path = fetch_gene_sets("mine", folder=tmp_path / "downloads", sources=sources)
    assert path.read_text() == "L: t\t\tA\n"


def test_fetch_gene_sets__refuses_another_content(tmp_path: Path):
    sources = list_source(tmp_path, b"L: t\t\tB\n")
    with pytest.raises(DataError, match="another content than listed"):
        fetch_gene_sets("mine", folder=tmp_path / "downloads", sources=sources)
    assert not (tmp_path / "downloads").exists()


def test_fetch_gene_sets__refuses_unknown_names_and_dead_addresses(tmp_path: Path):
    sources = list_source(tmp_path, b"")
    (tmp_path / "remote").unlink()
    with pytest.raises(DataError, match="listed: mine"):
        fetch_gene_sets("other", folder=tmp_path, sources=sources)
    with pytest.raises(DataError, match="could not be read"):
        fetch_gene_sets("mine", folder=tmp_path, sources=sources)


def test_read_sources__has_a_digest_and_a_licence_for_each():
    entries = read_sources()
    assert [entry["name"] for entry in entries] == ["hallmark", "go_bp", "reactome"]
    assert {len(entry["sha256"]) for entry in entries} == {64}
    assert all(entry["licence"] for entry in entries)


def test_listed_digests__are_those_of_the_collections(real_data: Path):
    files = {
        "hallmark": "h.all.v7.0.symbols.gmt.gz",
        "go_bp": "enrichr.GO_Biological_Process_2021.gmt.gz",
        "reactome": "ReactomePathways.gmt.gz",
    }
    digests = {
        name: hashlib.sha256(
            gzip.decompress((real_data / "genesets" / file).read_bytes())
        ).hexdigest()
        for name, file in files.items()
    }
    assert digests == {entry["name"]: entry["sha256"] for entry in read_sources()}


def test_read_published__gives_the_genes_of_the_study():
    known = read_published(marker_file("subclusters.yml"))
    assert set(known) == {"HSC/MPP", "Pro-B"}
    assert known["HSC/MPP"]["2"] == ["RASA3", "CD247", "EML4", "SKAP1", "ANKRD44"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("- cell_type: [", "cannot be read as YAML"),
        ("cell_type: HSC/MPP", "entry 1 needs cell_type, subcluster and genes"),
        ("- {cell_type: A, subcluster: 0, genes: TCF4}", "entry 1 needs"),
    ],
)
def test_read_published__names_what_is_wrong_with_a_file(tmp_path, content, what):
    path = tmp_path / "published.yml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=what):
        read_published(path)


def test_read_gene_sets__refuses_genes_that_are_numbers(real_data: Path):
    path = real_data / "genesets/wikipathways-20220310-gmt-Homo_sapiens.gmt.gz"
    with pytest.raises(DataError, match="numbers its genes"):
        read_gene_sets([path])


def test_read_gene_sets__names_a_file_that_is_cut(tmp_path):
    path = tmp_path / "sets.gmt.gz"
    path.write_bytes(gzip.compress(b"A\tb\tTP53\tMYC\n" * 100)[:40])
    with pytest.raises(DataError, match="cannot be read as a GMT file"):
        read_gene_sets([path])
