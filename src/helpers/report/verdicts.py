"""Gathering the verdicts of all chapters into one table."""

import html
from string import ascii_uppercase

import pandas as pd

from helpers.compute.claims import mark_untestable
from helpers.io.tables import read_json, read_table, write_table
from helpers.plot.claims import plot_verdicts
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


def show_verdicts(page: Page, claims: pd.DataFrame) -> Html:
    """All verdicts, chapter by chapter under its title: those tested as a panel, all as a table."""
    letters = iter(ascii_uppercase)
    parts = []
    for chapter, mine in claims.groupby("chapter", sort=False):
        title = BY_ID[chapter].title if chapter in BY_ID else str(chapter)
        tested = mine[mine["verdict"] != "not testable"]
        figure = "" if tested.empty else _show_tested(page, next(letters), title, tested, len(mine))
        parts.append(f"<h3>{html.escape(title)}</h3>{figure}{verdicts_html(mine)}")
    return Html("".join(parts))


def _show_tested(page: Page, panel: str, title: str, tested: pd.DataFrame, n_claims: int) -> str:
    counts = tested["verdict"].value_counts()
    units = ", ".join(sorted(set(tested["unit"].astype(str))))
    return page.panel(
        panel,
        plot_verdicts(tested),
        tested,
        caption=f"Claims on the chapter “{title}” with their effects and intervals, turned so that right "
        f"of zero bears the claim out; n = {len(tested)} tested of {n_claims} claims; unit: {units}.",
        alt=f"Forest plot of {len(tested)} claims: "
        + ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        + ".",
    ).text
