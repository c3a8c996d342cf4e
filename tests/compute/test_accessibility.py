"""Chromatin against RNA: labels in clusters, proportions in samples."""

import numpy as np
import pandas as pd
import pytest

from helpers.compute.accessibility import (
    compare_clusters,
    compare_planted,
    compare_shifts,
    describe_opposed,
    find_label,
    pair_proportions,
    rate_agreement,
)
from helpers.compute.composition import compare_groups, count_types
from helpers.schema import Contrast

CONTRAST = Contrast(test="y", reference="x")
SHIFTS = pd.DataFrame(
    {
        "contrast": "y vs x",
        "cell_type": ["B", "T", "M", "P"],
        "effect_atac": [1.72, 1.0, -1.0, -0.5],
        "padj_atac": [0.001, 0.01, 0.01, 0.2],
        "effect_rna": [-1.96, 1.2, -0.8, 0.4],
        "padj_rna": [0.01, 0.001, 0.04, 0.001],
    }
)
SAMPLES = pd.DataFrame({"sample": ["A", "B", "C"], "group": ["x", "x", "y"]})


def test_compare_shifts__are_those_of_both_tables_of_contrasts():
    samples = pd.DataFrame({"sample": list("abcdef"), "group": list("xxxyyy")})
    counts = {"T": [20, 22, 25, 40, 44, 41], "B": [30, 31, 28, 12, 10, 11], "M": [50] * 6}
    cells = pd.DataFrame(
        [
            (sample, kind)
            for kind, numbers in counts.items()
            for sample, n in zip("abcdef", numbers, strict=True)
            for _ in range(n)
        ],
        columns=["sample", "cell_type"],
    )
    nuclei = cells.replace({"cell_type": {"T": "B", "B": "T", "M": "unassigned"}})
    fixed = {"transform": "logit", "confidence": 0.95}
    atac, rna = (
        compare_groups(count_types(table, samples), [CONTRAST], **fixed)
        for table in (nuclei, cells)
    )
    found = compare_shifts(atac, cells, samples, [CONTRAST], **fixed).set_index("cell_type")
    assert found.index.tolist() == ["B", "T"]
    by_sample = rna[rna["unit"] == "sample"].set_index("cell_type")
    assert found["effect_rna"].tolist() == by_sample.loc[["B", "T"], "effect"].tolist()
    assert found["padj_rna"].tolist() == by_sample.loc[["B", "T"], "padj"].tolist()
    assert found.loc["B", "effect_atac"] == pytest.approx(found.loc["T", "effect_rna"])
    assert compare_shifts(atac, cells.iloc[:0], samples, [CONTRAST], **fixed).empty


def test_compare_planted__counts_good_nuclei():
    nuclei = pd.DataFrame(
        {
            "group": ["x", "x", "x", "y", "y", "y"],
            "cell_type": ["B", "T", "T", "B", "B", "T"],
            "kind": ["good"] * 5 + ["debris"],
        }
    )
    composition = pd.DataFrame(
        {"cell_type": ["B", "T"] * 2, "group": list("xxyy"), "fraction": [0.6, 0.4, 0.1, 0.9]}
    )
    found = compare_planted(nuclei, composition, [CONTRAST]).set_index("cell_type")
    # chromatin: B from a third to all; RNA: B from 0.6 to 0.1
    assert found.loc["B", ["sign_atac", "sign_rna"]].tolist() == [1, -1]
    assert found.loc["T", ["sign_atac", "sign_rna"]].tolist() == [-1, 1]
    assert compare_planted(None, composition, [CONTRAST]).empty


def test_describe_opposed__names_types_of_certain_signs():
    planted = pd.DataFrame(
        {"contrast": "y vs x", "cell_type": ["B"], "sign_atac": [1.0], "sign_rna": [-1.0]}
    )
    text = (
        "Shifts seen by both (adjusted p < 0.05): 3, in opposite directions: "
        "B, y vs x (log2 odds ratio by RNA -1.96, by chromatin +1.72"
    )
    assert describe_opposed(SHIFTS, planted.iloc[:0], fdr=0.05) == f"{text})."
    assert describe_opposed(SHIFTS, planted, fdr=0.05) == f"{text}, both as planted)."
    other = planted.assign(sign_rna=1.0)
    assert describe_opposed(SHIFTS, other, fdr=0.05) == f"{text}, not so planted)."
    assert describe_opposed(SHIFTS.iloc[1:], planted, fdr=0.05).endswith(
        ": 2, none in opposite directions."
    )
    assert describe_opposed(SHIFTS.iloc[:0], planted, fdr=0.05).startswith("No shift is seen")


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
