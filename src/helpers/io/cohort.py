"""The cohort file and its sample sheet, read with the line each thing stands on."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import ValidationError

from helpers.errors import Defect
from helpers.params import CHAPTER_PARAMS, nearest, override_problems
from helpers.schema import (
    REQUIRED_SHEET_COLUMNS,
    SHEET_COLUMNS,
    Cohort,
    CohortFile,
    Contrast,
    Genome,
    Sample,
)

MAX_BYTES = 1_000_000  # a cohort file or sheet beyond this is something else


@dataclass
class Reading:
    """What reading found: the parts that could be read and every defect on the way."""

    path: Path
    file: CohortFile | None = None
    samples: list[Sample] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Line of the cohort file on which a key stands."""

    @property
    def cohort(self) -> Cohort | None:
        """The cohort, if file and sheet could be read."""
        if self.file is None or not self.samples:
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
    sheet = reading.file.samples if reading.file else (content or {}).get("samples", "samples.csv")
    if isinstance(sheet, str) and content is not None:
        _read_sheet(reading, sheet)
    return reading


def _read_text(reading: Reading, path: Path, name: str, where: str) -> str | None:
    """Text of a small file, or None with the defect noted."""
    if not path.exists():
        reading.fault(where, f"{path} does not exist", name, "correct the path")
    elif not path.is_file():
        reading.fault(where, f"{path} is a folder", f"{name}, a file", "name the file inside it")
    elif path.stat().st_size > MAX_BYTES:
        size = path.stat().st_size
        reading.fault(
            where, f"{path} has {size:,} bytes", f"{name}, a small text file", "check the path"
        )
    else:
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            what = f"is not UTF-8 text (byte {error.start})"
            reading.fault(path.name, what, f"{name} in UTF-8", "save it again as UTF-8 text")
    return None


def _read_yaml(reading: Reading) -> dict[str, object] | None:
    text = _read_text(reading, reading.path, "a cohort file", reading.path.name)
    if text is None:
        return None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{reading.path.name}:{mark.line + 1}" if mark else reading.path.name
        problem = getattr(error, "problem", None) or "cannot be parsed"
        reading.fault(where, f"is not YAML: {problem}", "key: value lines", "correct this line")
        return None
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        what = "holds no key: value lines"
        reading.fault(
            reading.path.name, what, "name, title, groups, ...", "start from relapse-book new"
        )
        return None
    _note_lines(reading, node, ())
    return content


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
    ]
    contrasts = content.get("contrasts")
    if isinstance(contrasts, list):
        levels += [
            (("contrasts", str(i)), item, list(Contrast.model_fields))
            for i, item in enumerate(contrasts)
        ]
    for above, found, known in levels:
        for key in found if isinstance(found, dict) else ():
            if key not in known:
                _unknown(reading, (*above, str(key)), known, "key")
    chapters = content.get("chapters")
    for i, name in enumerate(chapters if isinstance(chapters, list) else ()):
        if name not in CHAPTER_PARAMS:
            _unknown(
                reading, ("chapters", str(i)), list(CHAPTER_PARAMS), f"chapter {name!r}", str(name)
            )


def _unknown(
    reading: Reading, place: tuple[str, ...], known: list[str], what: str, name: str | None = None
) -> None:
    name = place[-1] if name is None else name
    close = nearest(name, known)
    expected = f"{close!r}" if close else f"one of {', '.join(known)}"
    remedy = f"did you mean {close!r}?" if close else "delete it"
    reading.fault(
        reading.spot(*place),
        f"unknown {what} {name!r}" if what == "key" else f"unknown {what}",
        expected,
        remedy,
    )


