"""The motifs of JASPAR, from the release that pyjaspar carries; no network."""

from typing import Any

import numpy as np

from helpers.errors import ParamsError
from helpers.schema import Motif

NEWEST = "newest"
TAXA = {"human": "9606", "vertebrates": None}


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
    """
    from pyjaspar import jaspardb

    known = jaspardb().get_releases()
    wanted = known[0] if release == NEWEST else release
    if wanted not in known:
        msg = f"there is no release {release!r} of JASPAR here; there are {', '.join(known)}"
        raise ParamsError(msg)
    taxon = TAXA[species]
    found = jaspardb(release=wanted).fetch_motifs(
        collection="CORE", tax_group=["vertebrates"], species=[taxon] if taxon else None,
        all_versions=True,
    )  # fmt: skip
    newest: dict[str, Any] = {}
    for entry in found:
        before = newest.get(entry.base_id)
        if before is None or int(entry.version) > int(before.version):
            newest[entry.base_id] = entry
    return [_convert(newest[name]) for name in sorted(newest)]


def _convert(entry: Any) -> Motif:
    counts = np.array([entry.counts[letter] for letter in "ACGT"], dtype=np.float64)
    return Motif(entry.matrix_id, entry.name, counts)
