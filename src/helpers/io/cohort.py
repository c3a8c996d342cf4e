"""The cohort file and its sample sheet, read with the line each thing stands on."""

import csv
import io
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from helpers.errors import Defect
from helpers.params import CHAPTER_PARAMS, nearest, override_problems, plain_message, shorten
from helpers.schema import (
    NAME_COLUMNS,
    PATH_COLUMNS,
    REQUIRED_SHEET_COLUMNS,
    SHEET_COLUMNS,
    TIME,
    Bulk,
    BulkTables,
    Cohort,
    CohortFile,
    Contrast,
    Genome,
    Sample,
    compose,
    days_problem,
    name_problem,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# Files beyond this are something else than a cohort file or a sheet.
MAX_YAML_BYTES, MAX_SHEET_BYTES = 100_000, 2_000_000
MAX_DEPTH = 10  # lists and mappings within each other; a cohort file has three
# For keys that could not be read, so that the rest can be checked in the same go.
STAND_INS = {"name": "x", "title": "x", "assembly": "GRCh38", "groups": {"x": "x"}}
TAG = "tag:yaml.org,2002:"
TEXT_TAG = TAG + "str"
TYPED_KEYS = ("overrides", "simulated")  # keys whose values are not text alone
LIKENESS = 0.7  # of a column to a known one to be taken for a slip of the pen


@dataclass
class Reading:
    """What reading found: the parts that could be read and every defect on the way."""

    path: Path
    file: CohortFile | None = None
    """The cohort file; keys that could not be read hold a stand-in and are named in faulty."""
    faulty: set[str] = field(default_factory=set)
    samples: list[Sample] = field(default_factory=list)
    no_sheet: bool = False
    """Whether the cohort does without samples: it has tables only."""
    lost_rows: int = 0
    """Rows of the sheet that could not be read."""
    defects: list[Defect] = field(default_factory=list)
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Line of the cohort file on which a key stands."""

    @property
    def cohort(self) -> Cohort | None:
        """The cohort, if file and sheet could be read."""
        if self.file is None or self.faulty or not (self.samples or self.no_sheet):
            return None
        return Cohort(path=self.path, file=self.file, samples=tuple(self.samples))

    def spot(self, *keys: str) -> str:
        """Where a key stands, such as ``cohort.yml:12/groups.responder``."""
        for depth in range(len(keys), 0, -1):
            if keys[:depth] in self.lines:
                return f"{self.path.name}:{self.lines[keys[:depth]]}/{'.'.join(keys)}"
        return f"{self.path.name}/{'.'.join(keys)}" if keys else self.path.name

    def fault(self, where: str, what: str, expected: str, remedy: str) -> None:
        self.defects.append(Defect(where, what, expected, remedy))


def read_cohort(path: Path) -> Reading:
    """Read a cohort file and its sample sheet, collecting defects instead of stopping."""
    reading = Reading(path.absolute())
    content = _read_yaml(reading)
    if content is not None:
        _check_keys(reading, content)
        _validate(reading, content)
    if reading.file is not None and "samples" not in reading.faulty:
        reading.no_sheet = _does_without_sheet(reading, reading.file)
        if not reading.no_sheet:
            _read_sheet(reading, reading.file.samples)
    return reading


def _does_without_sheet(reading: Reading, file: CohortFile) -> bool:
    """Whether the cohort has tables, names no sample sheet and has none in its usual place."""
    usual = reading.path.parent / file.samples
    return file.has_tables and ("samples",) not in reading.lines and not usual.exists()


def access_problem(path: Path, *, folder: bool = False) -> str:
    """Why a path cannot be read as a file (or, if allowed, a folder); empty if it can."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be looked at ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISDIR(mode):
        return "" if folder else "is a folder"
    return "" if stat.S_ISREG(mode) else "is not a file"


def _read_text(
    reading: Reading, path: Path, name: str, where: str, *, max_bytes: int
) -> str | None:
    """Text of a small file, or None with the defect noted."""
    problem = access_problem(path)
    if problem:
        remedy = "name the file inside it" if problem == "is a folder" else "correct the path"
        reading.fault(where, f"{path} {problem}", f"{name}, a file", remedy)
        return None
    size = path.stat().st_size
    if size > max_bytes:
        expected = f"{name}, a small text file"
        reading.fault(where, f"{path} has {size:,} bytes", expected, "check the path")
        return None
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        reading.fault(
            where, f"{path} may not be read ({error.strerror})", name, "change its rights"
        )
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        what = f"is not UTF-8 text (byte {content[error.start : error.start + 1]!r})"
        remedy = "save it again as UTF-8 text"
        reading.fault(f"{path.name}:{line}", what, f"{name} in UTF-8", remedy)
    return None


class _Loader(yaml.SafeLoader):
    """YAML as its users read it: ``1e-3`` is a number, too."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _read_yaml(reading: Reading) -> dict[str, object] | None:
    name = reading.path.name
    text = _read_text(reading, reading.path, "a cohort file", name, max_bytes=MAX_YAML_BYTES)
    if text is None:
        return None
    try:
        _refuse_tangles(text)
        node = yaml.compose(text, Loader=_Loader)
        if isinstance(node, yaml.MappingNode):
            _note_lines(reading, node, ())
            _keep_text(node)
            return dict(_Loader("").construct_document(node))
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        # an open quote ends with the file; the user looks for where it began
        side = "context_mark" if "end of stream" in problem else "problem_mark"
        mark = getattr(error, side, None)
        where = f"{reading.path.name}:{mark.line + 1}" if mark else reading.path.name
        remedy = "correct this line; a text with : or # in it goes in double quotes"
        reading.fault(where, f"is not YAML: {problem}", "key: value lines", remedy)
        return None
    what = "is empty" if node is None else "holds no key: value lines"
    reading.fault(reading.path.name, what, "name, title, groups, ...", "see relapse-book new")
    return None


def _refuse_tangles(text: str) -> None:
    """Refuse what can make a small file endless: aliases, and lists within lists within lists.

    Raises
    ------
    yaml.MarkedYAMLError
        At the first of them.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        problem = "nested too deep" if depth > MAX_DEPTH else ""
        if isinstance(event, yaml.AliasEvent):
            problem = f"alias *{event.anchor}: write the value itself"
        if problem:
            mark = event.start_mark
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)  # type: ignore[arg-type]


