"""Marker genes: by hand and laws."""

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.markers import pick_markers, summarise_genes


def test_summarise_genes__by_hand():
    expression = sparse.csr_matrix([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    table = summarise_genes(expression, ["x", "y"], np.array(["T", "T", "B"]))
    rows = table.set_index(["cell_type", "gene"])
    assert rows.loc[("T", "x"), ["n_cells", "mean", "fraction", "scaled"]].tolist() == [2, 2, 1, 1]
    assert rows.loc[("B", "x"), ["n_cells", "mean", "fraction", "scaled"]].tolist() == [1, 0, 0, 0]
    assert rows.loc[("B", "y"), "mean"] == 2.0


def test_summarise_genes__a_gene_that_is_alike_everywhere_is_at_the_bottom_of_its_range():
    table = summarise_genes(sparse.csr_matrix(np.ones((4, 1))), ["x"], np.array(list("TTBB")))
    assert table["scaled"].tolist() == [0.0, 0.0]


def test_pick_markers__takes_the_first_measured_each_once():
    positive = {"T": ["CD3D", "CD3E", "CD2"], "B": ["CD19", "CD3D", "MS4A1"]}
    measured = pd.Index(["CD3E", "CD2", "MS4A1", "CD3D"])
    assert pick_markers(positive, ["T", "B"], measured, per_type=2) == ["CD3D", "CD3E", "MS4A1"]
    assert pick_markers(positive, ["unknown"], measured, per_type=2) == []


def test_summarise_genes__does_not_depend_on_the_order_of_the_cells():
    rng = np.random.default_rng(0)
    values, kinds = rng.poisson(0.7, (30, 3)).astype(float), rng.choice(list("TBM"), 30)
    order = rng.permutation(30)
    one, other = (
        summarise_genes(sparse.csr_matrix(x), list("xyz"), k)
        for x, k in ((values, kinds), (values[order], kinds[order]))
    )
    pd.testing.assert_frame_equal(one, other)
    assert one["scaled"].between(0, 1).all()
    means = pd.DataFrame(values, columns=list("xyz")).groupby(kinds).mean()
    np.testing.assert_allclose(one["mean"], means.to_numpy().ravel())


def test_pick_markers__passes_over_types_without_a_measured_marker():
    positive = {"T": ["CD3D"], "B": ["CD19"]}
    assert pick_markers(positive, ["B", "T"], pd.Index(["CD3D"]), per_type=3) == ["CD3D"]
