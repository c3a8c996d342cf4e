"""Chromatin against RNA: labels in clusters, proportions in samples."""

import numpy as np
import pandas as pd
import pytest

from helpers.compute.accessibility import (
    compare_clusters,
    find_label,
    pair_proportions,
    rate_agreement,
)

SAMPLES = pd.DataFrame({"sample": ["A", "B", "C"], "group": ["x", "x", "y"]})


def test_compare_clusters__by_hand():
    cells = pd.DataFrame(
        {
            "cluster": ["0", "0", "0", "10", "2", "2"],
            "cell_type": ["T", "T", "unassigned", "B", "B", "B"],
            "score": [1.0, 0.8, 0.3, 0.5, 0.9, 0.7],
        }
    )
    found = compare_clusters(cells)
    assert found["cluster"].tolist() == ["0", "2", "10", "all"]
    assert found["main_type"].tolist() == ["T", "B", "B", ""]
    assert found["fraction"].tolist() == [2 / 3, 1, 1, 5 / 6]
    assert found["mean_score"].tolist() == pytest.approx([0.7, 0.8, 0.5, 0.7])
    # labels T T B B B against clusters 0 0 10 2 2: 2 of 10 pairs agree in both, of 2 and 4
    assert found["ari"].iloc[-1] == pytest.approx((2 - 0.8) / (3 - 0.8))


def test_pair_proportions__pairs_samples_that_have_both():
    nuclei = pd.DataFrame({"sample": ["A", "A", "B"], "cell_type": ["T", "unassigned", "T"]})
    cells = pd.DataFrame({"sample": ["A", "A", "C", "A"], "cell_type": ["T", "B", "B", "unknown"]})
    found = pair_proportions(nuclei, cells, SAMPLES).set_index("cell_type")
    assert found["sample"].tolist() == ["A", "A"]
    assert found.loc["T", ["fraction_atac", "fraction_rna"]].tolist() == [0.5, 1 / 3]
    assert found.loc["B", ["fraction_atac", "fraction_rna"]].tolist() == [0.0, 1 / 3]


def test_pair_proportions__has_no_row_without_rna():
    nuclei = pd.DataFrame({"sample": ["A"], "cell_type": ["cluster 0"]})
    none = pd.DataFrame(columns=["sample", "cell_type"])
    found = pair_proportions(nuclei, none, SAMPLES)
    assert len(found) == 0
    assert len(rate_agreement(found)) == 0


def test_rate_agreement__by_hand():
    paired = pd.DataFrame(
        {
            "sample": "A",
            "group": "x",
            "cell_type": ["T", "B", "M"],
            "fraction_atac": [0.5, 0.3, 0.2],
            "fraction_rna": [0.6, 0.1, 0.3],
        }
    )
    found = rate_agreement(paired).iloc[0]
    # ranks 3 2 1 against 3 1 2
    assert found["spearman"] == pytest.approx(0.5)
    assert found["mean_difference"] == pytest.approx(0.4 / 3)


def test_find_label__is_the_type_or_the_largest_cluster_like_it():
    named = pd.DataFrame({"cell_type": ["Pro-B", "Naive B"]})
    assert find_label(named, "Pro-B") == "Pro-B"
    assert find_label(named, "HSC/MPP") == "HSC/MPP"
    labels = ["cluster 0", "cluster 1", "cluster 1", "cluster 2"]
    alike = ["Pro-B", "Pro-B", "Pro-B", "HSC/MPP"]
    clusters = pd.DataFrame({"cell_type": labels, "resembles": alike})
    assert find_label(clusters, "Pro-B") == "cluster 1"
    assert find_label(clusters, "cluster 0") == "cluster 0"
    assert find_label(clusters, "Naive B") == "Naive B"


def test_compare_clusters__names_the_type_a_cluster_resembles_without_rna():
    labels = {"cluster": ["0", "1"], "cell_type": ["cluster 0", "cluster 1"], "score": np.nan}
    table = compare_clusters(pd.DataFrame(labels).assign(resembles=["Pro-B", "HSC/MPP"]))
    assert table["resembles"].tolist()[:2] == ["Pro-B", "HSC/MPP"]
