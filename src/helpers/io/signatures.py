"""The registry of signatures, and the lists of genes it points to."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd
import yaml
from pydantic import ValidationError

from helpers.errors import DataError
from helpers.params import plain_message, shorten
from helpers.schema import GeneColumn, Signature, SignatureEntry

KEYS = ("aliases", "signatures")
NO_FOLDER = "its list may not come with the project: name the folder that holds {} in lists_folder"


@dataclass(frozen=True)
class Registry:
    """What the registry file says."""

    entries: tuple[SignatureEntry, ...]
    aliases: dict[str, str]
    """Earlier symbol -> present one."""


def read_registry(path: Path) -> Registry:
    """Read the registry of signatures, naming every defect.

    Raises
    ------
    DataError
        If the file cannot be read, an entry is not as the model asks (entry and field named, one
        sentence each), two entries have one id, or an alias leads in a circle.
    """
    content = _read_yaml(path)
    aliases = content.get("aliases") or {}
    listed = content.get("signatures")
    problems = _alias_problems(aliases)
    named = aliases if isinstance(aliases, dict) else {}
    if not isinstance(listed, list) or not listed:
        problems.append("signatures holds no list of signatures")
        listed = []
    entries = []
    for number, record in enumerate(listed, start=1):
        try:
            entries.append(SignatureEntry.model_validate(record))
        except ValidationError as error:
            problems += _entry_problems(number, record, error)
    ids = [entry.id for entry in entries]
    problems += [
        f"the id {name} stands twice" for name in sorted({i for i in ids if ids.count(i) > 1})
    ]
    if problems:
        msg = f"{path}: {'; '.join(problems)}"
        raise DataError(msg)
    return Registry(tuple(entries), {str(old): str(new) for old, new in named.items()})


def _read_yaml(path: Path) -> dict[str, object]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as YAML ({' '.join(str(error).split())})"
        raise DataError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: a registry holds aliases and signatures"
        raise DataError(msg)
    unknown = sorted(str(key) for key in set(content) - set(KEYS))
    if unknown:
        msg = f"{path}: unknown key {unknown[0]!r}; a registry holds aliases and signatures"
        raise DataError(msg)
    return content


def _alias_problems(aliases: object) -> list[str]:
    if not isinstance(aliases, dict):
        return ["aliases is no table of earlier symbol: present symbol"]
    circular = sorted(str(old) for old, new in aliases.items() if new in aliases)
    return [
        f"the alias {old} leads to {aliases[old]}, which is itself given as an earlier symbol"
        for old in circular
    ]


def _entry_problems(number: int, record: object, error: ValidationError) -> list[str]:
    """One sentence a defect, the entry named by its id where it has one."""
    name = record.get("id", number) if isinstance(record, dict) else number
    found = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        text = plain_message(item["msg"])
        if item["type"] == "extra_forbidden":
            close = get_close_matches(where, SignatureEntry.model_fields, n=1)
            text = f"unknown field{f'; did you mean {close[0]!r}?' if close else ''}"
        value = f" = {shorten(item['input'])}" if where and item["type"] != "missing" else ""
        found.append(f"entry {name}{f', {where}{value}' if where else ''}: {text}")
    return found


def gather_signatures(
    registry: Registry, sets: Mapping[tuple[str, str], list[str]], *, lists_folder: Path | None
) -> list[Signature]:
    """Genes of every signature of the registry; one without them says why.

    Parameters
    ----------
    sets
        (library, term) -> genes of the GMT files at hand.
    lists_folder
        Folder of the lists that may not come with the project; none if not given.

    Raises
    ------
    DataError
        If a list is in the folder and cannot be read as the registry says.
    """
    # MSigDB writes names in capitals, so that case says nothing.
    by_name = {f"{library}: {term}".casefold(): genes for (library, term), genes in sets.items()}
    return [_gather(entry, by_name, lists_folder) for entry in registry.entries]


def _gather(
    entry: SignatureEntry, sets: dict[str, list[str]], lists_folder: Path | None
) -> Signature:
    weights, reason = dict(entry.weights), ""
    weights |= dict.fromkeys(entry.up, 1.0) | dict.fromkeys(entry.down, -1.0)
    if entry.sets:
        found = next((key for name in entry.sets if (key := name.casefold()) in sets), None)
        weights = dict.fromkeys(sets[found], 1.0) if found else {}
        reason = "" if found else f"no GMT file of gene_sets holds {' or '.join(entry.sets)}"
    if entry.files:
        weights, reason = _read_lists(entry, lists_folder)
    if entry.status == "pending":
        reason = entry.note
    return Signature(
        id=entry.id,
        name=entry.name,
        topic=entry.topic,
        weights=weights,
        linear=bool(entry.weights),
        status=entry.status,
        source=entry.source + (f", doi:{entry.doi}" if entry.doi else ""),
        reason=reason,
    )


def _read_lists(entry: SignatureEntry, folder: Path | None) -> tuple[dict[str, float], str]:
    """Genes of a signature's files with their signs, or why there are none."""
    names = [part.file for part in entry.files.values()]
    if folder is None:
        return {}, NO_FOLDER.format(" and ".join(dict.fromkeys(names)))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        return {}, f"{folder} does not hold {' and '.join(missing)}"
    genes = {side: _read_genes(folder / part.file, part) for side, part in entry.files.items()}
    both = sorted(set(genes.get("up", [])) & set(genes.get("down", [])))
    if both:
        msg = f"{folder}: {both[0]} stands in both lists of {entry.id}"
        raise DataError(msg)
    up, down = dict.fromkeys(genes.get("up", []), 1.0), dict.fromkeys(genes.get("down", []), -1.0)
    return up | down, ""


def _read_genes(path: Path, part: GeneColumn) -> list[str]:
    """Genes of one list, each once."""
    try:
        if part.column is None:
            genes = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        else:
            genes = _read_column(path, part, part.column)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        msg = f"{path}: cannot be read as a list of genes ({error})"
        raise DataError(msg) from error
    named = list(dict.fromkeys(gene for gene in genes if gene))
    if not named:
        msg = f"{path}: holds no gene"
        raise DataError(msg)
    return named


def _read_column(path: Path, part: GeneColumn, column: str) -> list[str]:
    separator = "," if path.suffix == ".csv" else "\t"
    table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    lacking = [name for name in (column, *part.where) if name not in table]
    if lacking:
        msg = f"{path}: has no column {' and '.join(lacking)}; it has {', '.join(table.columns)}"
        raise DataError(msg)
    for name, value in part.where.items():
        table = table[table[name] == value]
    return [gene.strip() for gene in table[column]]


def list_signature_genes(registry: Registry) -> set[str]:
    """Every gene the registry itself names."""
    return {gene for entry in registry.entries for gene in (*entry.up, *entry.down, *entry.weights)}