def _keep_text(node: yaml.MappingNode) -> None:
    """Let names and labels be the text that was typed: ``NO`` is a group, not a falsehood."""
    for key, value in node.value:
        key.tag = TEXT_TAG if isinstance(key, yaml.ScalarNode) else key.tag
        if key.value not in TYPED_KEYS:
            _retag(value)


def _retag(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _retag(key)
            _retag(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _retag(item)
    elif node.tag.removeprefix(TAG) in ("bool", "int", "float", "timestamp"):
        node.tag = TEXT_TAG


def _note_lines(reading: Reading, node: yaml.MappingNode, above: tuple[str, ...]) -> None:
    """Remember the line of every key; a key given twice is a defect."""
    for key, value in node.value:
        place = (*above, str(key.value))
        line = key.start_mark.line + 1
        if place in reading.lines:
            what = f"{'.'.join(place)} is given twice (also on line {reading.lines[place]})"
            reading.fault(
                f"{reading.path.name}:{line}", what, "each key once", "delete one of them"
            )
        reading.lines[place] = line
        if isinstance(value, yaml.MappingNode):
            _note_lines(reading, value, place)
        elif isinstance(value, yaml.SequenceNode):
            for i, item in enumerate(value.value):
                reading.lines[*place, str(i)] = item.start_mark.line + 1
                if isinstance(item, yaml.MappingNode):
                    _note_lines(reading, item, (*place, str(i)))


def _check_keys(reading: Reading, content: dict[str, object]) -> None:
    """Unknown keys, each with the nearest known one."""
    levels: list[tuple[tuple[str, ...], object, list[str]]] = [
        ((), content, list(CohortFile.model_fields)),
        (("genome",), content.get("genome"), list(Genome.model_fields)),
        (("bulk",), content.get("bulk"), list(Bulk.model_fields)),
    ]
    bulk = content.get("bulk")
    parts = bulk if isinstance(bulk, dict) else {}
    levels += [
        (("bulk", part), parts.get(part), list(BulkTables.model_fields))
        for part in ("training", "validation")
    ]
    for i, item in enumerate(_listed(content, "contrasts")):
        levels.append((("contrasts", str(i)), item, list(Contrast.model_fields)))
    for above, found, known in levels:
        for key in found if isinstance(found, dict) else ():
            if key not in known:
                _unknown(reading, (*above, str(key)), known, f"key {str(key)!r}", str(key))
    for i, name in enumerate(_listed(content, "chapters")):
        _check_chapter(reading, ("chapters", str(i)), name)
    overrides = content.get("overrides")
    for chapter, values in overrides.items() if isinstance(overrides, dict) else ():
        place = ("overrides", str(chapter))
        if _check_chapter(reading, place, chapter) and isinstance(values, dict):
            _check_overrides(reading, place, chapter, values)


def _listed(content: dict[str, object], key: str) -> list[object]:
    value = content.get(key)
    return value if isinstance(value, list) else []


def _check_chapter(reading: Reading, place: tuple[str, ...], name: object) -> bool:
    """Whether a chapter exists; anything but text is left to the model to refuse."""
    if isinstance(name, str) and name not in CHAPTER_PARAMS:
        _unknown(reading, place, list(CHAPTER_PARAMS), f"chapter {name!r}", name)
    return isinstance(name, str) and name in CHAPTER_PARAMS


def _check_overrides(
    reading: Reading, place: tuple[str, ...], chapter: str, values: dict[object, object]
) -> None:
    named = {str(key): value for key, value in values.items()}
    for name, sentence in override_problems(chapter, named):
        expected = f"a parameter of params/defaults/{chapter}.yml within its range"
        reading.fault(reading.spot(*place, name), sentence, expected, "correct or delete it")


def _unknown(
    reading: Reading, place: tuple[str, ...], known: list[str], what: str, name: str
) -> None:
    close = nearest(name, known)
    expected = f"{close!r}" if close else f"one of {', '.join(known)}"
    remedy = f"did you mean {close!r}?" if close else "delete it"
    reading.fault(reading.spot(*place), f"unknown {what}", expected, remedy)


def _validate(reading: Reading, content: dict[str, object]) -> None:
    """Types and values, each problem at its own line; a key left empty counts as left out."""
    fields = CohortFile.model_fields
    known = {
        key: value
        for key, value in content.items()
        if key in fields and (value is not None or fields[key].is_required() or key == "groups")
    }
    try:
        reading.file = CohortFile.model_validate(known)
    except ValidationError as error:
        for item in error.errors():
            reading.faulty.add(str(item["loc"][0]))
            if item["type"] != "extra_forbidden":
                _note_problem(reading, item)
        sound = {key: value for key, value in known.items() if key not in reading.faulty}
        reading.file = CohortFile.model_validate(STAND_INS | sound)


def _note_problem(reading: Reading, item: "ErrorDetails") -> None:
    place = tuple(str(part) for part in item["loc"] if part != "[key]")
    field_of = CohortFile.model_fields.get(place[0]) if place else None
    expected = (field_of.description if field_of else None) or "another value"
    if item["type"] == "missing":
        what = "is missing"
    elif item["input"] is None:
        what = "is empty"
    else:
        what = f"{shorten(item['input'])}: {plain_message(item['msg'])}"
    reading.fault(reading.spot(*place), what, expected, "correct it in the cohort file")


def _read_sheet(reading: Reading, name: str) -> None:
    path = reading.path.parent / expand_home(name)
    spot = reading.spot("samples")
    text = _read_text(reading, path, "a sample sheet", spot, max_bytes=MAX_SHEET_BYTES)
    if text is None:
        return
    rows = _split_rows(reading, path.name, text)
    if rows is None or not _check_rows(reading, path, rows):
        return
    header = rows[0][1]
    before = len(reading.defects)
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            what = f"{len(cells)} fields where the header has {len(header)}"
            remedy = "count the commas; put names with a comma in double quotes"
            reading.fault(f"{path.name}:{number}", what, f"{len(header)} fields", remedy)
            reading.lost_rows += 1
        else:
            _read_row(reading, path, number, dict(zip(header, cells, strict=True)))
    if not reading.samples and len(reading.defects) == before:
        reading.fault(f"{path.name}:2", "no sample below the header", "a row a sample", "add rows")


def _split_rows(reading: Reading, sheet: str, text: str) -> list[tuple[int, list[str]]] | None:
    """Rows that hold anything, with the line they end on; empty columns at the right are cut."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        what, remedy = f"is not CSV: {error}", "close every double quote"
        reading.fault(f"{sheet}:{reader.line_num}", what, "comma-separated values", remedy)
        return None
    rows = [(number, cells) for number, cells in found if any(cells)]
    named = [i for i, cell in enumerate(rows[0][1], start=1) if cell] if rows else [0]
    width = named[-1]
    return [(n, cells if any(cells[width:]) else cells[:width]) for n, cells in rows]


def _check_rows(reading: Reading, path: Path, rows: list[tuple[int, list[str]]]) -> bool:
    """Whether there is a header whose columns can be used."""
    if rows:
        return _check_header(reading, f"{path.name}:{rows[0][0]}", rows[0][1])
    reading.fault(f"{path.name}:1", "is empty", "a header and a row a sample", "fill in the sheet")
    return False


def _check_header(reading: Reading, where: str, header: list[str]) -> bool:
    """Whether the columns can be used; says which are missing, repeated or misspelt."""
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        what = "the columns are separated by semicolons or tabs"
        reading.fault(where, what, "commas", "save it as comma-separated values")
        return False
    before = len(reading.defects)
    for column in sorted({c for c in header if header.count(c) > 1 or not c}):
        what = f"column {column!r} stands twice" if column else "a column has no name"
        expected = "each column once, with a name"
        reading.fault(f"{where}/{column}".rstrip("/"), what, expected, "delete or rename it")
    unknown = [c for c in header if c not in SHEET_COLUMNS]
    for column in REQUIRED_SHEET_COLUMNS:
        if column not in header:
            close = nearest(column, unknown)
            remedy = f"rename {close!r} to {column!r}" if close else f"add a column {column!r}"
            reading.fault(where, f"no column {column!r}", ", ".join(REQUIRED_SHEET_COLUMNS), remedy)
    optional = [c for c in SHEET_COLUMNS if c not in (*header, *REQUIRED_SHEET_COLUMNS)]
    for column in unknown:
        if close := nearest(column, optional, likeness=LIKENESS):
            what = f"unknown column {column!r}"
            reading.fault(f"{where}/{column}", what, repr(close), f"did you mean {close!r}?")
    return len(reading.defects) == before


def _read_row(reading: Reading, sheet: Path, number: int, record: dict[str, str]) -> None:
    names = {column: compose(record.get(column, "")) for column in NAME_COLUMNS}
    names["donor"] = names["donor"] or names["sample"]
    needed = [column for column in NAME_COLUMNS if names[column] or column != "batch"]
    problems = {c: problem for c in needed if (problem := name_problem(names[c]))}
    for column, problem in problems.items():
        if column in record:
            what = f"{names[column]!r} {problem}" if names[column] else problem
            spot = f"{sheet.name}:{number}/{column}"
            reading.fault(spot, what, f"a {column}, printable and short", "type it again")
    days = record.get(TIME, "")
    problem = days_problem(days) if days else ""
    if problem:
        expected = "days since the start of treatment, such as 0, 7 or 3.5"
        remedy = "type the number alone, or leave it empty for the whole group"
        reading.fault(f"{sheet.name}:{number}/{TIME}", f"{days!r} {problem}", expected, remedy)
    if problems or problem:
        reading.lost_rows += 1
        return
    paths = {
        column: sheet.parent / expand_home(record[column])
        for column in PATH_COLUMNS
        if record.get(column)
    }
    names_given = names | {"batch": names["batch"] or None}
    time_days = float(days) if days else None
    reading.samples.append(Sample(row=number, time_days=time_days, **paths, **names_given))


def expand_home(text: str) -> str:
    """A path as a shell takes it: ``~/`` is the user's own folder."""
    return str(Path(text).expanduser()) if text.startswith("~/") else text
