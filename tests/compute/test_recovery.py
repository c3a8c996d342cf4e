"""How much of what was planted is found again: by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers.compute.recovery import compare_labels, count_losses, rate_doublets


def test_compare_labels__by_hand():
    planted, called = pd.Series(list("TTTB")), pd.Series(list("TTBB"))
    table = compare_labels(planted, called).set_index("cell_type")
    assert table["called_right"].to_dict() == {"B": 1.0, "T": pytest.approx(2 / 3), "all": 0.75}
    assert table["most_called"].to_dict() == {"B": "B", "T": "T", "all": ""}
    assert table["n_cells"].to_dict() == {"B": 1, "T": 3, "all": 4}


def scores(first: list[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    key = pd.DataFrame({"sample": "s", "barcode": list("abcd")})
    measured = key.assign(
        scrublet_score=first,
        doubletfinder_score=[0.4, 0.3, 0.2, 0.1],
        scrublet=[False, False, True, True],
        doubletfinder=False,
    )
    planted = key.assign(
        kind=["good", "good", "doublet", "doublet"],
        cell_type=list("TBTT"),
        partner=["", "", "B", "T"],
    )
    return measured, planted


def test_rate_doublets__by_hand():
    table = rate_doublets(*scores([0.1, 0.2, 0.9, 0.15])).set_index("method")
    # of four pairs (doublet, single) three are in order; without the doublet of one type, both are
    assert table.loc["scrublet", "auroc"] == 0.75
    assert table.loc["scrublet", "auroc_different"] == 1.0
    assert table.loc["doubletfinder", "auroc"] == 0.0
    assert table.loc["scrublet", ["sensitivity", "specificity"]].tolist() == [1.0, 1.0]
    assert table.loc["doubletfinder", "sensitivity"] == 0.0


def test_rate_doublets__leaves_out_cells_without_a_score_and_samples_without_doublets():
    measured, planted = scores([0.1, 0.2, np.nan, np.nan])
    table = rate_doublets(measured, planted).set_index("method")
    assert table.loc["scrublet", "n_doublets"] == 0
    assert np.isnan(table.loc["scrublet", "auroc"])


def test_rate_doublets__means_over_samples_and_leaves_out_other_kinds():
    first = scores([0.1, 0.2, 0.9, 0.15])
    second = scores([0.9, 0.8, 0.1, 0.2])
    measured = pd.concat([first[0], second[0].assign(sample="t")])
    planted = pd.concat([first[1], second[1].assign(sample="t")])
    table = rate_doublets(measured, planted).set_index("method")
    assert table.loc["scrublet", "auroc"] == (0.75 + 0.0) / 2
    debris = planted.assign(kind=planted["kind"].where(planted["barcode"] != "a", "debris"))
    table = rate_doublets(measured, debris).set_index("method")
    # without the single cell a only b is left to be above: 1 of 2 and 0 of 2
    assert table.loc["scrublet", "auroc"] == (0.5 + 0.0) / 2


def test_compare_labels__counts_unknown_as_not_called_so():
    table = compare_labels(pd.Series(list("TT")), pd.Series(["unknown", "unknown"]))
    assert table["called_right"].tolist() == [0.0, 0.0]
    assert table["most_called"].tolist() == ["unknown", ""]


def test_count_losses__by_hand():
    barcodes = pd.DataFrame(
        {
            "sample": "s",
            "barcode": list("abcdef"),
            "group": list("AAABBB"),
            "verdict": ["kept", "doublet", "few_umis", "kept", "doublet", "kept"],
            "scrublet_score": [0.1, 0.5, np.nan, 0.1, 0.6, 0.2],
            "scrublet": [False, True, False, False, True, False],
            "doubletfinder": [True, True, False, False, False, False],
        }
    )
    planted = pd.DataFrame(
        {
            "sample": "s",
            "barcode": list("abcdef"),
            "kind": ["good", "good", "good", "good", "doublet", "good"],
            "cell_type": "T",
        }
    )
    table = count_losses(barcodes, planted).set_index(["group", "cell_type"])
    # c was never searched and e is a doublet: two good cells in each group
    assert table["n_good"].tolist() == [2, 2]
    assert table.loc[("A", "T"), ["removed", "scrublet", "doubletfinder"]].tolist() == [
        0.5,
        0.5,
        1.0,
    ]
    assert table.loc[("B", "T"), ["removed", "scrublet", "doubletfinder"]].tolist() == [0, 0, 0]
