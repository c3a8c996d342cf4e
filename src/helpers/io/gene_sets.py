"""Gene sets: GMT files, where they come from, and fetching them."""

import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from helpers.errors import DataError
from helpers.io.atomic import replacing
from helpers.project import DOWNLOADS, REFERENCE

SOURCES = REFERENCE / "sources.yml"
TIMEOUT_SECONDS = 60


def read_gene_sets(paths: Iterable[Path]) -> dict[tuple[str, str], list[str]]:
    """Genes of every term of some GMT files, plain or gzipped.

    A line is a name, a description and the genes, separated by tabs. The library is what the
    name says before a colon and a blank (``Hallmark: Hypoxia``), else the file's name.

    Returns
    -------
    (library, term) -> genes, each once, in the file's order.

    Raises
    ------
    DataError
        If a file does not exist, holds no gene set, a line has no gene, or genes are numbers.
    """
    sets: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        mine: dict[tuple[str, str], list[str]] = {}
        lines = _read_lines(path)
        for number, line in enumerate(lines, start=1):
            name, *rest = line.split("\t")
            genes = list(dict.fromkeys(gene.split(",")[0] for gene in rest[1:] if gene))
            if not genes:
                msg = f"{path}:{number}: a gene set needs a name, a description and genes"
                raise DataError(msg)
            library, colon, term = name.partition(": ")
            if not colon:
                library, term = library_of(path), _readable(name)
            mine[library, term] = genes
        _want_symbols(path, mine)
        sets |= mine
    return sets


def _want_symbols(path: Path, sets: dict[tuple[str, str], list[str]]) -> None:
    """Refuse genes that are numbers: they would be found in no cohort."""
    genes = {gene for listed in sets.values() for gene in listed}
    if sum(gene.isdigit() for gene in genes) > len(genes) / 2:
        msg = f"{path} numbers its genes (Entrez); gene symbols are needed, such as TP53"
        raise DataError(msg)


def _read_lines(path: Path) -> list[str]:
    if not path.is_file():
        msg = (
            f"{path} does not exist; name a GMT file under gene_sets, or fetch a listed one: "
            f"relapse-book fetch {path.stem}"
        )
        raise DataError(msg)
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as a GMT file ({error})"
        raise DataError(msg) from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        msg = f"{path} holds no gene set"
        raise DataError(msg)
    return lines


def library_of(path: Path) -> str:
    """Name of the library a file holds: as listed in the sources, else the file's own."""
    stem = path.name.removesuffix(".gz").removesuffix(".gmt")
    listed = {str(entry["name"]): str(entry["library"]) for entry in read_sources()}
    return listed.get(stem, stem)


def _readable(name: str) -> str:
    """A term's name as a reader would write it: ``HALLMARK_HYPOXIA`` is ``Hypoxia``."""
    if name != name.upper() or "_" not in name:
        return name
    words = name.removeprefix("HALLMARK_").replace("_", " ").lower()
    return words[:1].upper() + words[1:]


def read_sources(path: Path = SOURCES) -> list[dict[str, str]]:
    """Gene sets that can be fetched: name, library, url, sha256, licence, source."""
    return list(yaml.safe_load(path.read_text(encoding="utf-8")))


def fetch_gene_sets(name: str, *, folder: Path = DOWNLOADS, sources: Path = SOURCES) -> Path:
    """Download a listed collection of gene sets, if its content is what was listed.

    Parameters
    ----------
    name
        As listed in ``sources``.

    Returns
    -------
    The GMT file written, unpacked.

    Raises
    ------
    DataError
        If the name is not listed, the address cannot be read or the content is another.
    """
    entries = {str(entry["name"]): entry for entry in read_sources(sources)}
    if name not in entries:
        msg = f"no gene sets are listed as {name!r}; listed: {', '.join(entries)}"
        raise DataError(msg)
    entry = entries[name]
    try:
        with urlopen(entry["url"], timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  listed address
            content = _unpack(answer.read())
    except URLError as error:
        msg = f"{entry['url']} could not be read: {error.reason}"
        raise DataError(msg) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry["sha256"]:
        msg = (
            f"{entry['url']} gives another content than listed in {sources.name} "
            f"(sha256 {digest[:16]}…, listed {entry['sha256'][:16]}…); nothing was written"
        )
        raise DataError(msg)
    path = folder / f"{name}.gmt"
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def _unpack(content: bytes) -> bytes:
    """The text itself, from a zip or gzip archive or as it is."""
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(archive.namelist()[0])
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def read_published(path: Path) -> dict[str, dict[str, list[str]]]:
    """Genes a source names for each subcluster of each cell type.

    Raises
    ------
    DataError
        If the file is not a list of entries with ``cell_type``, ``subcluster`` and ``genes``.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as YAML ({' '.join(str(error).split())})"
        raise DataError(msg) from error
    published: dict[str, dict[str, list[str]]] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        if not _is_published_entry(entry):
            msg = f"{path}: entry {number} needs cell_type, subcluster and genes (a list)"
            raise DataError(msg)
        mine = published.setdefault(str(entry["cell_type"]), {})
        mine[str(entry["subcluster"])] = [str(gene) for gene in entry["genes"]]
    return published


def _is_published_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and {"cell_type", "subcluster", "genes"} <= set(entry)
        and isinstance(entry["genes"], list)
    )
