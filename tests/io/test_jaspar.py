"""Motifs of JASPAR without network."""

import numpy as np
import pytest

from helpers.errors import DataError
from helpers.io.jaspar import read_motifs
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
