"""What a notebook shows: panels, tables, parameters and verdicts, each kept as files, too."""

import html
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.compute.claims import judge_claims
from helpers.errors import DataError
from helpers.io.atomic import replacing
from helpers.io.objects import is_object, read_cells
from helpers.io.tables import read_table, write_json, write_table
from helpers.params import CHAPTER_PARAMS, load_defaults, origins
from helpers.report.jobs import Job, read_job
from helpers.schema import (
    BARCODE,
    GROUP,
    NAME_COLUMNS,
    RESULT_COLUMNS,
    SAMPLE,
    SUBCLUSTER,
    TIME,
    Claim,
    Contrast,
)

SHOWN_ROWS = 200  # rows of a table put on the page; all are in the file
PNG_DPI = 300
WORK = "work"
BARCODES = (SAMPLE, GROUP, "verdict")  # columns every table of barcodes has
SHEET = [*NAME_COLUMNS, "key", "rna", "fragments", TIME]


@dataclass(frozen=True)
class Html:
    """Something a notebook displays; every text in it has been escaped."""

    text: str

    def _repr_html_(self) -> str:
        return self.text


@dataclass(frozen=True)
class Page:
    """One chapter being made: what it may read and where its figures and tables go."""

    chapter: str
    results: Path
    job: Job

    # What the chapter is about

    @property
    def groups(self) -> dict[str, str]:
        """Role to label."""
        return dict(self.job.design["groups"])  # type: ignore[call-overload]

    @property
    def labels(self) -> list[str]:
        """Group labels that have samples, in the order of the roles."""
        present = set(self.samples[GROUP])
        return [label for label in self.groups.values() if label in present]

    @property
    def samples(self) -> pd.DataFrame:
        """The sample sheet, one row a sample, ordered by group."""
        sheet = pd.DataFrame(self.job.design["samples"], columns=SHEET).astype({TIME: float})
        order = {label: i for i, label in enumerate(self.groups.values())}
        return sheet.sort_values(
            GROUP, key=lambda s: s.map(order), kind="stable", ignore_index=True
        )

    @property
    def contrasts(self) -> list[Contrast]:
        return [Contrast(**record) for record in self.job.design["contrasts"]]  # type: ignore[attr-defined]

    @property
    def simulated(self) -> bool:
        return bool(self.job.design["simulated"])

    @property
    def skipped(self) -> dict[str, str]:
        """Chapters the cohort cannot have, with the reason (known to the claims page)."""
        return dict(self.job.design.get("skipped", {}))  # type: ignore[call-overload]

    @property
    def tables(self) -> dict[str, str]:
        """Tables of the cohort beside its samples: role to file name."""
        return dict(self.job.design["tables"])  # type: ignore[call-overload]

    @property
    def scale(self) -> str:
        """What bulk expression tables hold: counts, linear or log2."""
        return str(self.job.design["scale"])

    def table_file(self, role: str) -> Path:
        """A table of the cohort that this chapter may read."""
        return Path(self.job.data[role][0])

    def stage_result(self, name: str) -> Path:
        """A result of a stage, such as ``rna.h5ad``."""
        return self.results / "objects" / name

    def barcodes(self, measured: str = "rna") -> pd.DataFrame:
        """Every barcode of every sample with its measures and verdict.

        Parameters
        ----------
        measured
            ``rna`` or ``fragments``, as the column of the sample sheet.
        """
        return _join_barcodes([self.results / name for name in self._barcode_tables(measured)])

    def optional_barcodes(self, measured: str) -> pd.DataFrame:
        """The same of what the chapter can do without; no row where nothing was measured."""
        made = [n for n in self._barcode_tables(measured) if self._was_made(n, BARCODES)]
        if not made:
            return pd.DataFrame(columns=list(BARCODES))
        return _join_barcodes([self.results / name for name in made])

    def listed_samples(self, measured: str) -> list[str]:
        """Samples whose barcodes were judged, also those that have none."""
        sheet = self.samples[self.samples[measured]]
        made = [self._was_made(name, BARCODES) for name in self._barcode_tables(measured)]
        return sheet.loc[made, SAMPLE].tolist()

    def _barcode_tables(self, measured: str) -> list[str]:
        keys = self.samples.loc[self.samples[measured], "key"]
        end = {"rna": "rna", "fragments": "atac"}[measured]
        return [f"objects/samples/{key}.{end}.csv" for key in keys]

    def optional_table(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        """A table of a stage the chapter can do without; no row where it was not made.

        Text columns only: names of subclusters such as ``0`` stay text.
        """
        if not self._was_made(name, columns):
            return pd.DataFrame(columns=list(columns), dtype=str)
        path = self.results / name
        return pd.read_csv(path, usecols=list(columns), dtype=str, keep_default_na=False)

    def _was_made(self, name: str, columns: tuple[str, ...]) -> bool:
        path = self.results / name
        return name in self.job.optional and path.exists() and _is_table(path, columns)

    def optional_cells(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        """Columns of the cells of an object the chapter can do without; no row where there is none."""
        path = self.results / name
        if name not in self.job.optional or not path.exists() or not is_object(path):
            return pd.DataFrame(columns=list(columns), dtype=str)
        return read_cells(path)[list(columns)].astype(str)

    def truth(self, planted: str = "cells") -> pd.DataFrame | None:
        """What was planted in a simulated cohort, cell by cell or otherwise, if it was written."""
        role = f"truth_{planted}"
        if role not in self.job.data:
            return None
        text = dict.fromkeys((SAMPLE, BARCODE, GROUP, SUBCLUSTER), str)
        return pd.read_csv(self.job.data[role][0], keep_default_na=False, dtype=text)

    # What the chapter shows

    def panel(
        self, panel: str, drawn: Axes | Figure, data: pd.DataFrame, *, caption: str, alt: str
    ) -> Html:
        """Keep a panel as SVG, PNG and source data with its passport, and show it.

        Parameters
        ----------
        panel
            Letter of the panel, such as ``A``.
        data
            Every number drawn, tidy.
        caption
            What the axes show, n, the test and the unit of replication.
        alt
            The panel in words, for those who cannot see it.
        """
        figure = drawn.figure if isinstance(drawn, Axes) else drawn
        if not isinstance(figure, Figure):
            msg = f"panel {panel} of {self.chapter}: a figure inside a figure cannot be kept"
            raise DataError(msg)
        _letter(figure, panel)
        folder = self.results / WORK / self.chapter / "figures"
        for suffix, unsaid in (("svg", "Date"), ("png", "Software")):
            with replacing(folder / f"{panel}.{suffix}") as partial:
                figure.savefig(partial, format=suffix, dpi=PNG_DPI, metadata={unsaid: None})
            figure.set_layout_engine("none")  # as laid out now, in the other format too
        write_table(data, folder / f"{panel}.csv")
        passport = {"chapter": self.chapter, "panel": panel, "caption": caption, "alt": alt}
        write_json(passport, folder / f"{panel}.json")
        return Html(_figure_html(self.chapter, panel, caption, alt))

    def panel_if(
        self,
        condition: object,
        panel: str,
        draw: Callable[[], Axes | Figure],
        data: pd.DataFrame,
        *,
        caption: str,
        alt: str,
        otherwise: str,
    ) -> Html:
        """A panel where ``condition`` holds, else the sentence why there is none.

        The sentence may be empty where a panel before has said it for several.
        """
        if condition:
            return self.panel(panel, draw(), data, caption=caption, alt=alt)
        if not otherwise:
            return Html("")
        name = html.escape(panel)
        reason = html.escape(otherwise)
        return Html(f'<p class="absent"><strong>Panel {name} is not shown.</strong> {reason}</p>')

    def table(self, name: str, table: pd.DataFrame, *, caption: str) -> Html:
        """Keep a result table as CSV and show it, sortable.

        Raises
        ------
        DataError
            If a column the contract names is missing.
        """
        missing = set(RESULT_COLUMNS.get((self.chapter, name), ())) - set(table.columns)
        if missing:
            msg = f"table {name} of {self.chapter} lacks {', '.join(sorted(missing))}"
            raise DataError(msg)
        write_table(table, self.results / WORK / self.chapter / "tables" / f"{name}.csv")
        return Html(_table_html(self.chapter, name, table, caption))

    def table_if(
        self, condition: object, name: str, table: pd.DataFrame, *, caption: str, otherwise: str
    ) -> Html:
        """A table where ``condition`` holds, else the sentence why there is none, if any."""
        if condition:
            return self.table(name, table, caption=caption)
        if not otherwise:
            return Html("")
        return Html(f'<p class="absent">{html.escape(otherwise)}</p>')

    def truth_table(
        self,
        name: str,
        compare: Callable[[pd.DataFrame], pd.DataFrame],
        *,
        caption: str,
        planted: str = "cells",
    ) -> Html:
        """A table of what was found again of what was planted; a sentence for real cohorts."""
        truth = self.truth(planted)
        if truth is None:
            return Html("<p>Nothing was planted in this cohort: there is no known answer.</p>")
        return self.table(name, compare(truth), caption=caption)

    def paired(
        self, truth: pd.DataFrame, cells: pd.DataFrame, column: str
    ) -> tuple[pd.Series, pd.Series]:
        """A column of the planted cells beside the same of the cells found, matched by barcode."""
        key = [SAMPLE, BARCODE]
        both = cells.merge(truth, on=key, suffixes=("_found", "_planted"))
        return both[f"{column}_planted"], both[f"{column}_found"]

    def sizes(self, samples: Collection[str] | None = None) -> str:
        """How many samples each group has, as a sentence; few are said to be few.

        Parameters
        ----------
        samples
            Those that took part, where not all of the cohort did; names may repeat.
        """
        sheet = self.samples
        taken = sheet if samples is None else sheet[sheet[SAMPLE].isin(set(samples))]
        counts = taken[GROUP].value_counts().reindex(self.labels, fill_value=0)
        listed = ", ".join(f"{label}: {n}" for label, n in counts.items())
        few = (
            " Three or fewer samples a group show only large differences."
            if counts.min() <= 3
            else ""
        )
        return f"Samples: {listed}.{few}"

    def parameters(self) -> Html:
        """The values used, the defaults and where those come from."""
        defaults, source = load_defaults(self.chapter), origins(self.chapter)
        fields = CHAPTER_PARAMS[self.chapter].model_fields
        if not self.job.params:
            return Html("<p>This chapter has no parameters.</p>")
        rows = [
            {
                "parameter": name,
                "value": f"{_as_typed(value)}{' (changed)' if value != defaults[name] else ''}",
                "default": _as_typed(defaults[name]),
                "meaning": fields[name].description or "",
                "origin of the default": source.get(name, ""),
            }
            for name, value in self.job.params.items()
        ]
        return Html(_rows_html(pd.DataFrame(rows), "parameters"))

    def verdicts(self, claims: list[Claim], effects: pd.DataFrame) -> Html:
        """Judge the chapter's claims, keep the verdicts and show them."""
        judged = judge_claims(claims, effects, self.groups)
        write_table(judged, self.results / WORK / self.chapter / "tables" / "verdicts.csv")
        return Html(f'<p class="caption">{VERDICT_NOTE}</p>{verdicts_html(judged)}')


def open_page(chapter: str, results: str) -> Page:
    """The page of a chapter whose job was planned in a results folder.

    Raises
    ------
    DataError
        If the chapter was not planned there.
    """
    folder = Path(results)
    spec = folder / "jobs" / "chapter" / f"{chapter}.json"
    if not spec.exists():
        msg = f"{spec} does not exist: run relapse-book build first, then open this notebook"
        raise DataError(msg)
    return Page(chapter, folder, read_job(spec))


def read_claims(page: Page) -> list[Claim]:
    """The claims of a page's chapter."""
    return [claim for claim in read_all_claims(page) if claim.chapter == page.chapter]


def read_all_claims(page: Page) -> list[Claim]:
    """Every claim of every chapter.

    Raises
    ------
    DataError
        If two claims have one id.
    """
    path = Path(page.job.data["claims"][0])
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    claims = [Claim.model_validate(entry) for entry in entries]
    ids = [claim.id for claim in claims]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        msg = f"{path}: the claim {twice!r} stands twice"
        raise DataError(msg)
    return claims


def _join_barcodes(paths: list[Path]) -> pd.DataFrame:
    tables = [read_table(path) for path in paths]
    # columns of a table without rows are of no type, and would take the others' from them
    filled = [table for table in tables if len(table)]
    merged = pd.concat(filled or tables, ignore_index=True)
    return merged.astype(dict.fromkeys([SAMPLE, GROUP], str))


def _is_table(path: Path, columns: tuple[str, ...]) -> bool:
    """Whether a file starts with these columns; in place of a result may stand a reason."""
    with path.open(encoding="utf-8") as text:
        return set(columns) <= set(text.readline().strip().split(","))


def _as_typed(value: object) -> str:
    """A parameter as it is written in a cohort's overrides."""
    typed = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"))
    return typed.removesuffix("...\n").strip()


def _letter(figure: Figure, panel: str) -> None:
    """The panel's letter at the top left, as journals print it."""
    figure.suptitle(panel, x=0.0, ha="left", fontsize=10, fontweight="bold")


def _figure_html(chapter: str, panel: str, caption: str, alt: str) -> str:
    base = f"../figures/{chapter}/{panel}"
    links = ", ".join(
        f'<a href="{base}.{suffix}" download>{name}</a>'
        for suffix, name in (
            ("svg", "SVG"),
            ("png", "PNG, 300 dpi"),
            ("csv", "source data"),
            ("json", "passport"),
        )
    )
    return (
        f'<figure class="panel" id="panel-{panel.lower()}">'
        f'<a href="{base}.png"><img src="{base}.png" alt="{html.escape(alt)}" loading="lazy"></a>'
        f"<figcaption><strong>{html.escape(panel)}.</strong> {html.escape(caption)} "
        f'<span class="downloads">{links}</span></figcaption></figure>'
    )


def _table_html(chapter: str, name: str, table: pd.DataFrame, caption: str) -> str:
    path = f"../tables/{chapter}/{name}.csv"
    shown, more = table, ""
    if len(table) > SHOWN_ROWS:
        ranked = "pvalue" in table
        shown = (table.sort_values("pvalue", kind="stable") if ranked else table).head(SHOWN_ROWS)
        which = "with the smallest p-values" if ranked else "at the top"
        more = f" Of {len(table):,} rows the {SHOWN_ROWS:,} {which} are shown; the file has all."
    return (
        f'<div class="result"><p class="caption"><strong>{html.escape(name)}.csv.</strong> '
        f"{html.escape(caption)}{more} "
        f'<span class="downloads"><a href="{path}" download>CSV, {len(table):,} rows</a></span></p>'
        f"{_rows_html(shown, 'sortable')}</div>"
    )


def _rows_html(table: pd.DataFrame, css: str) -> str:
    """A plain HTML table; numbers are shortened for reading, not in the file."""
    shown = pd.DataFrame({name: [_cell(value) for value in table[name]] for name in table.columns})
    return str(shown.to_html(index=False, border=0, escape=True, classes=css, justify="left"))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}"
    return "" if value is None or value is pd.NA else str(value)


VERDICT_NOTE = (
    "A verdict is of the one comparison its claim names, chosen before the data were seen: p is of that "
    "comparison alone. Where the chapter tests others beside it (genes, types, signatures), padj is "
    "adjusted for all of them, so that a claim may hold though padj is not small."
)
VERDICT_SIGNS = {"holds": "✓", "contradicted": "✗", "underpowered": "?", "not testable": "–"}


def verdicts_html(judged: pd.DataFrame) -> str:
    """Claims with their verdicts as a table; the sign repeats the colour."""
    rows = []
    for row in judged.itertuples():
        css = str(row.verdict).replace(" ", "-")
        sentence, source, reason = (
            html.escape(str(text)) for text in (row.sentence, row.source, row.reason)
        )
        rows.append(
            "<tr>"
            f"<td>{sentence}<br><small>{source}</small></td>"
            f'<td><span class="verdict {css}">{VERDICT_SIGNS[str(row.verdict)]} '
            f"{html.escape(str(row.verdict))}</span></td>"
            f"<td>{_interval(row.effect, row.ci_low, row.ci_high)}"
            f"<br><small>{_text(row.scale)}<br>{_unit(row.unit, row.n_reference, row.n_test)}</small></td>"
            f"<td>{_cell(row.pvalue) or '–'}<br>{_cell(row.padj) or '–'}</td>"
            f"<td>{reason}</td></tr>"
        )
    names = {
        "claim": "source",
        "verdict": "",
        "effect and interval": "scale<br>unit (n)",
        "p": "padj",
        "why": "",
    }
    head = "".join(f"<th>{name}<br><small>{below}</small></th>" for name, below in names.items())
    return f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _text(value: object) -> str:
    return "" if pd.isna(value) else html.escape(str(value))


def _interval(effect: float, low: float, high: float) -> str:
    """An effect with its interval; with a third decimal where two would show little but noughts."""
    if pd.isna(effect):
        return "–"
    digits = 2 if max(abs(x) for x in (effect, low, high) if not pd.isna(x)) >= 0.1 else 3
    shown = f"{effect:.{digits}f}"
    return shown if pd.isna(low) else f"{shown} [{low:.{digits}f}, {high:.{digits}f}]"


def _unit(unit: object, n_reference: float, n_test: float) -> str:
    """What was counted and how many of it, on both sides where two are compared."""
    if pd.isna(unit):
        return ""
    sides = [f"{n:.0f}" for n in (n_test, n_reference) if not pd.isna(n) and n > 0]
    return f"{_text(unit)} ({' vs '.join(sides)})"
