"""Motifs of JASPAR, from the copy that the library pyjaspar carries (CC BY 4.0): no network."""

import warnings
from collections.abc import Mapping

import numpy as np

from helpers.errors import DataError

RELEASE = "JASPAR2026"


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
