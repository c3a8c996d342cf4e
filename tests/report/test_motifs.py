"""What of the stages' results a page about motifs shows, and which jobs make them."""

from pathlib import Path
from unittest.mock import Mock

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from tiny import write_cohort

from helpers.compute.motif_tables import ABSENT, UNTESTED, join_motifs, measure_motifs
from helpers.io.cohort import read_cohort
from helpers.params import scan_problems
from helpers.report.motifs import (
    Chromatin,
    compare_factors,
    describe_arrows,
    describe_factors,
    describe_nuclei,
    describe_tests,
    draw_matrices,
    level_factors,
    list_factors,
    pick_motifs,
    summarise_factors,
)
from helpers.report.page import SHEET, Page
from helpers.report.plan import Plan, make_plan

CONTRAST = "Pro-B vs others"


def some_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "contrast": CONTRAST,
            "direction": ["up", "up", "up", "down", "up"],
            "rank": [1, 1, 2, 1, 3],
            "motif_id": ["M1", "M2", "M3", "M1", "M4"],
            "tf": ["ZNF423", "EBF1", "SP1", "ZNF423", "FOX"],
            "motif_group": ["EBF", "EBF", "SP", "EBF", "FOX"],
            "pvalue": [1e-9, 1e-8, 1e-3, 0.5, 0.6],
        }
    )


def test_pick_motifs__draws_the_best_of_a_group_and_names_the_sources_factor_in_it():
    shown = pick_motifs(some_table(), CONTRAST, ["EBF1"], n=2)
    assert shown["label"].tolist() == ["EBF", "EBF + 1 alike (EBF1)", "SP"]
    assert shown["named"].tolist() == [False, True, False]
    # EBF1 has 1e-8, which is not the best of its group
    assert shown["pvalue"].tolist() == [0.5, 1e-9, 1e-3]
    assert pick_motifs(some_table(), "NCR vs CR", ["EBF1"], n=2).empty


def test_pick_motifs__names_a_group_without_its_motif_and_one_factor_of_several():
    table = some_table().assign(motif_group="ZNF423 (MA0116.1)", rank=1)
    shown = pick_motifs(table, CONTRAST, ["SP1", "EBF1"], n=2)
    assert shown["label"].tolist() == ["ZNF423", "ZNF423 + 3 alike (EBF1, …)"]
    alone = pick_motifs(table.iloc[:1], CONTRAST, ["ZNF423"], n=1)
    assert alone["label"].tolist() == ["ZNF423"]
    assert alone["named"].tolist() == [True]


def test_list_factors__takes_the_best_motif_in_the_order_asked_for():
    table = pd.concat([some_table(), some_table().assign(motif_id="worse", pvalue=0.9)])
    found = list_factors(table, ["SP1", "EBF1"])
    assert found[["tf", "motif_id"]].to_numpy().tolist() == [["SP1", "M3"], ["EBF1", "M2"]]


def test_pick_motifs__of_an_empty_table():
    nothing = some_table().iloc[:0]
    assert pick_motifs(nothing, CONTRAST, ["EBF1"], n=2).empty
    assert list_factors(nothing, ["EBF1"]).empty


def make_chromatin(*, with_rna: bool = True) -> Chromatin:
    cells = pd.DataFrame(
        {
            "sample": ["a", "a", "b", "b", "b"],
            "group": ["CR", "CR", "NCR", "NCR", "NCR"],
            "cell_type": ["Pro-B", "T", "Pro-B", "T", "unassigned"],
        },
        index=[f"n{i}" for i in range(5)],
    )
    var = pd.DataFrame(
        {"tf": ["EBF1", "SP1"], "motif_group": ["EBF", "SP"], "width": [2, 3]}, index=["M1", "M2"]
    )
    matches = ad.AnnData(sparse.csr_matrix((4, 2)), var=var)
    matches.varm["counts"] = np.array([[9.0, 0, 0, 1, 0, 5, 5, 0, 0, 0, 0, 0], np.arange(12.0)])
    deviations = ad.AnnData(np.zeros((5, 2)), obs=cells, var=var)
    deviations.layers["deviation"] = np.array([[3.0, 0], [0, 1], [1, 0], [0, 1], [99, 99]])
    units = cells.iloc[:4].assign(n_cells=2)
    sums = ad.AnnData(np.full((4, 2), 5.0), obs=units, var=pd.DataFrame(index=["EBF1", "ACTB"]))
    sums.layers["n_expressing"] = np.array([[2, 2], [0, 2], [1, 2], [0, 2]])
    return Chromatin(
        peaks=pd.DataFrame({"contrast": [CONTRAST, "NCR vs CR", CONTRAST]}),
        matches=matches,
        deviations=deviations,
        coverage=pd.DataFrame(),
        features=pd.DataFrame(),
        sums=sums if with_rna else None,
    )


