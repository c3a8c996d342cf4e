"""What pages of comparisons show, and claims that can be looked up."""

import pandas as pd
import pytest
import yaml

from helpers.errors import NotPossibleError
from helpers.io.gene_sets import read_gene_sets, read_published
from helpers.params import gene_set_files, marker_file
from helpers.project import PARAMS
from helpers.report.book import with_title
from helpers.report.chapters import BY_ID
from helpers.report.contrasts import shown_types
from helpers.schema import Claim, Contrast

TESTS = pd.DataFrame(
    {
        "cell_type": ["T", "B"],
        "contrast": "NCR vs CR",
        "unit": "cell",
        "n_genes": [100, 0],
        "reason": ["", "CR: 2 cells; needed: 5"],
    }
)
NCR_CR = Contrast(test="NCR", reference="CR")


def test_shown_types__keeps_those_that_could_be_compared():
    assert shown_types(TESTS, ["B", "T", "NK"], NCR_CR) == ["T"]


def test_shown_types__says_why_none_is_shown():
    with pytest.raises(
        NotPossibleError, match="B: CR: 2 cells; needed: 5; NK: no cell was called so"
    ):
        shown_types(TESTS, ["B", "NK"], NCR_CR)


def read_claims() -> list[Claim]:
    entries = yaml.safe_load((PARAMS / "claims.yml").read_text(encoding="utf-8"))
    return [Claim.model_validate(entry) for entry in entries]


def test_claims__name_chapters_terms_and_subclusters_that_exist():
    claims = read_claims()
    assert {claim.chapter for claim in claims} <= set(BY_ID)
    terms = {
        f"{library}: {term}" for library, term in read_gene_sets(gene_set_files(["gene_sets.gmt"]))
    }
    assert {c.effect.feature for c in claims if c.effect.measure == "activity"} <= terms
    for claim in claims:
        published = read_published(marker_file("subclusters.yml")).get(
            claim.effect.cell_type or "", {}
        )
        named = claim.effect.subcluster if claim.effect.measure == "markers" else None
        assert named is None or named in published


def test_claims__have_ids_of_their_own():
    ids = [claim.id for claim in read_claims()]
    assert len(ids) == len(set(ids))


def test_with_title__puts_the_chapters_own_title_over_a_shared_notebook():
    cell = {"cell_type": "markdown", "source": ["# Subclusters\n", "\n", "**Which?**"]}
    assert (
        with_title(cell, "Subclusters of Pro-B")["source"] == "# Subclusters of Pro-B\n\n**Which?**"
    )
