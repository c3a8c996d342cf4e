"""The registry of signatures: what it holds, and every way in which one can be wrong."""

from pathlib import Path

import pytest
import yaml

from helpers.errors import DataError
from helpers.io.gene_sets import read_gene_sets
from helpers.io.reference import read_genes
from helpers.io.signatures import (
    Registry,
    gather_signatures,
    list_signature_genes,
    read_registry,
)
from helpers.params import gene_set_files, marker_file
from helpers.schema import Signature

GOOD = {
    "id": "mine",
    "name": "Mine",
    "topic": "resistance",
    "up": ["A", "B"],
    "source": "a paper",
    "disease": "AML",
    "status": "exact",
}


def write(folder: Path, *entries: dict[str, object], aliases: object = None) -> Path:
    path = folder / "mine.yml"
    content = {"aliases": aliases or {}, "signatures": list(entries)}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def gather(folder: Path, entry: dict[str, object], **more: object) -> Signature:
    """The one signature of a registry of one entry."""
    registry = read_registry(write(folder, entry))
    settings: dict[str, object] = {"sets": {}, "lists_folder": None} | more
    (found,) = gather_signatures(registry, settings["sets"], lists_folder=settings["lists_folder"])
    return found


def built_in() -> Registry:
    return read_registry(marker_file("signatures.yml"))


def test_registry__holds_the_published_programmes_by_status():
    status = {entry.id: entry.status for entry in built_in().entries}
    assert {name for name, value in status.items() if value == "pending"} == {
        "cytarabine_42_probes",
        "dormancy_ebinger",
        "xpo1_response",
    }
    assert status["lsc17"] == status["s_phase"] == status["g0_arrest"] == "exact"
    assert status["cytarabine_cytokine"] == status["ball_hsc_mpp_0"] == "partial"
    assert status["cytarabine_oxphos"] == status["quiescence"] == "proxy"


def test_registry__has_the_genes_and_numbers_of_the_sources():
    entries = {entry.id: entry for entry in built_in().entries}
    cytokine = entries["cytarabine_cytokine"]
    assert cytokine.up == ("BCL3", "OAS3", "RELB", "AIM2", "NFKB2")
    assert cytokine.down == ("CLEC9A", "OAS2")
    assert cytokine.doi == "10.21873/cgp.20533"
    assert entries["cytarabine_prdm16"].up == ("PRDM16", "MYC", "SLC1A5")
    assert entries["cytarabine_s100a4"].up == ("S100A4", "NR6A1", "TP53")
    published = entries["cytarabine_42_probes"].published
    assert [(e.hazard_ratio, e.ci_low, e.ci_high) for e in published] == [
        (2.040, 1.364, 3.051),
        (2.528, 1.393, 4.591),
        (2.442, 1.205, 4.950),
        (2.376, 1.181, 4.779),
    ]


def test_registry__names_genes_by_symbols_in_use():
    known = set(read_genes()["gene"])
    assert list_signature_genes(built_in()) - known == set()
    assert set(built_in().aliases) & known <= {"KIAA1109"}


def test_registry__lsc17_is_that_of_the_paper(real_data: Path):
    lines = (real_data / "signatures/lsc17_ng2016.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    registry = built_in()
    lsc17 = next(entry for entry in registry.entries if entry.id == "lsc17")
    assert {now: float(weight) for _, now, weight in rows} == lsc17.weights
    old = {before: now for before, now, _ in rows if before != now}
    assert old.items() <= registry.aliases.items()


def test_gather_signatures__without_a_folder_says_which_list_is_wanted():
    sets = read_gene_sets(gene_set_files(["gene_sets.gmt"]))
    found = {s.id: s for s in gather_signatures(built_in(), sets, lists_folder=None)}
    assert found["g0_arrest"].weights == {}
    assert "g0arrest_upregulated_common.txt" in found["g0_arrest"].reason
    assert found["cytarabine_42_probes"].reason.startswith("the sources at hand name no probe")
    assert len(found["cytarabine_oxphos"].weights) == 28
    assert [s.id for s in found.values() if not s.reason and not s.weights] == []


def test_gather_signatures__reads_lists_that_may_not_come_with_the_project(real_data: Path):
    folder = real_data / "signatures"
    found = {s.id: s for s in gather_signatures(built_in(), {}, lists_folder=folder)}
    lines = {
        side: (folder / f"g0arrest_{side}regulated_common.txt").read_text().split()
        for side in ("up", "down")
    }
    assert found["g0_arrest"].up == list(dict.fromkeys(lines["up"]))
    assert found["g0_arrest"].down == list(dict.fromkeys(lines["down"]))
    assert {"ACSL4"} <= set(found["ferrdb_drivers"].up)
    assert {"GPX4", "SLC7A11"} <= set(found["ferrdb_suppressors"].up)
    assert "no GMT file of gene_sets holds Hallmark: MYC targets V1" in (
        found["cytarabine_myc_targets"].reason
    )


def test_gather_signatures__takes_the_first_set_at_hand_whatever_its_case(tmp_path: Path):
    entry = GOOD | {"sets": ["Hallmark: DNA repair", "GO BP: mismatch repair"], "up": []}
    small, large = {("GO BP", "mismatch repair"): ["M"]}, {("Hallmark", "Dna repair"): ["D", "E"]}
    assert gather(tmp_path, entry, sets=small).up == ["M"]
    assert gather(tmp_path, entry, sets=small | large).up == ["D", "E"]


def test_gather_signatures__keeps_signs_and_weights_apart(tmp_path: Path):
    signs = gather(tmp_path, GOOD | {"down": ["C"]})
    assert (signs.weights, signs.linear) == ({"A": 1.0, "B": 1.0, "C": -1.0}, False)
    entry = {key: value for key, value in GOOD.items() if key != "up"} | {"weights": {"A": -0.5}}
    linear = gather(tmp_path, entry)
    assert (linear.weights, linear.linear, linear.down) == ({"A": -0.5}, True, ["A"])


LISTED = {key: value for key, value in GOOD.items() if key != "up"}
TABLE = LISTED | {
    "files": {"up": {"file": "t.csv", "column": "gene", "where": {"class": "driver"}}}
}


def test_gather_signatures__reads_the_rows_of_a_table(tmp_path: Path):
    (tmp_path / "t.csv").write_text("gene,class\nA,driver\nB,suppressor\nA,driver\n")
    assert gather(tmp_path, TABLE, lists_folder=tmp_path).up == ["A"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("gene,kind\nA,driver\n", "t.csv: has no column class; it has gene, kind"),
        ("gene,class\nA,suppressor\n", "t.csv: holds no gene"),
        ("", "t.csv: cannot be read as a list of genes"),
    ],
)
def test_gather_signatures__says_what_is_wrong_with_a_list(
    tmp_path: Path, content: str, match: str
):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=match):
        gather(tmp_path, TABLE, lists_folder=tmp_path)


