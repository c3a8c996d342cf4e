"""Words of the book's pages: parameters in methods, groups on the landing page."""

import html
import re

import pytest

from helpers.params import load_defaults
from helpers.project import BOOK
from helpers.report.book import (
    ROLE_MEANINGS,
    _as_text,
    _sizes,
    _verdict_summary,
    methods_text,
)
from helpers.report.jobs import Job
from helpers.schema import ROLES


def shown(markdown: str) -> str:
    """Text as a reader sees it: Markdown's escapes, then the entities, resolved once."""
    return html.unescape(re.sub(r"\\(.)", r"\1", markdown))


def test_methods_text__lists_with_commas_and_names_what_is_empty():
    genes = shown(methods_text("fig3_enrichment", load_defaults("fig3_enrichment")))
    assert "(gene sets: gene_sets.gmt; 10 to" in genes.replace("\n", " ")
    learnt = load_defaults("discovery") | {
        "candidates_cell_type": "",
        "candidates_contrast": "a vs b",
    }
    text = shown(methods_text("discovery", learnt))
    assert "(type: none named; samples" in text
    assert "(contrast: a vs b; without a name" in text
    empty = shown(
        methods_text("fig3_enrichment", load_defaults("fig3_enrichment") | {"gene_sets": []})
    )
    assert "(gene sets: none named;" in empty


@pytest.mark.parametrize(
    "text", ["it's #1", "<b>'a' & \"b\"</b>", "a_b [c](d) $x$ {e}", "back\\slash"]
)
def test_as_text__shows_what_was_typed(text):
    written = _as_text(text)
    assert shown(written) == text
    assert "<" not in written
    # an entity stays whole: an escape inside would show it as it is written
    assert re.search(r"&\\?#?\\", written) is None


def test_sizes__says_what_the_groups_are():
    samples = [{"group": label} for label in ("CK", "CK", "NCR", "other")]
    groups = {"reference": "CK", "non_responder": "NCR", "free": "other"}
    job = Job("book", (), (), design={"samples": samples, "groups": groups})
    assert shown(_sizes(job)) == (
        "4 samples; groups: CK (healthy controls, n = 2), NCR (non-remission, n = 1), other (n = 1)."
    )


def test_role_meanings__are_of_all_roles():
    assert set(ROLE_MEANINGS) == set(ROLES)


@pytest.mark.parametrize(
    "word", ["HSC/MPP", "UMI", "TSS", "AUROC", "CK", "NCR", "padj", "log2 ratio"]
)
def test_reading__explains_abbreviations(word):
    rows = re.findall(r"^\| ([^|]+) \|", (BOOK / "reading.md").read_text(encoding="utf-8"), re.M)
    assert word in ", ".join(rows).split(", ")


def test_verdict_summary__counts_and_links_to_the_page_of_claims(tmp_path):
    assert _verdict_summary(tmp_path) == ""
    (tmp_path / "claims.csv").write_text("verdict\nholds\nholds\nnot testable\n")
    assert _verdict_summary(tmp_path) == (
        ' Verdicts on 3 <a href="chapters/claims.html">claims</a> of the sources: '
        "holds 2, not testable 1."
    )
