"""Real public cohorts, each built from nothing but a cohort file and a sample sheet."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from cohorts import run_cli

from helpers.io.objects import read_cells

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real cohorts")]

# Where one side names finer types than the other, both are compared at the coarser of the two.
COARSE = {
    "pbmc3k": {
        "Naive CD4+ T": "Naive CD4 T",
        "Memory CD4+ T": "Memory CD4 T",
        "Naive CD8+ T": "CD8 T",
        "CD8+ NKT-like": "CD8 T",
        "Naive B": "B",
        "Classical monocytes": "CD14+ Mono",
        "Non-classical monocytes": "FCGR3A+ Mono",
        "Dendritic": "DC",
        "Plasmacytoid dendritic": "DC",
        "Platelets": "Platelet",
    },
    "pbsmall": {
        "CD8+ NKT-like": "T",
        "Naive B": "B",
        "Classical monocytes": "M",
    },
}
GROUPS = {
    "kang": {"reference": "ctrl", "stimulated": "stim"},
    "pbmc3k": {"reference": "healthy"},
    "pbsmall": {"reference": "healthy"},
}
# pbsmall has two chromosomes of 150 nuclei and 2,164 genes of 150 cells: what is asked of a whole
# genome would leave next to none.
OVERRIDES = {
    "pbsmall": {
        "quality": {"min_genes": 100, "min_umis": 200},
        "fig1_composition": {"n_neighbors": 10, "n_pcs": 10},
        "fig2_accessibility": {
            "min_fragments": 50,
            "min_tss": 0.0,
            "min_frip": 0.0,
            "doublet_rate": 0.0,
            "n_cca": 10,
        },
    },
}
ANNOTATIONS = {"pbsmall": "hg19_genes.tsv.gz"}
LABELS = {"pbmc3k": "labels.csv.gz", "pbsmall": "labels_rna.csv.gz"}
LEAST_RIGHT = {"pbmc3k": 0.90, "pbsmall": 0.93}


@pytest.fixture(scope="module")
def built(real_data, tmp_path_factory):
    """Builds a cohort once; its results folder and what was said."""
    made: dict[str, tuple[Path, str]] = {}

    def build(name: str) -> tuple[Path, str]:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = (folder / name, _build(real_data, name, folder))
        return made[name]

    return build


def _build(real_data: Path, name: str, results: Path) -> str:
    cohort = results / "cohort.yml"
    content = {
        "name": name,
        "title": f"Public data: {name}",
        "assembly": "GRCh37",
        "samples": str(real_data / "cohorts" / name / "samples.csv"),
        "groups": GROUPS[name],
        "overrides": OVERRIDES.get(name, {}),
    }
    if name in ANNOTATIONS:
        content["genome"] = {"annotation": str(real_data / "cohorts" / name / ANNOTATIONS[name])}
    cohort.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    told = run_cli("build", cohort, "--results", results)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_real_cohort__becomes_a_book(built, name):
    folder, said = built(name)
    assert said.splitlines()[-1] == str(folder / "book" / "html" / "index.html")
    landing = (folder / "book" / "html" / "index.html").read_text(encoding="utf-8")
    assert f"Public data: {name}" in landing
    assert "Simulated data" not in landing
    quality = pd.read_csv(folder / "tables" / "quality" / "cells.csv")
    assert (quality["n_kept"] > 0).all()


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_real_cohort__says_of_each_claim_why_it_is_not_tested(built, name):
    claims = pd.read_csv(built(name)[0] / "claims.csv").set_index("id")
    tested = claims[claims["verdict"] != "not testable"]
    # Of healthy samples alone, and so asked of these cohorts, too, where they have the types.
    assert set(tested.index) <= {"composition_control_t_cells"}
    assert claims["reason"].str.len().min() > 10


@pytest.mark.parametrize("name", sorted(LABELS))
def test_real_cohort__cells_are_called_what_they_are(built, real_data, name):
    cells = read_cells(built(name)[0] / "objects" / "rna.h5ad").astype({"barcode": str})
    labels = pd.read_csv(real_data / "cohorts" / name / LABELS[name])
    both = cells.merge(labels, on="barcode", suffixes=("_called", "_true"))
    assert len(both) == len(cells)
    right = both["cell_type_called"].astype(str).replace(COARSE[name]) == both["cell_type_true"]
    assert right.mean() >= LEAST_RIGHT[name], f"{right.mean():.3f} of {len(right)} cells"


def test_real_cohort__nuclei_are_called_what_they_are_by_the_cells_of_their_donor(built):
    nuclei = read_cells(built("pbsmall")[0] / "objects" / "atac.h5ad")
    truth = nuclei["barcode"].astype(str).str.split(".").str[0]
    right = nuclei["predicted"].astype(str).replace(COARSE["pbsmall"]) == truth
    assert len(right) == 150
    assert right.mean() >= 0.93, f"{right.mean():.3f} of {len(right)} nuclei"


def test_real_cohort__one_group_has_nothing_to_compare_and_says_so(built):
    page = built("pbmc3k")[0] / "book" / "html" / "chapters" / "fig1_composition.html"
    text = page.read_text(encoding="utf-8")
    assert "Panel E is not shown." in text
    assert "The cohort has one group: there is nothing to compare." in text


def test_real_cohort__two_groups_of_other_roles_are_compared(built):
    contrasts = pd.read_csv(built("kang")[0] / "tables" / "fig1_composition" / "contrasts.csv")
    assert set(contrasts["contrast"]) == {"stim vs ctrl"}
    assert set(contrasts["unit"]) == {"sample", "cell"}
