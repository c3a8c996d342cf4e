"""What the stage of resistance left for a page."""

import pandas as pd

from helpers.compute.course import SCORE, SHARE, STATES
from helpers.compute.signatures import ALL_CELLS, CELL_METHODS
from helpers.io.tables import read_table
from helpers.report.page import Page
from helpers.schema import CELL_TYPE, CLUSTER, CONTRAST, SIGNATURE, Contrast


def read_line(page: Page) -> pd.DataFrame:
    """Every cell with its cluster, scores, pseudotime and place on the map."""
    return read_table(page.stage_result("resistance_cells.csv"))


def read_rated(page: Page) -> tuple[pd.DataFrame, list[str]]:
    """Every cluster's scores, and the names of stem-like clusters."""
    rated = read_table(page.stage_result("resistance_clusters.csv"))
    found = rated.loc[rated["stem_like"].astype(str) == "True", CLUSTER]
    return rated, list(dict.fromkeys(found))


def topic_contrasts(
    page: Page, contrast: Contrast, topic: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Signatures of a topic compared between two groups in all cells, and their names."""
    coverage = read_table(page.stage_result("signatures_coverage.csv"))
    mine = coverage[coverage["topic"] == topic]
    table = read_table(page.stage_result("signatures_contrasts.csv"))
    chosen = table[
        (table[CONTRAST] == contrast.name)
        & (table[CELL_TYPE] == ALL_CELLS)
        & (table["method"] == CELL_METHODS[0])
        & table[SIGNATURE].isin(mine[SIGNATURE])
    ]
    return chosen, dict(zip(mine[SIGNATURE], mine["name"], strict=True))


def read_sample_scores(page: Page) -> pd.DataFrame:
    """Scores of every sample beside its random sets, from the stage of signatures."""
    return read_table(page.stage_result("signatures_samples.csv"))


def followed_names(
    page: Page, values: pd.DataFrame, stem_like: list[str]
) -> dict[str, dict[str, str]]:
    """What is followed over days: feature to the name shown, in the order of the axes.

    Returns
    -------
    ``cluster share`` (the stem-like one first), ``signature`` (all), and ``drawn``: ferroptosis
    signatures and the states of cells but pseudotime, which has a panel of its own.
    """
    coverage = read_table(page.stage_result("signatures_coverage.csv"))
    followed = set(values["feature"].astype(str))
    named = dict(zip(coverage[SIGNATURE], coverage["name"], strict=True))
    signatures = {key: name for key, name in named.items() if key in followed}
    mine = set(coverage.loc[coverage["topic"] == "ferroptosis", SIGNATURE])
    clusters = list(dict.fromkeys(values.loc[values["kind"] == SHARE, "feature"].astype(str)))
    clusters.sort(key=lambda name: (name not in stem_like[:1], len(name), name))
    marks = {name: " (stem-like)" if name in stem_like[:1] else "" for name in clusters}
    return {
        SHARE: {name: f"cluster {name}{mark}" for name, mark in marks.items()},
        SCORE: signatures,
        "drawn": {key: name for key, name in signatures.items() if key in mine}
        | {state: state for state in STATES.values() if state in followed - {"pseudotime"}},
    }


def course_absence(trends: pd.DataFrame) -> str:
    """Why there is no course to show, as a sentence; empty if there is one."""
    if trends["effect"].notna().any():
        return ""
    pseudotime = "the order of cells is that of pseudotime alone"
    first = trends.iloc[0]
    if first["n_samples"] == 0:
        return (
            "The sample sheet does not say when samples were taken (column time_days): "
            f"change with time is not shown, and {pseudotime}."
        )
    return (
        f"Change with time is not shown ({first['course']}: {first['reason']}; column time_days of the "
        f"sample sheet), and {pseudotime}."
    )


def describe_course(course: pd.DataFrame) -> str:
    """Samples and days of a course, for captions."""
    if course.empty:
        return "no course"
    first = course.iloc[0]
    return f"{first['course']} (n = {first['n_samples']} samples, {first['n_times']} days)"
