"""Motifs alike: shifts, strands, and the families that JASPAR is known to hold."""

import numpy as np
import pytest
from jaspar import make_motif

from helpers.compute.motif_groups import compare_matrices, group_motifs
from helpers.io.jaspar import read_jaspar


def test_compare_matrices__by_hand():
    motifs = [make_motif(word) for word in ("GATTACA", "ATTACA", "TGTAATC", "CCCCCCC")]
    alike = compare_matrices(motifs)
    assert alike[0, 0] == pytest.approx(1)
    # six of seven positions in common: 6 / sqrt(6 * 7)
    assert alike[0, 1] == pytest.approx(6 / np.sqrt(42), abs=1e-6)
    assert alike[0, 2] == pytest.approx(1)  # the other strand
    assert alike[0, 3] < 0.5
    np.testing.assert_allclose(alike, alike.T)


def test_compare_matrices__does_not_count_positions_that_tell_nothing():
    plain, padded = make_motif("GATTACA"), make_motif("GATTACAA")
    padded.counts[:, 7] = 25.0
    assert compare_matrices([plain, padded])[0, 1] == pytest.approx(1)


def test_group_motifs__names_a_group_by_its_middle():
    words = {"one": "GATTACAT", "two": "GATTACA", "three": "ATTACA", "far": "CCGCGG"}
    groups = group_motifs([make_motif(word, name=name) for name, word in words.items()])
    assert groups == ["two (two.1)"] * 3 + ["far (far.1)"]


def test_group_motifs__of_one_motif():
    assert group_motifs([make_motif("GATTACA", name="GATA1")]) == ["GATA1"]


def test_group_motifs__keeps_families_together_and_apart():
    motifs = read_jaspar()
    group = dict(zip([m.id for m in motifs], group_motifs(motifs), strict=True))
    ap1 = {group[name] for name in ("MA0476.2", "MA0477.3", "MA0478.2", "MA0490.3", "MA1634.2")}
    assert len(ap1) == 1
    assert group["MA0154.5"] == group["MA1637.2"]  # EBF1, EBF3
    assert group["MA0079.5"] == group["MA1513.2"]  # SP1, KLF15
    assert len({*ap1, group["MA0154.5"], group["MA0079.5"], group["MA0506.1"]}) == 4
