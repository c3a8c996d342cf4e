"""Motif scanning: by hand, against a plain scan, motifmatchr's answer, real bound sequences."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaspar import make_motif, random_sequences, read_fasta, read_matrices
from oracle import read_labelled_matrix, read_tsv

from helpers.compute import motif_scan
from helpers.compute.motif_enrichment import enrich_motifs
from helpers.compute.motif_scan import (
    find_threshold,
    locate_motifs,
    match_motifs,
    measure_gc,
    weigh_letters,
)
from helpers.errors import DataError
from helpers.io.jaspar import read_jaspar
from helpers.schema import Motif


def test_weigh_letters__by_hand():
    # of 9.2 sites and a pseudocount of 0.8, 0.2 a letter: 9.2 / 10 and 0.2 / 10, over a quarter
    weights = weigh_letters(np.array([[9.0, 0.0], [0.0, 9.0], [0.0, 0.0], [0.2, 0.2]]))
    assert weights[0, 0] == pytest.approx(np.log(9.2 / 10 * 4))
    assert weights[0, 1] == pytest.approx(np.log(0.2 / 10 * 4))


def test_find_threshold__is_the_lowest_score_rare_enough():
    # two positions of scores 3, 2, 1, 0: sums of 6 and 5 have probabilities of 1/16 and 2/16
    weights = np.tile(np.array([[3.0], [2.0], [1.0], [0.0]]), 2)
    assert find_threshold(weights, pvalue=3 / 16) == pytest.approx(4.001)
    assert find_threshold(weights, pvalue=1 / 16) == pytest.approx(5.001)


def test_find_threshold__of_a_short_motif_is_its_best_word():
    weights = np.tile(np.array([[3.0], [2.0], [1.0], [0.0]]), 2)
    assert find_threshold(weights, pvalue=0.01) == pytest.approx(6)


@pytest.mark.parametrize("pvalue", [0.2, 0.01, 1e-3])
def test_find_threshold__is_passed_as_often_as_asked(pvalue: float):
    counts = np.random.default_rng(1).integers(1, 60, (4, 7)).astype(float)
    weights = weigh_letters(counts)
    scores = np.array([sum(w) for w in product(*weights.T)])
    chance = (scores >= find_threshold(weights, pvalue=pvalue)).mean()
    # scores are rounded to thousandths, so that a few words may change sides
    assert pvalue * 0.95 - 2e-4 < chance <= pvalue * 1.01 + 1e-4


def test_locate_motifs__finds_both_strands_by_hand():
    found = locate_motifs(["TTGATTACATT", "TTTGTAATCTT"], [make_motif("GATTACA")], pvalue=1e-4)
    rows = found[["sequence", "start", "end", "strand"]].to_numpy().tolist()
    assert rows == [[0, 2, 9, "+"], [1, 2, 9, "-"]]
    # 100 of 100 sites and the pseudocount: 100.2 of 100.8, at 7 positions
    assert found["score"].tolist() == pytest.approx([7 * np.log(100.2 / 100.8 * 4)] * 2)


def test_locate_motifs__does_not_match_unknown_letters_or_across_sequences():
    sequences = ["NGATTACN", "GATT", "ACA", "gattaca"]
    found = locate_motifs(sequences, [make_motif("GATTACA")], pvalue=1e-4)
    assert found["sequence"].tolist() == [3]


def _scan_plainly(sequence: str, motif: Motif, pvalue: float) -> set[tuple[int, str]]:
    weights = weigh_letters(motif.counts)
    threshold = find_threshold(weights, pvalue=pvalue)
    found = set()
    for strand, table in (("+", weights), ("-", weights[::-1, ::-1])):
        for i in range(len(sequence) - table.shape[1] + 1):
            word = sequence[i : i + table.shape[1]]
            score = sum(table["ACGT".index(x), j] for j, x in enumerate(word))
            found |= {(i, strand)} if score >= threshold else set()
    return found


@given(st.integers(3, 16), st.integers(0, 10_000))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_locate_motifs__equals_a_plain_scan(width: int, seed: int):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 50, (4, width)).astype(float) + 0.5
    motif = Motif("m", "m", counts)
    sequence = random_sequences(1, 120, seed=seed)[0]
    found = locate_motifs([sequence], [motif], pvalue=5e-3)
    expected = _scan_plainly(sequence, motif, 5e-3)
    assert set(zip(found["start"], found["strand"], strict=True)) == expected


def test_match_motifs__agrees_with_the_places_in_any_batches(monkeypatch: pytest.MonkeyPatch):
    sequences = random_sequences(60, 80, seed=3)
    motifs = [make_motif(word, name=word) for word in ("GATTA", "CCGC", "TATAAT")]
    whole = match_motifs(sequences, motifs, pvalue=5e-3)
    places = locate_motifs(sequences, motifs, pvalue=5e-3)
    expected = pd.crosstab(places["sequence"], places["tf"]).reindex(range(60), fill_value=0)
    assert (whole.toarray() == (expected[[m.tf for m in motifs]] > 0).to_numpy()).all()
    monkeypatch.setattr(motif_scan, "BATCH", 500)
    assert (match_motifs(sequences, motifs, pvalue=5e-3) != whole).nnz == 0


def test_measure_gc__leaves_unknown_letters_out():
    assert measure_gc(["GCAT", "GGGN", "NN", "aaaC"]).tolist() == [0.5, 1.0, 0.5, 0.25]


def test_match_motifs__refuses_nothing_to_scan():
    with pytest.raises(DataError, match="0 motifs, 1 sequences"):
        match_motifs(["ACGT"], [])


def test_locate_motifs__agrees_with_motifmatchr(oracles: Path):
    folder = oracles / "motifs"
    sequences = read_fasta(folder / "input/sequences.fa.gz")
    motifs = read_matrices(folder / "input/pfm.jaspar.gz")
    names = list(sequences)
    found = locate_motifs(list(sequences.values()), motifs, pvalue=5e-5)
    found["name"] = [names[i] for i in found["sequence"]]
    answer = read_tsv(folder / "output/motif_positions.tsv.gz")
    # the original counts from 1 and gives the last position
    mine = found.assign(start=found["start"] + 1).set_index(
        ["motif_id", "name", "start", "end", "strand"]
    )
    theirs = answer.set_index(["motif", "sequence", "start", "end", "strand"])
    common = mine.index.intersection(theirs.index)
    assert len(common) / len(mine.index.union(theirs.index)) >= 0.99
    score = mine.loc[common, "score"] / np.log(2)  # the original's are binary logarithms
    np.testing.assert_allclose(score, theirs.loc[common, "score"], rtol=1e-8)
    matches, _, _ = read_labelled_matrix(folder / "output/motif_matches")
    mine = match_motifs(list(sequences.values()), motifs, pvalue=5e-5)
    assert (mine != matches.T.astype(bool)).sum() / mine.nnz <= 0.01


def test_match_motifs__puts_ctcf_first_in_sequences_it_binds(real_data: Path):
    bound = list(read_fasta(real_data / "motifs/Gm12878.CTCF.top500.w200.fa").values())
    rng = np.random.default_rng(0)
    shuffled = ["".join(rng.permutation(list(sequence))) for sequence in bound]
    motifs = read_jaspar()
    matches = match_motifs([*bound, *shuffled], motifs)
    table = enrich_motifs(matches, np.arange(500), np.arange(500, 1000))
    table["tf"] = [motif.tf for motif in motifs]
    first = table.sort_values(["pvalue", "fold"], ascending=[True, False]).iloc[0]
    assert first["tf"] == "CTCF"
    assert first["observed"] > 400