def test_chromatin__lists_comparisons_and_known_types():
    chromatin = make_chromatin()
    assert chromatin.contrasts == [CONTRAST, "NCR vs CR"]
    assert chromatin.types == ["Pro-B", "T"]


def test_draw_matrices__undoes_the_padding():
    found = draw_matrices(make_chromatin(), ["M1"])
    assert found["EBF1 (M1)"].tolist() == [[9, 0], [0, 5], [0, 5], [1, 0]]


def test_level_factors__by_type_then_by_group_inside_the_type():
    levels = level_factors(make_chromatin(), ["M1"], "Pro-B", ["NCR", "CR"], min_nuclei=1)
    assert levels.index.tolist() == ["Pro-B", "T", "Pro-B, NCR", "Pro-B, CR"]
    # means of 3 and 1, of 0 and 0, and one by one: log2 of one plus them
    np.testing.assert_allclose(levels["EBF1 M1"], np.log2([3, 1, 2, 4]))


def test_summarise_factors__by_type_and_group():
    found = summarise_factors(make_chromatin(), ["EBF1"], "Pro-B")
    assert found["part"].tolist() == ["types", "types", "groups", "groups"]
    assert found["cell_type"].tolist() == ["Pro-B", "T", "CR", "NCR"]
    assert found["fraction"].tolist() == [0.75, 0, 1, 0.5]
    assert found["n_cells"].tolist() == [4, 4, 2, 2]


def test_describe_factors__lists_cells_and_what_was_not_measured():
    dots = summarise_factors(make_chromatin(), ["EBF1", "SP1"], "Pro-B")
    by_type = dots[dots["part"] == "types"]
    found = describe_factors(["EBF1", "SP1"], by_type)
    assert found == "Cells: Pro-B 4, T 4. Not among the genes measured: SP1."
    assert describe_factors(["EBF1"], by_type) == "Cells: Pro-B 4, T 4."


def test_describe_tests__names_the_units_there_are():
    peaks = pd.DataFrame({"contrast": ["a", "a", "b", "c"], "unit": ["cell", "sample"] * 2})
    peaks.loc[2:, "unit"] = ["cell", "sample"]
    both = describe_tests(peaks, "a", sums="of samples")
    assert both.startswith("Left: likelihood ratio")
    assert both.endswith("Right: voom on sums of samples, samples being the unit.")
    by_cell = describe_tests(peaks, "b", sums="of samples")
    assert "Right" not in by_cell
    assert by_cell.endswith(f"By sample {UNTESTED['sample']}.")
    by_sample = describe_tests(peaks, "c", sums="of samples")
    assert by_sample.startswith("Shown: voom on sums of samples")
    assert by_sample.endswith(f"By nucleus {UNTESTED['cell']}.")


def test_describe_arrows__where_a_peak_is_open_on_one_side_alone():
    peaks = pd.DataFrame(
        {
            "contrast": ["a", "a", "b", "b"],
            "pct_test": [0.1, np.nan, 0.0, np.nan],
            "pct_reference": [0.2, np.nan, 0.2, np.nan],
        }
    )
    assert describe_arrows(peaks, "a") == ""
    assert describe_arrows(peaks, "b").startswith(" Arrows at the edge: open in no nucleus")


def test_describe_nuclei__by_type_and_group():
    found = describe_nuclei(make_chromatin().cells, ["Pro-B", "T"], ["NCR", "CR", "CK"])
    assert found == "Nuclei (NCR, CR, CK): Pro-B 1, 1, 0; T 1, 1, 0."


def test_sizes__counts_the_samples_that_took_part():
    sheet = [
        dict.fromkeys(SHEET) | {"sample": name, "group": name[:-1]}
        for name in ("CR1", "CR2", "NCR1", "NCR2")
    ]
    job = Mock(design={"samples": sheet, "groups": {"responder": "CR", "non_responder": "NCR"}})
    page = Page("fig8_pro_b_motifs", Path(), job)
    few = "Three or fewer samples a group show only large differences."
    assert page.sizes() == f"Samples: CR: 2, NCR: 2. {few}"
    assert page.sizes(["CR1", "CR1", "CR2"]) == f"Samples: CR: 2, NCR: 0. {few}"


