"""What the stages of signatures and resistance left for a page."""

from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from cohorts import edit_cohort
from tiny import write_cohort

from helpers.io.cohort import read_cohort
from helpers.io.digest import DigestCache
from helpers.io.objects import write_object
from helpers.io.tables import write_table
from helpers.params import load_params, marker_file
from helpers.report.chapters import BY_ID, SIGNATURE_OBJECTS, skip_reason
from helpers.report.contrasts import resistance_contrast
from helpers.report.jobs import Job
from helpers.report.page import Page
from helpers.report.pipeline import resistance_job, signatures_job
from helpers.report.plan import make_plan
from helpers.report.resistance import read_line, read_rated, topic_contrasts
from helpers.report.signatures import (
    count_subclusters,
    list_published,
    read_scores,
    sum_frequency,
)
from helpers.schema import Contrast

TABLE = "objects/subclusters_hsc_mpp.csv"


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """A page with three cells of two samples and two signatures."""
    (tmp_path / "objects").mkdir()
    obs = pd.DataFrame(
        {
            "sample": ["a", "a", "b"],
            "barcode": ["x", "y", "x"],
            "group": ["CR", "CR", "NCR"],
            "cell_type": ["HSC/MPP", "T", "HSC/MPP"],
            "call": ["called", "other", "other"],
            "probability": [0.9, 0.1, 0.0],
        },
        index=["1", "2", "3"],
    )
    adata = ad.AnnData(np.zeros((3, 2), np.float32), obs=obs, var=pd.DataFrame(index=["s", "t"]))
    for name, values in (("", [[3, 0], [1, 0], [0, 0]]), (", random mean", 1), (", random sd", 2)):
        adata.layers[f"weighted z{name}"] = np.broadcast_to(np.array(values, float), (3, 2)).copy()
    adata.obsm["X_map"] = np.arange(6.0).reshape(3, 2)
    adata.uns["uncalled"] = ""
    write_object(adata, tmp_path / "objects/signatures.h5ad")
    tables = {
        "coverage": pd.DataFrame(
            {"signature": ["s", "t"], "name": ["S", "T"], "topic": ["ferroptosis", "other"]}
        ),
        "samples": pd.DataFrame(
            {"cell_type": ["T", "HSC/MPP", "all cells"], "group": ["CR", "NCR", "CR"]}
        ),
        "contrasts": pd.DataFrame(
            {
                "contrast": "NCR vs CR",
                "cell_type": ["all cells", "T", "all cells", "all cells"],
                "method": ["weighted z", "weighted z", "UCell", "weighted z"],
                "signature": ["s", "s", "s", "t"],
            }
        ),
        "frequency": pd.DataFrame(
            {
                "sample": ["a", "a", "b"],
                "group": ["CR", "CR", "NCR"],
                "cell_type": ["HSC/MPP", "T", "HSC/MPP"],
                "n_cells": [1, 3, 2],
                "n_called": [1, 0, 0],
                "fraction": [0.8, 0.0, 0.5],
                "ci_low": 0.0,
                "ci_high": [1.0, 0.2, 0.5],
                "chance": 0.1,
            }
        ),
    }
    for name, table in tables.items():
        write_table(table, tmp_path / f"objects/signatures_{name}.csv")
    cells = pd.DataFrame({"sample": ["a"], "barcode": ["x"], "group": ["CR"], "subcluster": ["0"]})
    write_table(cells, tmp_path / TABLE)
    registry = [str(marker_file("signatures.yml")), ""]
    job = Job(
        "chapter/signatures", (), (), optional=(TABLE,), data={"registry": registry},
        design={"groups": {"parental": "CR", "resistant": "NCR"}},
    )  # fmt: skip
    return Page("signatures", tmp_path, job)


def test_read_scores__excess_is_in_deviations_of_random_sets(page: Page):
    scored = read_scores(page)
    assert scored.excess("weighted z")["s"].tolist() == [1.0, 0.0, -0.5]
    assert list(scored.excess("weighted z", ["t", "unknown"])) == ["t"]
    assert scored.names == {"s": "S", "t": "T"}
    assert scored.cells["y"].tolist() == [1.0, 3.0, 5.0]


def test_scored__columns_list_types_in_order_and_all_cells_last(page: Page):
    assert list(read_scores(page).columns(["CR", "NCR"])) == [
        ("HSC/MPP", "NCR"),
        ("T", "CR"),
        ("all cells", "CR"),
    ]


def test_scored__beside_matches_planted_cells_by_barcode(page: Page):
    truth = pd.DataFrame(
        {"sample": ["b", "a"], "barcode": ["x", "y"], "dormant": ["True", "False"]}
    )
    planted, cells = read_scores(page).beside(truth)
    assert planted.tolist() == [False, True]
    assert cells["sample"].tolist() == ["a", "b"]


