"""Subclusters: naming, markers, effects inside samples, and planted states of confounded donors."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from helpers.compute.recovery import rate_subclusters
from helpers.compute.subclusters import (
    compare_inside,
    compare_partitions,
    divide_cells,
    list_top,
    measure_inside,
    measure_shares,
    measure_subclusters,
    name_subclusters,
    pick_top,
    rate_markers,
    score_subclusters,
)

GENES = pd.Index(["A1", "A2", "B1", "B2", "C1"])


def test_name_subclusters__follows_published_genes_not_size():
    labels = np.array([0, 0, 0, 1, 1, 2])
    values = sparse.csr_matrix(
        np.array([[0, 0, 3, 3, 0]] * 3 + [[2, 2, 0, 0, 0]] * 2 + [[0, 0, 0, 0, 1]])
    )
    names = name_subclusters(labels, values, GENES, {"0": ["A1", "A2"], "1": ["B1", "B2", "X"]})
    assert names.tolist() == ["1", "1", "1", "0", "0", "2"]


def test_name_subclusters__without_published_genes_are_numbered_by_size():
    labels = np.array([0, 0, 1])
    names = name_subclusters(labels, sparse.csr_matrix((3, 5)), GENES, {"7": ["X"]})
    assert names.tolist() == ["0", "0", "1"]


def test_pick_top__wants_called_genes_that_are_higher_inside():
    markers = pd.DataFrame(
        {
            "subcluster": ["0"] * 4,
            "gene": list("abcd"),
            "z": [5.0, 9, 7, 8],
            "padj": [0.01, 0.01, 0.2, 0.01],
            "log2fc": [1.0, 2, 3, 0.1],
        }
    )
    assert pick_top(markers, n=2, fdr=0.05, min_log2fc=0.25)["gene"].tolist() == ["b", "a"]
    assert list_top(markers, n=1, fdr=0.05, min_log2fc=0.25) == ["b"]
    rated = rate_markers(markers, {"0": ["a", "b", "d"]}, n=2, fdr=0.05, min_log2fc=0.25)
    assert rated.iloc[0].tolist() == ["0", 3, 2, "d"]


def make_cells() -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """Three samples of four cells; gene A1 four times as high inside subcluster 0."""
    cells = pd.DataFrame(
        {"sample": np.repeat(list("xyz"), 4), "group": "g", "subcluster": ["0", "0", "1", "1"] * 3}
    )
    inside = (cells["subcluster"] == "0").to_numpy()
    counts = np.column_stack([np.where(inside, 40, 10), np.full(12, 50), np.where(inside, 10, 40)])
    return sparse.csr_matrix(counts), cells


def test_compare_inside__keeps_samples_with_both_sides():
    counts, cells = make_cells()
    cells.loc[cells["sample"] == "z", "subcluster"] = "1"
    rates = compare_inside(counts, cells, "0", min_cells=2)
    assert rates.index.tolist() == [("x", False), ("x", True), ("y", False), ("y", True)]
    # 80 of 200 UMIs against 20 of 200
    assert rates.loc[("x", True), 0] - rates.loc[("x", False), 0] == pytest.approx(2.0, abs=1e-4)


def test_measure_subclusters__is_in_log2_and_by_sample():
    counts, cells = make_cells()
    counts[0, 0] += 3  # so that samples differ a little
    effects = measure_subclusters(
        counts,
        GENES[:3],
        cells,
        cell_type="T",
        published={"0": ["A1"]},
        sets={("L", "t"): ["A1", "A2"]},
        min_cells=2,
        min_size=2,
        confidence=0.95,
    ).set_index(["measure", "subcluster"])
    assert effects.loc[("markers", "0"), "effect"] == pytest.approx(2.0, abs=0.03)
    assert effects.loc[("markers", "0"), "ci_low"] > 1.8
    assert effects.loc[("activity", "0"), "n_test"] == 3
    assert effects.loc[("activity", "0"), "effect"] == pytest.approx(
        -effects.loc[("activity", "1"), "effect"], abs=1e-9
    )


def test_measure_inside__of_one_sample_has_no_interval():
    values = pd.Series(
        [1.0, 3.0],
        pd.MultiIndex.from_tuples([("x", False), ("x", True)], names=["sample", "inside"]),
    )
    row = measure_inside(
        values, cell_type="T", subcluster="0", feature="f", measure="m", confidence=0.95
    )
    assert np.isnan(row["effect"])
    assert row["reason"] == "1 samples have enough cells inside and outside: an interval needs two"


def test_measure_shares__finds_the_leading_subcluster_of_a_group():
    proportions = pd.DataFrame(
        [
            (sample, "A", name, n, n / 100)
            for sample, more in (("x", -2), ("y", 0), ("z", 2))
            for name, n in (("0", 60 + more), ("1", 10), ("3", 30))
        ],
        columns=["sample", "group", "cell_type", "n_cells", "fraction"],
    )
    table = measure_shares(
        proportions, pd.DataFrame(), [], ["A"], cell_type="T", confidence=0.95
    ).set_index("subcluster")
    assert table.loc["0", "effect"] == pytest.approx(np.log2(60.5 / 30.5), abs=0.002)
    assert table.loc["0 and 3", "effect"] == pytest.approx(np.log2(91 / 10.5), abs=0.002)
    assert set(table["cell_type"]) == {"T"}


def test_score_subclusters__sums_by_sample_and_subcluster():
    counts, cells = make_cells()
    sums, columns = score_subclusters(counts, cells, min_cells=2)
    assert columns["subcluster"].tolist() == ["0"] * 3 + ["1"] * 3
    assert columns["sample"].tolist() == list("xyzxyz")
    assert sums[0].tolist() == [80, 100, 20]


def test_compare_partitions__of_the_same_is_one():
    cells = pd.DataFrame({"subcluster": list("0011"), "same": list("bbaa"), "one": list("aaaa")})
    table = compare_partitions(cells, columns=["same", "one"])
    assert table["ari"].tolist() == [1.0, 0.0]


def test_rate_subclusters__counts_names_and_agreement():
    planted = pd.DataFrame(
        {"sample": "s", "barcode": list("abcd"), "cell_type": "T", "subcluster": list("0011")}
    )
    cells = planted[["sample", "barcode"]].assign(subcluster=list("1100"))
    table = rate_subclusters(planted, cells, cell_type="T").set_index("subcluster")
    assert table.loc["all", "ari"] == 1.0
    assert table.loc["all", "named_right"] == 0.0


def make_confounded(seed: int) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Two states in six donors; three donors have mostly one of them, three mostly the other."""
    rng = np.random.default_rng(seed)
    n_genes, per_donor = 400, 80
    level = rng.lognormal(-0.5, 1.0, n_genes)
    state_shift = np.where(rng.random(n_genes) < 0.15, rng.normal(0, 0.9, n_genes), 0)
    blocks, states, donors = [], [], []
    for donor in range(6):
        state = rng.random(per_donor) < (0.85 if donor < 3 else 0.15)
        effect = rng.normal(0, 0.3, n_genes)
        rate = level * np.exp(effect + state[:, None] * state_shift)
        depth = 600 * rng.lognormal(0, 0.3, (per_donor, 1))
        blocks.append(rng.poisson(rate / rate.sum(axis=1, keepdims=True) * depth))
        states.append(state)
        donors.append([f"d{donor}"] * per_donor)
    return (
        sparse.csr_matrix(np.vstack(blocks).astype(float)),
        np.concatenate(states),
        np.concatenate(donors),
    )


@pytest.mark.slow
def test_divide_cells__keeps_states_that_donors_are_confounded_with():
    counts, states, donors = make_confounded(0)
    rng = np.random.default_rng(1)
    found = {}
    for regress in ("within_subclusters", "everywhere"):
        division = divide_cells(
            counts,
            donors=donors,
            pct_mito=rng.random(len(donors)),
            n_genes=200,
            n_components=10,
            regress_donor=regress,
            harmony=True,
            n_neighbors=20,
            n_clusters=2,
            seed=0,
        )
        found[regress] = adjusted_rand_score(states, division.labels)
    assert found["within_subclusters"] >= 0.9
    assert found["everywhere"] <= found["within_subclusters"]
