"""Count model: against sctransform and Seurat, laws of the regression, and errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute.sctransform import (
    find_residuals,
    fit_counts,
    regress_out,
    residual_variances,
    seurat_clip,
    sheather_jones,
)
from helpers.errors import DataError


def draw_counts(
    n_cells: int = 400, n_genes: int = 60, *, theta: float | None = None
) -> sparse.csr_matrix:
    """Counts that follow depth alone; overdispersed if ``theta`` is given."""
    rng = np.random.default_rng(0)
    depth = rng.lognormal(0, 0.5, (n_cells, 1))
    mu = depth * rng.lognormal(0.5, 0.8, n_genes)
    if theta is not None:
        mu = mu * rng.gamma(theta, 1 / theta, mu.shape)
    return sparse.csr_matrix(rng.poisson(mu).astype(float))


@pytest.mark.slow
def test_fit_counts__equals_sctransform(oracles: Path):
    folder = oracles / "sctransform/output"
    counts, cells, genes = read_labelled_matrix(oracles / "inputs/two_donor/counts")
    model = fit_counts(counts, n_genes=None, n_cells=None)
    answer = read_tsv(folder / "vst_fitted_model_pars.tsv.gz").set_index("gene")
    assert (genes[model.genes] == answer.index).all()
    for ours, name in (
        (model.intercept, "(Intercept)"),
        (model.slope, "log_umi"),
        (model.theta, "theta"),
    ):
        np.testing.assert_allclose(ours, answer[name], rtol=1e-6)
    answer = read_tsv(folder / "vst_residuals_top150.tsv.gz").set_index("gene")
    columns = genes[model.genes].get_indexer(answer.index)
    ours = find_residuals(counts, model, columns=columns, clip=np.sqrt(len(cells)))
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, answer[cells].to_numpy(), strict=True)]
    assert min(r) >= 0.999


@pytest.mark.slow
def test_regress_out__equals_seurats_residuals(oracles: Path):
    counts, cells, genes = read_labelled_matrix(oracles / "inputs/two_donor/counts")
    meta = read_tsv(oracles / "inputs/two_donor/meta.tsv.gz").set_index("cell").loc[cells]
    path = oracles / "sctransform/output/seurat_sct_regressed_residuals_top150.tsv.gz"
    answer = read_tsv(path).set_index("gene")
    model = fit_counts(counts)
    columns = genes[model.genes].get_indexer(answer.index)
    residuals = find_residuals(counts, model, columns=columns, clip=seurat_clip(len(cells)))
    ours = regress_out(residuals, meta[["donor", "percent.mt"]])
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, answer[cells].to_numpy(), strict=True)]
    assert min(r) >= 0.999


def test_sheather_jones__of_a_normal_sample_is_near_the_best_width():
    # The best width for a normal density: (4 / 3n) to the power of 1/5.
    values = np.random.default_rng(0).normal(size=3000)
    assert sheather_jones(values) == pytest.approx((4 / 9000) ** 0.2, rel=0.15)
    assert sheather_jones(5 * values) == pytest.approx(5 * sheather_jones(values), rel=1e-6)


def test_sheather_jones__is_narrow_where_a_normal_rule_would_blur_two_peaks():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-5, 0.3, 500), rng.normal(5, 0.3, 500)])
    assert sheather_jones(values) < 0.2 * values.std() * 1000**-0.2


def test_residuals__of_depth_alone_have_variance_one():
    for theta in (None, 3.0):
        counts = draw_counts(theta=theta)
        model = fit_counts(counts)
        variances = residual_variances(counts, model, clip=seurat_clip(400) * 3)
        assert np.median(variances) == pytest.approx(1.0, abs=0.12)


def test_residual_variances__are_highest_for_a_gene_that_marks_half_the_cells():
    counts = draw_counts().tolil()
    counts[:200, 7] = counts[:200, 7].toarray() + 8
    model = fit_counts(counts.tocsr())
    variances = residual_variances(counts.tocsr(), model, clip=seurat_clip(400))
    assert model.genes[variances.argmax()] == 7


def test_residual_variances__inside_batches_ignore_what_sets_batches_apart():
    counts = draw_counts().tolil()
    counts[:200, 7] = counts[:200, 7].toarray() + 8
    batches = np.repeat(["a", "b"], 200)
    model = fit_counts(counts.tocsr())
    place = int(np.flatnonzero(model.genes == 7)[0])
    whole = residual_variances(counts.tocsr(), model, clip=9.0)
    inside = residual_variances(counts.tocsr(), model, clip=9.0, within=batches)
    assert inside[place] < 0.5 * whole[place]


def test_regress_out__leaves_nothing_of_the_covariates():
    rng = np.random.default_rng(0)
    donor = np.repeat(["a", "b", "c"], 20)
    mito = rng.random(60)
    values = rng.normal(size=(60, 2)) + 3 * mito[:, None] + (donor == "b")[:, None]
    left = regress_out(values, pd.DataFrame({"donor": donor, "mito": mito}))
    np.testing.assert_allclose(left.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(mito @ left, 0, atol=1e-10)
    np.testing.assert_allclose(left[donor == "b"].mean(axis=0), 0, atol=1e-12)


def test_regress_out__beside_states_keeps_their_difference():
    # Donor a is all state 0 but for two cells, donor b all state 1 but for two; the donor adds 5.
    state = np.array([0] * 8 + [1] * 2 + [1] * 8 + [0] * 2)
    donor = np.repeat(["a", "b"], 10)
    values = (2.0 * state + 5.0 * (donor == "b"))[:, None]
    covariates = pd.DataFrame({"donor": donor})
    kept = regress_out(values, covariates, beside=state)[:, 0]
    lost = regress_out(values, covariates)[:, 0]
    assert kept[state == 1].mean() - kept[state == 0].mean() == pytest.approx(2.0)
    assert lost[state == 1].mean() - lost[state == 0].mean() == pytest.approx(1.28)


def test_fit_counts__needs_genes():
    with pytest.raises(DataError, match="0 genes are seen in 5 cells"):
        fit_counts(sparse.csr_matrix((50, 30)))


def test_fit_counts__does_the_same_with_the_same_seed():
    counts = draw_counts()
    first, again = (fit_counts(counts, n_genes=30, n_cells=200, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.theta, again.theta)