def test_summarise_factors__is_empty_without_rna():
    found = summarise_factors(make_chromatin(with_rna=False), ["EBF1"], "Pro-B")
    assert found.empty
    assert {"part", "gene", "cell_type"} <= set(found.columns)


def test_scan_problems__names_what_differs():
    assert scan_problems({}) == []
    same = {"match_pvalue": 1e-3}
    both = dict.fromkeys(["fig7_hsc_mpp_motifs", "fig8_pro_b_motifs"], same)
    assert scan_problems(both) == []
    found = scan_problems({"fig7_hsc_mpp_motifs": {"species": "vertebrates"}})
    assert found == [
        (
            "fig8_pro_b_motifs",
            "species",
            "fig8_pro_b_motifs.species is 'human', fig7_hsc_mpp_motifs.species 'vertebrates'",
        )
    ]


def plan_motifs(tmp_path: Path, genome: str) -> Plan:
    path = write_cohort(tmp_path / "cohort")
    text = path.read_text().replace("[cohort, quality]", "[fig7_hsc_mpp_motifs]")
    text = text.replace("genome:\n", f"genome:\n{genome}").replace("  quality:\n", "  quality:\n")
    path.write_text(text)
    (path.parent / "genome.fa").write_text(">chr1\nACGT\n")
    (path.parent / "genome.fa.fai").write_text("chr1\t4\t6\t4\t5\n")
    cohort = read_cohort(path).cohort
    assert cohort is not None
    return make_plan(cohort, tmp_path / "results")


def test_make_plan__makes_what_the_chapter_on_motifs_reads(tmp_path: Path):
    plan = plan_motifs(tmp_path, "  fasta: genome.fa\n")
    names = [job.name for job in plan.jobs]
    assert {"motif_scan", "peak_contrasts/hsc_mpp", "rna_sums"} <= set(names)
    assert "peak_contrasts/pro_b" not in names
    made = {output for job in plan.jobs for output in job.outputs}
    chapter = plan.job("chapter/fig7_hsc_mpp_motifs")
    assert set(chapter.inputs) <= made
    assert chapter.optional == ("objects/rna_sums.h5ad",)
    job = plan.job("peak_contrasts/hsc_mpp")
    assert job.design["samples"] == {"A1": "A1"}
    assert set(job.data) == {"fragments_A1", "annotation"}


def test_make_plan__skips_the_chapter_without_a_sequence(tmp_path: Path):
    plan = plan_motifs(tmp_path, "")
    reason = plan.skipped["fig7_hsc_mpp_motifs"]
    assert reason.startswith("This chapter needs the genome's fasta")
    assert not [job for job in plan.jobs if job.name.startswith(("motif", "peak_contrasts"))]


@pytest.mark.parametrize("chapter", ["fig7_hsc_mpp_motifs", "fig8_pro_b_motifs"])
def test_methods__name_every_parameter_of_the_scan(chapter: str):
    from helpers.project import BOOK

    text = (BOOK / "methods" / f"{chapter}.md").read_text(encoding="utf-8")
    for name in ("jaspar_release", "species", "match_pvalue", "background_draws"):
        assert f"{{{name}}}" in text


def test_compare_factors__without_rna_joins_as_missing_numbers():
    chromatin = make_chromatin(with_rna=False)
    none = compare_factors(chromatin, Mock(), "Pro-B", min_cells=5, confidence=0.95)
    enriched = pd.DataFrame(
        {"contrast": [CONTRAST], "direction": "up", "motif_id": "M1", "tf": "EBF1"}
    )
    moved = pd.DataFrame({"contrast": [CONTRAST], "motif_id": "M1", "effect": 1.0, "padj": 0.01})
    table = join_motifs(enriched, moved, none, fdr=0.05)
    assert table["tf_log2fc"].isna().all()
    assert table["agreement"].tolist() == [ABSENT]
    numbers = dict.fromkeys(("ci_low", "ci_high", "pvalue", "n_test", "n_reference"), 1.0)
    effects = measure_motifs(
        moved.assign(tf="EBF1", **numbers),
        none,
        pd.DataFrame(columns=["contrast", "unit", "up", "down"]),
        factors=["EBF1"],
        cell_type="Pro-B",
        contrasts=[],
    )
    assert effects["measure"].tolist() == ["motif_of_type", "expression_of_type"]
    assert effects["reason"].tolist() == ["", UNTESTED["expression"]]
