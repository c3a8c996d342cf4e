"""AddModuleScore: by hand, laws, and Seurat's own scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute.module_scores import cut_expression, score_modules
from helpers.compute.normalise import log_normalise
from helpers.errors import DataError


def test_cut_expression__makes_bins_of_equally_many_by_mean():
    values = sparse.csr_matrix([[5.0, 1, 4, 0, 3, 2]])
    assert cut_expression(values, n_bins=3).tolist() == [2, 0, 2, 0, 1, 1]


def test_score_modules__by_hand():
    # Two bins: d and c, b and a. All of a bin are drawn, so the control of a and b is their mean.
    values = sparse.csr_matrix([[8.0, 6, 2, 0], [6.0, 6, 0, 0]])
    genes = pd.Index(list("abcd"))
    sets = {"top": ["a"], "both": ["a", "c", "X"], "none": ["X"]}
    scores = score_modules(values, genes, sets, n_bins=2, n_controls=2)
    assert scores["top"].tolist() == [8 - 7, 6 - 6]
    assert scores["both"].tolist() == [5 - 4, 3 - 3]
    assert scores["none"].isna().all()


def test_score_modules__gives_sets_of_strong_and_of_weak_genes_nothing():
    rng = np.random.default_rng(1)
    level = np.linspace(0.1, 2, 600)
    values = sparse.csr_matrix(rng.gamma(1.0, level, (400, 600)))
    genes = pd.Index([f"g{i}" for i in range(600)])
    sets = {"weak": list(genes[10:190:30]), "strong": list(genes[410:590:30])}
    scores = score_modules(values, genes, sets, n_bins=30, n_controls=5, seed=3)
    assert scores.mean().abs().max() < 0.05


def test_score_modules__refuses_bins_smaller_than_what_is_drawn():
    with pytest.raises(DataError, match="a bin of genes holds 2, and 3 controls"):
        score_modules(
            sparse.csr_matrix(np.eye(4)), pd.Index(list("abcd")), {"s": ["a"]},
            n_bins=2, n_controls=3,
        )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
def test_score_modules__agrees_with_seurat_as_its_seeds_agree(oracles: Path, seed: int):
    """Seurat's controls are drawn at random: correlation between two of its seeds is given."""
    counts, cells, genes = read_labelled_matrix(oracles / "inputs/aml027/aml027_1500")
    folder = oracles / "module_score"
    sets = json.loads((folder / "input/sets.json").read_text(encoding="utf-8"))
    theirs = read_tsv(folder / "output/add_module_score.tsv.gz", index_col=0)
    spread = read_tsv(folder / "output/seed_spread.tsv", index_col=0)["correlation_two_seeds"]
    ours = score_modules(log_normalise(counts.astype(float)), genes, sets, seed=seed)
    ours = ours.set_axis(cells).loc[theirs.index]
    r = pd.Series({name: np.corrcoef(ours[name], theirs[name])[0, 1] for name in theirs})
    assert (r - spread.reindex(r.index)).min() > -0.005
    assert np.abs(ours[theirs.columns] - theirs).max(axis=None) < 0.05
