"""Motifs of JASPAR, from the copy that the library pyjaspar carries (CC BY 4.0): no network."""

import sqlite3
import warnings
from collections.abc import Mapping

import numpy as np

from helpers.errors import DataError, ParamsError
from helpers.schema import Motif

RELEASE = "JASPAR2026"
NEWEST = "newest"
TAXA = {"human": "9606", "vertebrates": "%"}
# pyjaspar asks its database several times a motif, which takes seconds; these two questions are
# put to the same tables, whose layout JASPAR has kept since 2010.
ENTRIES = """
    SELECT MATRIX.ID, BASE_ID, VERSION, NAME FROM MATRIX
    WHERE COLLECTION = 'CORE'
      AND ID IN (SELECT ID FROM MATRIX_ANNOTATION WHERE TAG = 'tax_group' AND VAL = 'vertebrates')
      AND ID IN (SELECT ID FROM MATRIX_SPECIES WHERE TAX_ID LIKE ?)
    ORDER BY BASE_ID, VERSION
"""
COUNTS = "SELECT row, col, val FROM MATRIX_DATA WHERE ID = ? ORDER BY col"


def read_jaspar(*, release: str = NEWEST, species: str = "human") -> list[Motif]:
    """The newest matrix of every entry of JASPAR CORE, ordered by its name.

    Of some entries the newest version was measured in another species; with ``human`` the
    newest human one is taken (NRF1, MA0506, is among them).

    Parameters
    ----------
    release
        Such as ``JASPAR2024``, or ``newest``.
    species
        ``human``, or ``vertebrates`` for all.

    Raises
    ------
    ParamsError
        If pyjaspar has no such release.

    References
    ----------
    Rauluseviciute et al. (2024) Nucleic Acids Res. 52:D174. doi:10.1093/nar/gkad1059
    """
    from pyjaspar import jaspardb

    known = jaspardb().get_releases()
    wanted = known[0] if release == NEWEST else release
    if wanted not in known:
        msg = f"there is no release {release!r} of JASPAR here; there are {', '.join(known)}"
        raise ParamsError(msg)
    database = jaspardb(release=wanted).conn
    newest = {entry[1]: entry for entry in database.execute(ENTRIES, (TAXA[species],))}
    return [_read_matrix(database, *entry) for entry in newest.values()]


def _read_matrix(
    database: sqlite3.Connection, number: int, base: str, version: int, name: str
) -> Motif:
    letters: dict[str, list[float]] = {letter: [] for letter in "ACGT"}
    for letter, _, value in database.execute(COUNTS, (number,)):
        letters[letter].append(float(value))
    return Motif(f"{base}.{version}", name, np.array(list(letters.values())))


def read_motifs(identifiers: Mapping[str, str]) -> dict[str, tuple[str, np.ndarray]]:
    """Frequencies of some motifs.

    Parameters
    ----------
    identifiers
        Factor -> JASPAR identifier; without a version the newest is taken.

    Returns
    -------
    Factor -> identifier with its version, and probability of A, C, G, T at each position, shape
    (length, 4).

    Raises
    ------
    DataError
        If JASPAR has no such motif.
    """
    from pyjaspar import jaspardb

    database = jaspardb(release=RELEASE)
    found = {}
    for name, identifier in identifiers.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a motif it lacks, which is said below
            motif = database.fetch_motif_by_id(identifier)
        if motif is None:
            msg = f"{RELEASE} has no motif {identifier} ({name})"
            raise DataError(msg)
        counts = np.array([motif.counts[base] for base in "ACGT"], dtype=float).T
        found[name] = (str(motif.matrix_id), counts / counts.sum(axis=1, keepdims=True))
    return found