def _validate(reading: Reading, content: dict[str, object]) -> None:
    """Types and values, each problem at its own line; overrides against their chapters."""
    known = {key: value for key, value in content.items() if key in CohortFile.model_fields}
    try:
        reading.file = CohortFile.model_validate(known)
    except ValidationError as error:
        for item in error.errors():
            if item["type"] == "extra_forbidden":
                continue
            place = tuple(str(part) for part in item["loc"])
            field_of = CohortFile.model_fields.get(place[0]) if place else None
            expected = (field_of.description if field_of else None) or "another value"
            what = "is missing" if item["type"] == "missing" else _problem(item)
            reading.fault(reading.spot(*place), what, expected, "correct it in the cohort file")
    overrides = content.get("overrides")
    for chapter, values in overrides.items() if isinstance(overrides, dict) else ():
        place = ("overrides", str(chapter))
        if chapter not in CHAPTER_PARAMS:
            _unknown(reading, place, list(CHAPTER_PARAMS), f"chapter {chapter!r}", str(chapter))
        elif isinstance(values, dict):
            named = {str(key): value for key, value in values.items()}
            for name, sentence in override_problems(chapter, named):
                expected = f"a parameter of params/defaults/{chapter}.yml within its range"
                reading.fault(
                    reading.spot(*place, name), sentence, expected, "correct or delete it"
                )


def _problem(item: object) -> str:
    """Pydantic's message with the value it is about."""
    record = dict(item)  # type: ignore[call-overload]
    value = repr(record["input"])
    return f"{value if len(value) <= 60 else value[:59] + '…'}: {record['msg']}"


def _read_sheet(reading: Reading, name: str) -> None:
    path = reading.path.parent / name
    text = _read_text(reading, path, "a sample sheet", reading.spot("samples"))
    if text is None:
        return
    rows = list(csv.reader(text.splitlines()))
    if not rows or not any(cell.strip() for cell in rows[0]):
        reading.fault(
            f"{path.name}:1", "is empty", "a header and a row a sample", "fill in the sheet"
        )
        return
    header = [cell.strip() for cell in rows[0]]
    if not _check_header(reading, path.name, header):
        return
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            what = f"{len(cells)} fields where the header has {len(header)}"
            remedy = "count the commas; put names with a comma in double quotes"
            reading.fault(f"{path.name}:{number}", what, f"{len(header)} fields", remedy)
            continue
        record = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        _read_row(reading, path, number, record)
    if not reading.samples and not any(d.where.startswith(path.name) for d in reading.defects):
        reading.fault(f"{path.name}:2", "no sample below the header", "a row a sample", "add rows")


def _check_header(reading: Reading, sheet: str, header: list[str]) -> bool:
    """Whether the columns can be used; says which are missing, repeated or misspelt."""
    where = f"{sheet}:1"
    ok = True
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        what = "the columns are separated by semicolons or tabs"
        reading.fault(where, what, "commas", "save it as comma-separated values")
        return False
    for column in sorted({c for c in header if header.count(c) > 1}):
        reading.fault(
            f"{where}/{column}", f"column {column!r} stands twice", "each column once", "delete one"
        )
        ok = False
    for column in REQUIRED_SHEET_COLUMNS:
        if column not in header:
            close = nearest(column, header)
            remedy = f"rename {close!r} to {column!r}" if close else f"add a column {column!r}"
            reading.fault(where, f"no column {column!r}", ", ".join(REQUIRED_SHEET_COLUMNS), remedy)
            ok = False
    for column in header:
        close = nearest(column, [c for c in SHEET_COLUMNS if c not in header])
        if column not in SHEET_COLUMNS and close:
            what = f"unknown column {column!r}"
            reading.fault(f"{where}/{column}", what, repr(close), f"did you mean {close!r}?")
            ok = False
    return ok


def _read_row(reading: Reading, sheet: Path, number: int, record: dict[str, str]) -> None:
    spot = f"{sheet.name}:{number}"
    empty = [column for column in REQUIRED_SHEET_COLUMNS if not record[column]]
    for column in empty:
        reading.fault(f"{spot}/{column}", "is empty", f"a {column}", "fill it in")
    if empty:
        return
    paths = {
        column: sheet.parent / record[column]
        for column in ("rna", "peaks", "fragments")
        if record.get(column)
    }
    reading.samples.append(
        Sample(
            sample=record["sample"],
            donor=record.get("donor") or record["sample"],
            group=record["group"],
            batch=record.get("batch") or None,
            row=number,
            **paths,
        )
    )
