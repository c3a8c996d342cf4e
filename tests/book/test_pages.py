"""The rendered book as a reader meets it: opened from disk in a real browser, without a network."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from cohorts import HOSTILE, HOSTILE_GROUPS, HOSTILE_TITLE

from helpers.report.chapters import CHAPTERS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("book")]


@dataclass
class Reader:
    """A page that is open, and what it did while it opened."""

    page: object
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def open_reader(browser, url: str) -> Reader:
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    reader = Reader(page)
    page.on("request", lambda request: reader.requests.append(request.url))
    page.on("console", lambda m: reader.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: reader.errors.append(str(error)))
    page.goto(url)
    page.wait_for_load_state("load")
    tables = page.locator("table.sortable").count()
    page.wait_for_function(
        f"document.querySelectorAll('table.sortable[data-ready]').length === {tables}"
    )
    page.evaluate("document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every(i => i.complete)")
    return reader


@pytest.fixture
def open_page(browser, book) -> Iterator[Callable[[str], Reader]]:
    opened = []

    def open_one(name: str) -> Reader:
        path, _, query = name.partition("?")
        url = f"{(book.html / path).as_uri()}?{query}".removesuffix("?")
        opened.append(open_reader(browser, url))
        return opened[-1]

    yield open_one
    for reader in opened:
        reader.page.close()


PAGE_LENGTH = 10  # rows of a table that are seen at once
PAGES = ["index.html", *(f"chapters/{c.id}.html" for c in CHAPTERS)]
PAGES += ["reading.html", "decisions.html", "references.html"]


@pytest.fixture(scope="module", params=PAGES)
def reader(request, browser, book) -> Iterator[Reader]:
    """Every page in turn, opened once for all tests that only look at it."""
    opened = open_reader(browser, (book.html / request.param).as_uri())
    yield opened
    opened.page.close()


def test_page__asks_the_network_for_nothing_and_logs_no_error(reader):
    outside = [u for u in reader.requests if urlparse(u).scheme not in ("file", "data", "blob")]
    assert (outside, reader.errors) == ([], [])


def test_page__shows_no_warning_of_the_program(reader):
    assert reader.page.locator(".output.stderr").count() == 0


def test_page__runs_nothing_that_a_user_typed(reader):
    page = reader.page
    assert page.evaluate("window.owned") is None
    assert page.locator("script", has_text="window.owned").count() == 0
    assert page.locator("i", has_text="healthy").count() == 0


def test_page__says_that_the_data_are_simulated(reader):
    assert reader.page.get_by_text("Simulated data.").first.is_visible()


def test_page__is_not_wider_than_the_window(reader):
    page = reader.page
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_page__links_only_to_what_is_there(reader):
    page = reader.page
    links = page.eval_on_selector_all("a[href]", "found => found.map(a => a.href)")
    paths = {unquote(urlparse(link).path) for link in links if link.startswith("file:")}
    assert [path for path in paths if not Path(path).exists()] == []


def test_page__shows_every_image_and_describes_it(reader):
    page = reader.page
    broken = page.eval_on_selector_all(
        "img", "found => found.filter(i => !i.naturalWidth || !i.alt).map(i => i.src)"
    )
    assert broken == []


GROUPS = tuple(HOSTILE_GROUPS.values())


def test_landing__shows_title_and_groups_as_typed(open_page):
    page = open_page("index.html").page
    title = HOSTILE_TITLE.replace('"quotes"', "“quotes”")
    assert page.locator("article h1").inner_text().removesuffix("#").strip() == title
    body = page.locator("article").inner_text()
    assert all(label.replace('"remission"', "“remission”") in body for label in GROUPS)


def test_landing__has_a_card_for_every_chapter_with_a_picture_of_those_done(open_page, book):
    page = open_page("index.html").page
    cards = page.locator(".gallery a")
    hrefs = cards.evaluate_all("found => found.map(a => a.getAttribute('href'))")
    assert hrefs == [name for name in PAGES if name.startswith("chapters/")]
    done = [path.name for path in (book.folder / "figures").iterdir()]
    assert page.locator(".gallery a img").count() == len(done)
    assert page.locator(".gallery .nothing").count() == len(hrefs) - len(done)


def test_landing__counts_the_verdicts(open_page, book):
    text = open_page("index.html").page.locator("article").inner_text()
    with (book.folder / "claims.csv").open(encoding="utf-8") as rows:
        counts = Counter(row["verdict"] for row in csv.DictReader(rows))
    assert f"Verdicts on {counts.total()} claims" in text
    assert all(f"{verdict} {n}" in text for verdict, n in counts.items())


def test_cohort__names_samples_as_typed_in_the_table(open_page):
    page = open_page("chapters/cohort.html").page
    shown = page.locator("table.sortable").first.locator("tbody td:first-child").all_inner_texts()
    assert sorted(shown) == sorted(HOSTILE.values())


def test_table__sorts_all_its_rows_when_its_heading_is_clicked(open_page, book):
    with (book.folder / "tables" / "quality" / "cells.csv").open(encoding="utf-8") as rows:
        ordered = sorted(float(row["n_kept"]) for row in csv.DictReader(rows))
    page = open_page("chapters/quality.html").page
    table = page.locator("div.result", has_text="cells.csv").first
    heading = table.locator("th", has_text="n_kept").first
    column = heading.evaluate("th => th.cellIndex") + 1

    def numbers() -> list[float]:
        cells = table.locator(f"tbody td:nth-child({column})").all_inner_texts()
        return [float(cell) for cell in cells]

    heading.click()
    page.wait_for_timeout(300)
    assert numbers() == ordered[:PAGE_LENGTH]
    heading.click()
    page.wait_for_timeout(300)
    assert numbers() == ordered[::-1][:PAGE_LENGTH]


def test_table__cuts_long_text_until_it_is_clicked(open_page):
    page = open_page("chapters/fig3_enrichment.html").page
    cell = page.locator("td.long").first
    assert cell.get_attribute("title") == cell.text_content()
    cut = cell.bounding_box()["height"]
    cell.click()
    assert cell.bounding_box()["height"] > cut
    cell.click()
    assert cell.bounding_box()["height"] == cut


def test_table__of_many_rows_shows_those_of_smallest_p(open_page):
    page = open_page("chapters/fig3_enrichment.html").page
    table = page.locator("div.result", has_text="genes.csv").first
    assert "the 200 with the smallest p-values are shown" in table.inner_text()
    column = table.locator("th", has_text="pvalue").first.evaluate("th => th.cellIndex") + 1
    cells = table.locator(f"tbody td:nth-child({column})").all_inner_texts()
    values = [float(cell) for cell in cells]
    assert len(values) == 10
    assert values == sorted(values)
    assert values[-1] < 1e-4


def test_table__is_searched_by_its_box(open_page):
    page = open_page("chapters/fig1_composition.html").page
    table = page.locator("div.result", has_text="proportions.csv").first
    table.locator("input[type=search]").fill("Pro-B")
    page.wait_for_timeout(300)
    types = table.locator("tbody tr td:nth-child(3)").all_inner_texts()
    assert set(types) == {"Pro-B"}


@pytest.mark.parametrize(
    "chapter", ["cohort", "quality", "fig1_composition", "dose_response", "discovery", "claims"]
)
def test_chapter__shows_each_panel_with_letter_n_and_downloads(open_page, book, chapter):
    page = open_page(f"chapters/{chapter}.html").page
    kept = sorted(path.stem for path in (book.folder / "figures" / chapter).glob("*.json"))
    shown = page.locator("figure.panel").evaluate_all("found => found.map(f => f.id)")
    assert sorted(shown) == sorted(f"panel-{panel.lower()}" for panel in kept)
    captions = page.locator("figure.panel figcaption").all_inner_texts()
    assert all(text.startswith(tuple(f"{p}." for p in kept)) for text in captions)
    assert any("n = " in text for text in captions)
    suffixes = page.locator("figure.panel .downloads a").evaluate_all(
        "found => found.map(a => a.href.split('.').pop())"
    )
    assert Counter(suffixes) == dict.fromkeys(("svg", "png", "csv", "json"), len(kept))


def test_chapter__shows_the_parameters_it_ran_with(open_page, book):
    page = open_page("chapters/quality.html").page
    rows = page.locator("table.parameters tbody tr").evaluate_all(
        "rows => rows.map(r => [r.cells[0].innerText, r.cells[1].innerText])"
    )
    spec = json.loads((book.folder / "jobs" / "chapter" / "quality.json").read_text())
    assert dict(rows) == {name: str(value) for name, value in spec["params"].items()}


def test_chapter__fills_methods_from_the_parameters(open_page):
    text = open_page("chapters/quality.html").page.locator("section#methods").inner_text()
    assert all(value in text for value in ("5,000", "25,000", "200", "500"))
    assert "{" not in text


def test_chapter__names_versions_of_what_made_it(open_page):
    text = open_page("chapters/fig1_composition.html").page.locator("section#versions").inner_text()
    assert all(f"{name} " in text for name in ("Python", "scanpy", "harmonypy", "anndata"))


def test_claims__show_each_verdict_of_the_file(open_page, book):
    page = open_page("chapters/claims.html").page
    shown = Counter(page.locator("table.claims .verdict").all_inner_texts())
    with (book.folder / "claims.csv").open(encoding="utf-8") as rows:
        kept = Counter(row["verdict"] for row in csv.DictReader(rows))
    assert Counter({text[2:]: n for text, n in shown.items()}) == kept


def test_search__finds_a_word_of_a_chapter(open_page):
    page = open_page("search.html?q=doublets").page
    page.wait_for_selector("#search-results ul li")
    found = page.locator("#search-results ul li").all_inner_texts()
    assert any("Quality of the cells" in text for text in found)