def test_count_subclusters__names_the_part_of_each_cell_that_has_one(page: Page):
    found = count_subclusters(page, read_scores(page).cells)
    assert found["part"].to_dict() == {0: "HSC/MPP 0"}
    without = Page(page.chapter, page.results, replace(page.job, optional=()))
    assert count_subclusters(without, read_scores(page).cells).empty


def test_sum_frequency__weighs_types_by_their_cells(page: Page):
    table = sum_frequency(read_scores(page)).set_index("sample")
    assert table["fraction"].to_dict() == {"a": pytest.approx(0.2), "b": 0.5}
    assert table.loc["a", "ci_high"] == pytest.approx((1.0 + 3 * 0.2) / 4)
    assert table["n_cells"].to_dict() == {"a": 4, "b": 2}


def test_list_published__has_the_hazard_ratios_of_the_pending_signature(page: Page):
    table = list_published(page)
    assert table["signature"].unique().tolist() == ["cytarabine_42_probes"]
    assert table["hazard_ratio"].tolist() == [2.040, 2.528, 2.442, 2.376]
    assert set(table["doi"]) == {"10.18632/oncotarget.13650"}


# Resistance


def test_topic_contrasts__takes_one_method_and_all_cells(page: Page):
    table, names = topic_contrasts(page, Contrast(test="NCR", reference="CR"), "ferroptosis")
    assert table[["signature", "cell_type", "method"]].to_numpy().tolist() == [
        ["s", "all cells", "weighted z"]
    ]
    assert names == {"s": "S"}


def test_resistance_contrast__is_by_role(page: Page):
    assert resistance_contrast(page) == Contrast(test="NCR", reference="CR")


def test_read_rated__names_the_stem_like_cluster_as_text(page: Page):
    folder = page.results / "objects"
    rated = pd.DataFrame({"cluster": ["0", "4"], "score": "stemness", "stem_like": [False, True]})
    write_table(rated, folder / "resistance_clusters.csv")
    write_table(pd.DataFrame({"sample": ["a"], "cluster": ["4"]}), folder / "resistance_cells.csv")
    table, found = read_rated(page)
    assert found == ["4"]
    assert table["cluster"].tolist() == ["0", "4"]
    assert read_line(page)["cluster"].tolist() == ["4"]


# Plan


def tiny_cohort(folder: Path, **changes: object):
    path = write_cohort(folder / "cohort")
    edit_cohort(path, overrides={}, **changes)
    return read_cohort(path).cohort


def test_skip_reason__names_the_role_a_cohort_lacks(tmp_path: Path):
    cohort = tiny_cohort(tmp_path)
    assert skip_reason(BY_ID["selinexor"], cohort) == (
        "This chapter compares groups in the roles parental and resistant; the cohort file has none in "
        "the role parental or resistant (key groups)."
    )
    assert skip_reason(BY_ID["signatures"], cohort) == ""


def test_make_plan__makes_signatures_for_the_line_before_it_is_compared(tmp_path: Path):
    groups = {"parental": "healthy", "resistant": "relapse"}
    cohort = tiny_cohort(tmp_path, groups=groups, chapters=["selinexor"])
    plan = make_plan(cohort, tmp_path / "results")
    made = {output for job in plan.jobs for output in job.outputs}
    assert {name for job in plan.jobs for name in job.inputs} - made == set()
    job = plan.job("resistance")
    assert SIGNATURE_OBJECTS[0] in job.inputs
    assert job.design == {"contrast": {"test": "relapse", "reference": "healthy"}}


def test_resistance_job__takes_only_what_its_stage_reads(tmp_path: Path):
    cohort = tiny_cohort(tmp_path, groups={"parental": "healthy", "resistant": "relapse"})
    job = resistance_job(cohort, {"selinexor": load_params("selinexor")})
    assert "n_diffusion" in job.params
    assert "genes_shown" not in job.params


def test_signatures_job__hashes_registry_gene_sets_and_the_users_lists(tmp_path: Path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mine.txt").write_text("A\n")
    values = load_params("signatures", {"lists_folder": str(tmp_path / "lists")})
    cohort = tiny_cohort(tmp_path)
    job = signatures_job(cohort, {"signatures": values}, DigestCache(tmp_path / "digests.json"))
    assert set(job.data) == {"registry", "gene_sets.gmt", "lists/mine.txt"}
    without = signatures_job(
        cohort, {"signatures": load_params("signatures")}, DigestCache(tmp_path / "d.json")
    )
    assert set(without.data) == {"registry", "gene_sets.gmt"}
