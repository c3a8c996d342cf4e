"""The words the parts agree on: file names for any text, contrasts for any groups."""

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.errors import Defect, FileError, escape_unseen
from helpers.schema import Claim, CohortFile, Contrast, Sample, compose, file_key, name_problem

TEXT = st.text(max_size=80)
# Texts that are alike once what a file name cannot hold is gone.
ALIKE = st.text(alphabet="aA-_/. ~é", min_size=1, max_size=4)


def make_file(**changes: object) -> CohortFile:
    fields = {"name": "c", "title": "t", "assembly": "GRCh38", "groups": {"reference": "CK"}}
    return CohortFile.model_validate(fields | changes)


def list_contrasts(file: CohortFile) -> list[str]:
    return [contrast.name for contrast in file.planned_contrasts()]


# file_key


def test_file_key__by_hand():
    assert file_key("CK1") == "CK1"
    assert file_key("a_b-1") == "a_b-1"
    assert file_key("Ärzte & Co") == "Arzte-Co-22e69773"
    assert re.fullmatch(r"sample-[0-9a-f]{8}", file_key("零"))
    assert re.fullmatch(r"sample-[0-9a-f]{8}", file_key(".."))
    assert re.fullmatch(r"etc-passwd-[0-9a-f]{8}", file_key("../../etc/passwd"))
    assert re.fullmatch(r"a-[0-9a-f]{8}", file_key("-a"))


@given(TEXT)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_file_key__stays_in_its_folder(text: str):
    key = file_key(text)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", key)


@given(st.lists(ALIKE | TEXT, unique=True, max_size=30))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_file_key__differs_for_different_texts(texts: list[str]):
    assert len({file_key(text) for text in texts}) == len(texts)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True))
@settings(derandomize=True, deadline=None)
def test_file_key__leaves_plain_names(name: str):
    assert file_key(name) == name


def test_sample__has_the_key_of_its_name():
    sample = Sample(sample="a b", donor="d", group="g", row=2)
    assert sample.key == file_key("a b") != "a b"


# names


@given(TEXT)
@settings(derandomize=True, deadline=None)
def test_compose__is_the_same_twice(text: str):
    assert compose(compose(text)) == compose(text)
    assert compose(f" {text}\t") == compose(text)
    assert compose(unicodedata.normalize("NFD", text)) == compose(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("Li 'Jo' <b>零</b> 🧬", ""),
        ("a\tb", "holds a character that cannot be seen (U+0009, a control character)"),
        ("a\u00a0b", "holds a character that cannot be seen (U+00A0, NO-BREAK SPACE)"),
        ("a\u202eb", "holds a character that cannot be seen (U+202E, RIGHT-TO-LEFT OVERRIDE)"),
        ("a\ud800", "holds a character that cannot be seen (U+D800, a control character)"),
        ("x" * 100, ""),
        ("x" * 101, "has 101 characters, at most 100"),
    ],
)
def test_name_problem__by_hand(text, problem):
    assert name_problem(text) == problem


# contrasts


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"reference": "CK"}, []),
        ({"somebody": "A"}, []),
        ({"reference": "CK", "responder": "CR"}, ["CR vs CK"]),
        ({"responder": "CR", "reference": "CK"}, ["CR vs CK"]),
        ({"reference": "CK", "non_responder": "NCR"}, ["NCR vs CK"]),
        ({"a": "A", "b": "B"}, ["B vs A"]),
        ({"a": "A", "b": "B", "c": "C"}, ["B vs A", "C vs A"]),
        ({"a": "A", "reference": "B", "c": "C"}, ["A vs B", "C vs B"]),
        ({"responder": "CR", "non_responder": "NCR"}, ["NCR vs CR"]),
        ({"reference": "CK", "responder": "CR", "non_responder": "NCR"}, ["NCR vs CR"]),
        ({"reference": "CK", "responder": "CR", "other": "X"}, ["CR vs CK", "X vs CK"]),
    ],
)
def test_planned_contrasts__follow_the_roles(groups, expected):
    assert list_contrasts(make_file(groups=groups)) == expected


