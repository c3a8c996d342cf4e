"""Gathering the verdicts of all chapters into one table."""

import html

import pandas as pd

from helpers.compute.claims import mark_untestable
from helpers.io.tables import read_json, read_table, write_table
from helpers.report.chapters import BY_ID
from helpers.report.page import WORK, Html, Page, read_all_claims, verdicts_html
from helpers.schema import CLAIM_COLUMNS, Claim


def collect_verdicts(page: Page) -> pd.DataFrame:
    """Verdicts of every claim; those of a chapter that was not run are not testable.

    The table is also written as ``claims.csv`` of the results.

    Returns
    -------
    The columns of ``claims.csv`` and ``direction``.
    """
    by_chapter: dict[str, list[Claim]] = {}
    for claim in read_all_claims(page):
        by_chapter.setdefault(claim.chapter, []).append(claim)
    parts = [_of_chapter(page, chapter, claims) for chapter, claims in by_chapter.items()]
    merged = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    directions = {c.id: c.direction for claims in by_chapter.values() for c in claims}
    write_table(merged[list(CLAIM_COLUMNS)], page.results / WORK / page.chapter / "claims.csv")
    return merged.assign(direction=merged["id"].map(directions))


def _of_chapter(page: Page, chapter: str, claims: list[Claim]) -> pd.DataFrame:
    if chapter in page.skipped:
        return mark_untestable(claims, page.skipped[chapter])
    status = page.results / "chapters" / f"{chapter}.json"
    if f"chapters/{chapter}.json" not in page.job.inputs or not status.exists():
        return mark_untestable(claims, "the chapter was not asked for")
    record = read_json(status)
    if record["status"] != "done":
        return mark_untestable(claims, f"the chapter {record['status']}: {record['reason']}")
    return read_table(page.results / "tables" / chapter / "verdicts.csv")


def show_verdicts(claims: pd.DataFrame) -> Html:
    """All verdicts, one table a chapter, with the chapter's title above it."""
    parts = []
    for chapter, mine in claims.groupby("chapter", sort=False):
        title = BY_ID[chapter].title if chapter in BY_ID else str(chapter)
        parts.append(f"<h3>{html.escape(title)}</h3>{verdicts_html(mine)}")
    return Html("".join(parts))
