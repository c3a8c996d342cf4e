"""Quality of nuclei: rules by hand, doublets planted, and ArchR's ranking."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse, stats

from helpers.compute.nuclei import (
    _rate,
    call_doublets,
    count_nuclei,
    judge_nuclei,
    score_doublets,
)
from helpers.errors import DataError


def test_judge_nuclei__notes_the_first_rule_that_applies():
    table = pd.DataFrame(
        {
            "n_fragments": [2999, 3000, 100_001, 5000, 5000, 5000],
            "tss_enrichment": [1.0, 8.0, 9.0, 7.99, 8.0, np.nan],
            "frip": [0.1, 0.21, 0.5, 0.1, 0.2, 0.5],
        }
    )
    found = judge_nuclei(table, fragments=(3000, 100_000), min_tss=8, min_frip=0.2)
    assert found.tolist() == [
        "few_fragments",
        "kept",
        "many_fragments",
        "low_tss",
        "low_frip",
        "low_tss",
    ]


def planted(seed: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Nuclei of three kinds over 900 peaks, the last 15 of them two added up."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.5, 0.3, (3, 900))
    kinds = rng.integers(0, 3, 315)
    counts = rng.poisson(rates[kinds])
    counts[300:] += rng.poisson(rates[(kinds[300:] + 1) % 3])
    return sparse.csr_matrix(counts), np.arange(315) >= 300


@pytest.mark.parametrize("seed", [0, 1])
def test_score_doublets__ranks_planted_doublets_first(seed):
    counts, doublet = planted(seed)
    scores = score_doublets(counts, n_components=10, seed=seed)
    rank = stats.rankdata(scores.enrichment)
    auroc = (rank[doublet].sum() - 15 * 16 / 2) / (15 * 300)
    assert auroc > 0.95
    assert scores.enrichment.mean() == pytest.approx(1)


def test_rate__gives_archrs_scores_of_its_enrichments(oracles: Path):
    theirs = read_tsv(oracles / "archr_doublets/output/doublet_scores.tsv.gz", index_col=0)
    # 2,500 doublets of 10 neighbours each
    ours = _rate(theirs["DoubletEnrichment"].to_numpy() * 25_000 / 10_000)
    np.testing.assert_allclose(ours.score, theirs["DoubletScore"], rtol=1e-9, atol=1e-9)
    # ArchR's enrichment is against one in 10,000 nuclei, ours against one in those there are
    np.testing.assert_allclose(ours.enrichment, theirs["DoubletEnrichment"] * 150 / 10_000)


def test_score_doublets__needs_nuclei():
    with pytest.raises(DataError, match="30 components need more than 30 nuclei"):
        score_doublets(sparse.csr_matrix(np.ones((20, 50))))


def test_score_doublets__ranks_nuclei_as_archr_does(oracles: Path):
    folder = oracles / "archr_doublets/output"
    counts, cells, _ = read_labelled_matrix(folder / "tile_matrix_5kb_binary")
    theirs = read_tsv(folder / "doublet_scores.tsv.gz", index_col=0).loc[cells]
    # ArchR's 500 distinct doublets are about three a nucleus. Its two columns are of one draw.
    ours = np.array(
        [
            score_doublets(counts, n_components=10, n_trials=3, seed=seed).enrichment
            for seed in range(6)
        ]
    )
    between_seeds = stats.spearmanr(ours, axis=1)[0][np.triu_indices(6, k=1)]
    with_archr = [stats.spearmanr(x, theirs["DoubletEnrichment"])[0] for x in ours]
    assert np.mean(with_archr) > between_seeds.min()
    assert between_seeds.min() > 0.93


def test_call_doublets__takes_the_highest_above_the_cut_up_to_the_expected_share():
    enrichment = np.array([0.5, 3.0, 2.0, 1.5, 0.9, 0.1, 0.2, 0.3, 0.4, 0.6])
    assert np.flatnonzero(call_doublets(enrichment, cut=1, expected_rate=0.2)).tolist() == [1, 2]
    assert np.flatnonzero(call_doublets(enrichment, cut=2.5, expected_rate=0.2)).tolist() == [1]
    assert call_doublets(enrichment, cut=1, expected_rate=0).sum() == 0


def test_count_nuclei__by_hand():
    table = pd.DataFrame({"sample": ["B", "B", "A"], "verdict": ["kept", "doublet", "low_tss"]})
    found = count_nuclei(table, ["B", "C", "A"])
    assert found["sample"].tolist() == ["B", "C", "A"]
    assert found[["n_input", "n_kept", "n_doublets", "low_tss"]].to_numpy().tolist() == [
        [2, 1, 1, 0],
        [0, 0, 0, 0],
        [1, 0, 0, 1],
    ]