def test_planned_contrasts__are_none_without_groups():
    file = make_file(groups={}, dose_response="doses.csv")
    assert list_contrasts(file) == []
    assert file.has_tables


def test_tables__name_what_the_cohort_has_beside_its_samples():
    pair = {"expression": "e.csv", "clinical": "c.csv"}
    file = make_file(dose_response="d.csv", bulk={"training": pair, "validation": pair})
    assert file.tables() == {
        "dose_response": "d.csv",
        "training_expression": "e.csv",
        "training_clinical": "c.csv",
        "validation_expression": "e.csv",
        "validation_clinical": "c.csv",
    }
    assert make_file().tables() == {}
    assert not make_file().has_tables


def test_planned_contrasts__are_those_asked_for():
    groups = {"reference": "CK", "responder": "CR", "non_responder": "NCR"}
    asked = [{"test": "CR", "reference": "CK"}, {"test": "CK", "reference": "NCR"}]
    assert list_contrasts(make_file(groups=groups, contrasts=asked)) == ["CR vs CK", "CK vs NCR"]
    assert list_contrasts(make_file(groups=groups, contrasts=[])) == []


# models


@pytest.mark.parametrize(
    ("typed", "assembly"),
    [("hg38", "GRCh38"), ("grch38", "GRCh38"), ("HG19", "GRCh37"), ("GRCh37", "GRCh37")],
)
def test_cohort_file__knows_assemblies_by_either_name(typed, assembly):
    assert make_file(assembly=typed).assembly == assembly


def test_cohort_file__composes_labels_and_removes_space():
    file = make_file(groups={" a ": " Re\u0301mission\n"}, title=" t ")
    assert file.groups == {"a": "R\u00e9mission"}
    assert file.title == "t"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../x"}, "should match pattern"),
        ({"name": "x" * 65}, "should match pattern"),
        ({"name": "x\n"}, "should match pattern"),
        ({"assembly": "mm10"}, "'GRCh38' or 'GRCh37'"),
        ({"groups": {}}, "at least 1 item"),
        ({"groups": {"a": "A", "b": " A"}}, "'A' stands for two roles"),
        ({"chapters": []}, "at least 1 item"),
        ({"extra": 1}, "Extra inputs are not permitted"),
        ({"contrasts": [{"test": "A", "reference": ""}]}, "is empty"),
    ],
)
def test_cohort_file__refuses(changes, message):
    with pytest.raises(ValidationError, match=message):
        make_file(**changes)


def test_models__cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        make_file().name = "other"


def test_claim__wants_a_plain_id_and_a_direction():
    effect = {"measure": "proportion", "test": "responder"}
    fields = {
        "id": "a_1", "source": "s", "sentence": "s", "chapter": "c", "panel": "A",
        "effect": effect, "direction": "up",
    }  # fmt: skip
    assert Claim.model_validate(fields).effect.reference is None
    with pytest.raises(ValidationError, match="pattern"):
        Claim.model_validate(fields | {"id": "a-1"})
    with pytest.raises(ValidationError, match="'up' or 'down'"):
        Claim.model_validate(fields | {"direction": "sideways"})


def test_contrast__is_named_test_first():
    assert Contrast(test="NCR", reference="CR").name == "NCR vs CR"


# errors


def test_defect__is_one_line():
    defect = Defect("a.csv:2/rna", "x\ny\x1b[31m does not exist", "a file", "correct it")
    assert str(defect) == (
        "a.csv:2/rna — x\\ny\\x1b[31m does not exist — expected a file — correct it"
    )


def test_escape_unseen__leaves_what_can_be_seen():
    assert escape_unseen("Åsa 零 — 'a' \\ 🧬") == "Åsa 零 — 'a' \\ 🧬"
    assert escape_unseen("\u202e\x00\u00a0") == "\\u202e\\x00\\xa0"


def test_file_error__says_all_in_one_sentence():
    error = FileError(Path("a/x.h5"), "is empty", expected="counts", remedy="copy it again")
    assert str(error) == "a/x.h5 is empty; expected counts: copy it again"