def test_gather_signatures__refuses_a_gene_in_both_lists(tmp_path: Path):
    (tmp_path / "u.txt").write_text("A\nB\n")
    (tmp_path / "d.txt").write_text("C\nB\n")
    entry = LISTED | {"files": {"up": {"file": "u.txt"}, "down": {"file": "d.txt"}}}
    with pytest.raises(DataError, match="B stands in both lists of mine"):
        gather(tmp_path, entry, lists_folder=tmp_path)
    (tmp_path / "d.txt").unlink()
    assert gather(tmp_path, entry, lists_folder=tmp_path).reason.endswith("does not hold d.txt")


OUTSIDE = {"outcome": "OS", "cohort": "x", "hazard_ratio": 2, "ci_low": 3, "ci_high": 4}
WRONG = [
    (GOOD | {"statis": "exact"}, "entry mine, statis = 'exact': unknown field; did you mean 'status'"),
    (GOOD | {"status": "sure"}, "entry mine, status = 'sure': input should be 'exact'"),
    (GOOD | {"doi": "nature20598"}, "entry mine, doi = 'nature20598': string should match"),
    (GOOD | {"status": "pending"}, "with status pending 0 of them is given, not 1"),
    (GOOD | {"weights": {"A": 1.0}}, "with status exact 1 of them is given, not 2"),
    (GOOD | {"up": []}, "with status exact 1 of them is given, not 0"),
    (GOOD | {"down": ["B"]}, "B stands under up and under down"),
    ({k: v for k, v in GOOD.items() if k != "source"}, "entry mine, source: field required"),
    (GOOD | {"published": [OUTSIDE]}, "hazard ratio 2.0 lies outside 3.0 to 4.0"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "match"), WRONG)
def test_read_registry__names_entry_field_and_value(tmp_path: Path, entry, match: str):
    with pytest.raises(DataError, match=match):
        read_registry(write(tmp_path, entry))


def test_read_registry__tells_every_defect_at_once(tmp_path: Path):
    path = write(
        tmp_path, GOOD, GOOD, GOOD | {"id": "Bad Id"}, {"id": "x"}, aliases={"A": "B", "B": "C"}
    )
    with pytest.raises(DataError) as caught:
        read_registry(path)
    text = str(caught.value)
    assert "the alias A leads to B, which is itself given as an earlier symbol" in text
    assert "the id mine stands twice" in text
    assert "entry Bad Id, id = 'Bad Id'" in text
    assert "entry x, name: field required" in text


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: [", "cannot be read as YAML"),
        ("- 1", "a registry holds aliases and signatures"),
        ("signature: []", "unknown key 'signature'"),
        ("signatures: []", "signatures holds no list"),
        ("aliases: [1]\nsignatures: []", "aliases is no table"),
    ],
)
def test_read_registry__says_what_is_no_registry(tmp_path: Path, text: str, match: str):
    path = tmp_path / "mine.yml"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        read_registry(path)


def test_read_registry__names_a_file_that_is_absent(tmp_path: Path):
    with pytest.raises(DataError, match=r"absent\.yml: cannot be read"):
        read_registry(tmp_path / "absent.yml")
