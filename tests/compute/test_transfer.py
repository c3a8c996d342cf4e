"""Transfer: scores by hand, Seurat's predictions, and planted types."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_names, read_tsv
from samples import make_batch, read_pbmc
from scipy import sparse

from helpers.compute.anchors import Anchors, find_anchors, match_cells
from helpers.compute.normalise import find_components, log_normalise
from helpers.compute.transfer import TransferredLabels, project_query, transfer_labels
from helpers.errors import DataError
from helpers.schema import UNKNOWN

LINE = np.array([[0.0], [1.0], [3.0], [4.0]])


@pytest.fixture
def line() -> Anchors:
    """Anchors of three cells of the query; cell 1 has two of them."""
    return Anchors(
        a=np.array([0, 1, 2, 0]), b=np.array([1, 1, 2, 3]), score=np.array([0.4, 0.8, 1.0, 0.5])
    )


def test_transfer_labels__by_hand(line):
    found = transfer_labels(np.array(["T", "B", "T"]), line, LINE, k_weight=3)
    # Cell 0: anchors of cell 1 at nearness 3/4 (T with 0.4, B with 0.8), of cell 2 at 1/4 (T).
    t, b, more_t = 1 - np.exp([-0.75 * 0.4 / 4, -0.75 * 0.8 / 4, -0.25 / 4])
    assert found.scores.columns.tolist() == ["T", "B"]
    np.testing.assert_allclose(
        found.scores.iloc[0], [(t + more_t) / (t + b + more_t), b / (t + b + more_t)]
    )
    assert found.label[0] == "B"
    assert found.score[0] == found.scores.loc[0, "B"]


def test_transfer_labels__keeps_labels_no_anchor_bears(line):
    found = transfer_labels(np.array(["T", "B", "T", "NK"]), line, LINE, k_weight=3)
    assert (found.scores["NK"] == 0).all()
    np.testing.assert_allclose(found.scores.sum(axis=1), 1)


def test_transfer_labels__says_unknown_where_no_anchor_has_a_score(line):
    silent = Anchors(line.a, line.b, np.zeros(4))
    found = transfer_labels(np.array(["T", "B", "T"]), silent, LINE, k_weight=3)
    assert set(found.label) == {UNKNOWN}
    assert (found.score == 0).all()


def test_transfer_labels__needs_a_label_for_every_cell(line):
    with pytest.raises(DataError, match=r"1 cells of the reference have no label"):
        transfer_labels(np.array(["T", None, "T"], dtype=object), line, LINE, k_weight=3)


def test_transfer_labels__needs_the_labels_of_all_cells(line):
    with pytest.raises(DataError, match=r"anchors name cell 2, but labels has 2 rows"):
        transfer_labels(np.array(["T", "B"]), line, LINE, k_weight=3)


def test_transfer_labels__needs_the_embedding_of_all_cells(line):
    with pytest.raises(DataError, match=r"anchors name cell 3, but embedding has 3 rows"):
        transfer_labels(np.array(["T", "B", "T"]), line, LINE[:3], k_weight=3)


def test_project_query__puts_the_reference_where_it_was():
    values = sparse.csr_matrix(np.random.default_rng(0).uniform(0, 1, (50, 20)))
    space = project_query(values, values, n_components=4)
    np.testing.assert_allclose(space.b, space.a, atol=1e-10)


def test_project_query__needs_the_same_genes():
    values = sparse.csr_matrix(np.eye(5))
    with pytest.raises(DataError, match=r"reference and query have 5 and 4 genes"):
        project_query(values, values[:, :4], n_components=2)


def compare_scores(
    found: TransferredLabels, oracles: Path, name: str, cells: pd.Index
) -> tuple[float, np.ndarray]:
    """Share of labels that are Seurat's, and the largest difference of each cell's scores."""
    file = oracles / f"seurat_transfer/output/{name}_predictions.tsv.gz"
    theirs = read_tsv(file, index_col=0).loc[cells]
    columns = [f"prediction.score.{label.replace('-', '.')}" for label in found.scores]
    apart = np.abs(found.scores.to_numpy() - theirs[columns].to_numpy()).max(axis=1)
    ours = found.scores.to_numpy().ravel()
    assert np.corrcoef(ours, theirs[columns].to_numpy().ravel())[0, 1] > 0.9999
    assert np.corrcoef(found.score, theirs["prediction.score.max"])[0, 1] > 0.999
    return float((found.label == theirs["predicted.id"]).mean()), apart


def compare_anchors(
    anchors: Anchors, oracles: Path, name: str, cells: pd.Index, query: pd.Index
) -> tuple[float, float]:
    """Share of all anchors that both found, and the largest difference of their scores."""
    theirs = read_tsv(oracles / f"seurat_transfer/output/{name}_anchors.tsv.gz")
    ours = pd.DataFrame({"ref_cell": cells[anchors.a], "query_cell": query[anchors.b]})
    both = ours.assign(ours=anchors.score).merge(theirs, how="outer")
    return len(both.dropna()) / len(both), float((both["ours"] - both["score"]).abs().max())


@pytest.fixture(scope="module")
def pbmc(oracles: Path) -> tuple[sparse.csr_matrix, pd.Index, sparse.csr_matrix, pd.Index]:
    """Control (reference) and stimulated (query) PBMC, in the variable genes of the control."""
    features = read_names(oracles / "seurat_transfer/input/ctrl_variable_features.txt.gz")
    (a, cells_a, genes), (b, cells_b, _) = (read_pbmc(oracles, name) for name in ("ctrl", "stim"))
    columns = genes.get_indexer(features)
    return a[:, columns], cells_a, b[:, columns], cells_b


@pytest.fixture(scope="module")
def pbmc_labels(oracles: Path, pbmc) -> np.ndarray:
    table = read_tsv(oracles / "seurat_transfer/input/ctrl_labels.tsv.gz", index_col=0)
    return table.loc[pbmc[1], "label"].to_numpy()


def test_transfer_labels__agrees_with_seurat_on_canonical_components(oracles, pbmc, pbmc_labels):
    reference, cells, query, query_cells = pbmc
    anchors = find_anchors(reference, query, n_components=20)
    shared, _ = compare_anchors(anchors, oracles, "rna_rna_cca", cells, query_cells)
    assert shared > 0.995  # the rest hangs on the tolerance of irlba
    embedding = find_components(query, n_components=20).scores
    found = transfer_labels(pbmc_labels, anchors, embedding)
    same, apart = compare_scores(found, oracles, "rna_rna_cca", query_cells)
    assert same > 0.995
    assert np.median(apart) < 1e-9


def test_transfer_labels__agrees_with_seurat_on_projected_components(oracles, pbmc, pbmc_labels):
    reference, cells, query, query_cells = pbmc
    space = project_query(reference, query, n_components=20)
    anchors = match_cells(space, reference, query)
    shared, apart = compare_anchors(anchors, oracles, "rna_rna_pcaproject", cells, query_cells)
    assert shared == 1
    assert apart < 1e-9
    found = transfer_labels(pbmc_labels, anchors, space.b)
    same, apart = compare_scores(found, oracles, "rna_rna_pcaproject", query_cells)
    assert same == 1
    assert (apart < 1e-6).mean() > 0.9  # where Seurat's approximate search missed no neighbour


def test_transfer_labels__agrees_with_seurat_from_rna_to_chromatin(oracles: Path):
    folder = oracles / "seurat_transfer/input"
    counts, query_cells, genes = read_labelled_matrix(folder / "gene_activity")
    rna = read_tsv(oracles / "inputs/hemato/rna_scaled.tsv.gz", index_col=0).T
    labels = read_tsv(oracles / "inputs/hemato/rna_meta.tsv.gz", index_col=0).loc[rna.index]
    reference = sparse.csr_matrix(rna[genes].to_numpy())
    anchors = find_anchors(reference, log_normalise(counts), n_components=20, scale=False)
    shared, apart = compare_anchors(anchors, oracles, "rna_atac_cca", rna.index, query_cells)
    assert shared == 1
    assert apart < 1e-9
    lsi = read_tsv(folder / "atac_lsi.tsv.gz", index_col=0).loc[query_cells].to_numpy()
    found = transfer_labels(labels["BioClassification"].to_numpy(), anchors, lsi[:, 1:20])
    same, apart = compare_scores(found, oracles, "rna_atac_cca", query_cells)
    assert same == 1
    assert (apart < 1e-6).mean() > 0.9


@pytest.mark.parametrize("method", ["cca", "pcaproject"])
def test_transfer_labels__finds_planted_types_in_another_batch(method):
    reference, labels = make_batch(list("ABC"), n_per_type=100, shift=0.4, seed=1)
    query, truth = make_batch(list("CBA"), n_per_type=80, shift=0.4, seed=2)
    space = project_query(reference, query, n_components=6)
    if method == "cca":
        anchors = find_anchors(reference, query, n_components=6, k_filter=50)
    else:
        anchors = match_cells(space, reference, query, k_filter=50)
    found = transfer_labels(labels, anchors, space.b, k_weight=20)
    assert (found.label == truth).mean() > 0.99


def test_transfer_labels__labels_a_type_the_reference_lacks_without_any_anchor_on_it():
    reference, labels = make_batch(list("ABC"), n_per_type=100, shift=0.4, seed=1)
    query, truth = make_batch(list("ABCD"), n_per_type=100, shift=0.4, seed=2)
    space = project_query(reference, query, n_components=6)
    anchors = match_cells(space, reference, query, k_filter=50)
    assert not np.isin(truth[anchors.b], "D").any()
    found = transfer_labels(labels, anchors, space.b, k_weight=20)
    low = pd.Series(found.score).groupby(truth).quantile(0.05)
    assert low["D"] < 0.7
    assert low[list("ABC")].min() > 0.99
