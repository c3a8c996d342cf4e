"""Parameters: models, defaults and their origins agree; what is wrong is named."""

import pytest
import yaml
from pydantic import ValidationError

from helpers.errors import ParamsError
from helpers.params import (
    CHAPTER_PARAMS,
    AnnotationParams,
    MapParams,
    QualityParams,
    SampleRnaParams,
    defaults_file,
    load_defaults,
    load_params,
    marker_file,
    nearest,
    origins,
    override_problems,
    plain_message,
    shorten,
    subset,
)
from helpers.project import DEFAULTS, REFERENCE


def test_defaults__there_is_one_file_a_chapter():
    assert {path.stem for path in DEFAULTS.glob("*.yml")} == set(CHAPTER_PARAMS)


@pytest.mark.parametrize("chapter", CHAPTER_PARAMS)
def test_defaults__name_every_parameter_in_order_with_its_origin(chapter):
    names = list(CHAPTER_PARAMS[chapter].model_fields)
    assert sorted(load_defaults(chapter)) == sorted(names)
    assert sorted(origins(chapter)) == sorted(names)


@pytest.mark.parametrize("chapter", CHAPTER_PARAMS)
def test_defaults__are_valid_and_those_of_the_file(chapter):
    written = yaml.safe_load(defaults_file(chapter).read_text(encoding="utf-8")) or {}
    assert load_params(chapter).model_dump() == written


@pytest.mark.parametrize("model", CHAPTER_PARAMS.values())
def test_parameters__say_what_they_mean(model):
    undescribed = [name for name, field in model.model_fields.items() if not field.description]
    assert undescribed == []


def test_defaults__are_the_papers():
    # Liu et al. 2025, Methods, Single-cell RNA sequencing
    quality = load_defaults("quality")
    paper = {
        "min_genes": 200,
        "max_genes": 5000,
        "min_umis": 500,
        "max_umis": 25000,
        "max_pct_mito": 10.0,
        "doublet_rate": 0.08,
        "doublet_cut": 0.25,
        "doublet_pn": 0.25,
        "doublet_pk": 0.09,
    }
    assert {name: quality[name] for name in paper} == paper


def test_load_params__puts_overrides_over_defaults():
    params = load_params("quality", {"min_genes": 300, "max_pct_mito": 15})
    changed = {"min_genes": 300, "max_pct_mito": 15.0}
    assert params.model_dump() == load_defaults("quality") | changed


def test_load_params__names_every_problem():
    with pytest.raises(ParamsError) as caught:
        load_params("quality", {"min_gene": 1, "seed": -1, "doublet_cut": "high"})
    assert str(caught.value) == (
        "quality has no parameter 'min_gene'; did you mean 'min_genes'?; "
        "quality.doublet_cut = 'high': input should be a valid number; "
        "quality.seed = -1: input should be greater than or equal to 0"
    )


def test_load_defaults__names_the_nearest_chapter():
    with pytest.raises(ParamsError, match=r"no chapter 'qualty'; did you mean 'quality'\?$"):
        load_defaults("qualty")
    with pytest.raises(ParamsError, match=r"no chapter 'zzz'; chapters: cohort, quality, "):
        load_params("zzz")


# chapter, overrides, and the parameter and sentence of the one problem, if there is one
PROBLEMS = [
    ("quality", {"min_genes": 4999}, None, ""),
    ("quality", {"min_genes": 5000}, "min_genes", ": min_genes (5000) must be below max_genes (5000)"),
    ("quality", {"max_umis": 500}, "max_umis", ": min_umis (500) must be below max_umis (500)"),
    ("quality", {"max_pct_mito": 100}, None, ""),
    ("quality", {"max_pct_mito": "9"}, "max_pct_mito", ".max_pct_mito = '9': input should be a valid number"),
    ("quality", {"seed": True}, "seed", ".seed = True: input should be a valid integer"),
    ("quality", {"seed": 1.0}, "seed", ".seed = 1.0: input should be a valid integer"),
    ("quality", {"zzz": 1}, "zzz",
     " has no parameter 'zzz'; it has " + ", ".join(QualityParams.model_fields)),
    ("claims", {"x": 1}, "x", " has no parameter 'x'; it has none"),
    ("fig1_composition", {"n_pcs": 49, "n_variable_genes": 50}, None, ""),
    ("fig1_composition", {"n_pcs": 50, "n_variable_genes": 50}, "n_pcs",
     ": n_pcs (50) must be below n_variable_genes (50)"),
    ("fig1_composition", {"resolution": float("inf")}, "resolution",
     ".resolution = inf: input should be a finite number"),
    ("fig1_composition", {"embedding": "UMAP"}, "embedding",
     ".embedding = 'UMAP': input should be 'umap' or 'tsne'"),
]  # fmt: skip


