import json

import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute.annotation import label_clusters, score_cells, weigh_markers
from helpers.compute.normalise import log_normalise
from helpers.errors import DataError


def test_weigh_markers__by_hand():
    weight = weigh_markers({"a": ["x", "y"], "b": ["x", "z"], "c": ["x"]})
    # of three types, a marker of one weighs 1, of two 1/2, of all 0
    assert weight.to_dict() == {"x": 0.0, "y": 1.0, "z": 1.0}
    assert weigh_markers({"a": ["x", "x"], "b": ["y"], "c": ["z"]})["x"] == 0.5


def test_score_cells__by_hand():
    values = sparse.csr_matrix([[0.0, 0.0], [2.0, 0.0], [4.0, 3.0]])
    genes = pd.Index(["x", "y"])
    scores = score_cells(values, genes, positive={"a": ["x"], "b": ["y"]}, negative={"a": ["y"]})
    y = np.array([-1, -1, 2]) / np.sqrt(3)
    np.testing.assert_allclose(scores["b"], y)
    np.testing.assert_allclose(scores["a"], np.array([-1, 0, 1]) - y)


def test_score_cells__refuses_where_no_marker_was_measured():
    with pytest.raises(DataError, match="none of the marker genes was measured"):
        score_cells(
            sparse.csr_matrix(np.eye(3)), pd.Index(list("pqr")), positive={"a": ["x"]}, negative={}
        )


def test_label_clusters__by_hand():
    scores = pd.DataFrame({"a": [1.0, 3.0, 0.1], "b": [0.0, 1.0, 0.2]})
    named = label_clusters(scores, np.array([0, 0, 1]), unknown_below=0.25)
    assert named["cell_type"].tolist() == ["a", "unknown"]
    assert named["score"].tolist() == [2.0, 0.2]
    assert named["runner_up"].tolist() == ["b", "a"]
    assert named["n_cells"].tolist() == [2, 1]


@pytest.fixture(scope="module")
def sctype(oracles):
    folder = oracles / "sctype"
    counts, cells, genes = read_labelled_matrix(oracles / "inputs" / "kang_pbmc" / "ctrl")
    sets = json.loads((folder / "input/immune_system_gene_sets_checked.json").read_text())
    listed = {side: {k: _listed(v) for k, v in sets[side].items()} for side in sets}
    scores = score_cells(log_normalise(counts), genes, **listed)
    return folder, cells, scores


def _listed(genes: object) -> list[str]:
    return [genes] if isinstance(genes, str) else [str(gene) for gene in genes]


def test_score_cells__equal_sctype(sctype):
    folder, cells, scores = sctype
    original = read_tsv(folder / "output/sctype_cell_scores.tsv.gz", index_col=0).T.loc[cells]
    assert set(original.columns) <= set(scores.columns)
    np.testing.assert_allclose(scores[original.columns], original, atol=1e-6)


def test_label_clusters__equal_sctype(sctype):
    folder, cells, scores = sctype
    clusters = read_tsv(folder / "input/clusters.tsv.gz").set_index("cell").loc[cells, "cluster"]
    named = label_clusters(scores, clusters.to_numpy(), unknown_below=0.25).set_index("cluster")
    original = read_tsv(folder / "output/sctype_cluster_labels.tsv").set_index("cluster")
    assert named["cell_type"].to_dict() == original["type"].to_dict()
    total = named["score"] * named["n_cells"]
    np.testing.assert_allclose(total.loc[original.index], original["scores"], rtol=1e-6)
