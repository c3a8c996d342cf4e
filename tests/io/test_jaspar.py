"""Motifs of JASPAR as pyjaspar itself reads them, and the human ones it hides; no network."""

import numpy as np
import pytest

from helpers.errors import DataError, ParamsError
from helpers.io.jaspar import read_jaspar, read_motifs
from helpers.synth.chromatin import MOTIF_IDS


def test_read_motifs__gives_frequencies_of_the_newest_version():
    found = read_motifs(MOTIF_IDS)
    assert list(found) == list(MOTIF_IDS)
    for tf, (identifier, frequencies) in found.items():
        assert identifier.startswith(MOTIF_IDS[tf] + ".")
        np.testing.assert_allclose(frequencies.sum(axis=1), 1)
    # the heart of AP-1 sites, TGA(C/G)TCA
    best = "".join("ACGT"[i] for i in found["BATF"][1].argmax(axis=1))
    assert best == "TGACTCA"


def test_read_motifs__says_what_jaspar_lacks():
    with pytest.raises(DataError, match=r"has no motif MA9999 \(NONE\)"):
        read_motifs({"NONE": "MA9999"})


def test_read_jaspar__gives_the_matrices_pyjaspar_gives():
    from pyjaspar import jaspardb

    expected = jaspardb(release="JASPAR2024").fetch_motifs(
        collection="CORE", tax_group=["vertebrates"], species=["9606"]
    )
    found = {motif.id: motif for motif in read_jaspar(release="JASPAR2024")}
    assert {entry.matrix_id for entry in expected} <= set(found)
    for entry in expected[::25]:
        motif = found[entry.matrix_id]
        assert motif.tf == entry.name
        np.testing.assert_allclose(motif.counts, [entry.counts[letter] for letter in "ACGT"])


def test_read_jaspar__takes_the_newest_human_version_where_a_newer_one_is_of_another_species():
    human, every = ({m.id for m in read_jaspar(species=s)} for s in ("human", "vertebrates"))
    # NRF1: versions 2 and 3 were measured in mice
    assert "MA0506.1" in human
    assert "MA0506.3" in every - human
    assert len({name.split(".")[0] for name in human}) == len(human)


def test_read_jaspar__names_the_releases_there_are():
    with pytest.raises(ParamsError, match=r"no release 'JASPAR1999'.*JASPAR2024"):
        read_jaspar(release="JASPAR1999")


def test_motif__names_the_factors_that_bind_together():
    both = next(motif for motif in read_jaspar() if motif.id == "MA1130.2")
    assert both.factors == ("FOSL2", "JUN")