@pytest.mark.parametrize(("chapter", "overrides", "name", "sentence"), PROBLEMS)
def test_override_problems__by_hand(chapter, overrides, name, sentence):
    expected = [] if name is None else [(name, chapter + sentence)]
    assert override_problems(chapter, overrides) == expected


def test_override_problems__tells_every_range_that_is_closed():
    closed = (
        "quality: min_genes (9000) must be below max_genes (5000); "
        "min_umis (90000) must be below max_umis (25000)"
    )
    problems = override_problems("quality", {"min_genes": 9000, "min_umis": 90000})
    assert problems == [("min_genes", closed)]


def test_override_problems__judges_no_rule_where_a_name_is_unknown():
    # min_gene is likely to stand for min_genes, which would be below 100
    problems = override_problems("quality", {"min_gene": 5, "max_genes": 100})
    assert [name for name, _ in problems] == ["min_gene"]


def test_params__cannot_be_changed_or_extended():
    params = load_params("quality")
    with pytest.raises(ValidationError, match="frozen"):
        params.seed = 1
    with pytest.raises(ValidationError, match="Extra inputs"):
        QualityParams.model_validate(load_defaults("quality") | {"x": 1})


def test_subset__takes_what_a_stage_reads():
    params = load_params("fig1_composition")
    naming = subset(params, AnnotationParams)
    assert sorted(naming) == ["markers", "target_sum", "unknown_below"]
    assert naming["target_sum"] == 10000
    assert set(subset(params, MapParams)) == set(MapParams.model_fields)
    assert subset(load_params("quality"), SampleRnaParams) == load_defaults("quality")


def test_origins__are_the_comments_behind_the_values():
    assert origins("cohort") == {
        "few_samples": "paper: 3 a group (Methods, Study design); said where a group has no more"
    }


def test_marker_file__is_below_the_reference_folder_or_where_it_says():
    assert marker_file("markers.yml") == REFERENCE / "markers.yml"
    assert str(marker_file("/data/mine.yml")) == "/data/mine.yml"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("qualty", ["cohort", "quality"], "quality"),
        ("SAMPLE", ["sample", "group"], "sample"),
        ("ncr", ["CK", "CR", "NCR"], "NCR"),
        ("zzz", ["cohort", "quality"], None),
        ("x", [], None),
    ],
)
def test_nearest__is_what_was_likely_meant(name, known, expected):
    assert nearest(name, known) == expected


def test_nearest__can_be_stricter():
    assert nearest("path", ["batch"]) == "batch"
    assert nearest("path", ["batch"], likeness=0.7) is None


def test_plain_message__drops_the_prefix_and_the_capital():
    assert plain_message("Value error, Is wrong") == "is wrong"
    assert plain_message("") == ""


def test_shorten__cuts_long_values():
    assert shorten("abc") == "'abc'"
    assert shorten("x" * 100) == "'" + "x" * 58 + "…"


def test_load_params__rankings_of_motifs_come_with_their_factors():
    with pytest.raises(ParamsError, match="rankings and motif_factors come together"):
        load_params("regulons", {"rankings": "r.feather"})
    both = {"rankings": "r.feather", "motif_factors": "m.tbl"}
    assert load_params("regulons", both).model_dump()["rankings"] == "r.feather"
