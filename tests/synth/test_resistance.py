"""The simulated line: what is planted is in the counts, and nothing in the line without effects."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.io.reference import read_genes
from helpers.synth.design import make_design
from helpers.synth.programmes import levels
from helpers.synth.resistance import (
    CLUSTERS,
    COURSE,
    NEXT,
    RESISTANT,
    STEM,
    STEM_LIKE,
    STEPS,
    line_genes,
    make_line,
    make_line_sample,
    make_line_truth,
)
from helpers.synth.rna import choose_genes


def make(profile: str):
    design = make_design(profile, n_cells=1800, seed=2)
    genes = choose_genes(read_genes(), design, wanted=line_genes())
    landscape = make_line(genes, design)
    return (
        design,
        landscape,
        {s.sample: make_line_sample(landscape, design, s) for s in design.samples},
    )


@pytest.fixture(scope="module")
def line():
    return make("resistance")


@pytest.fixture(scope="module")
def control():
    return make("resistance_null")


def rates(adata, chosen=slice(None)) -> pd.Series:
    counts = adata.X[chosen]
    total = np.asarray(counts.sum(axis=0)).ravel().astype(float)
    return pd.Series(1e4 * total / total.sum(), adata.var_names)


def test_design__has_three_flasks_of_each_condition(line):
    design, _, samples = line
    assert list(samples) == [f"{c}{i}" for c in ("parental", "resistant") for i in (1, 2, 3)]
    assert sum(s.n_cells for s in design.samples) == 1800


def test_make_line_sample__clusters_have_the_shares_of_their_condition(line):
    _, _, samples = line
    for condition in ("parental", "resistant"):
        obs = pd.concat([a.obs for name, a in samples.items() if name.startswith(condition)])
        found = 100 * obs["subcluster"].value_counts(normalize=True).reindex(CLUSTERS.index)
        np.testing.assert_allclose(found, CLUSTERS[condition], atol=4)


def test_make_line_sample__resistant_cells_drive_ferroptosis_less(line, control):
    for (_, _, samples), expected in ((line, -1.2), (control, 0.0)):
        drivers = list(levels(RESISTANT["ferroptosis_drivers", -1]))
        change = np.log2(
            rates(samples["resistant1"])[drivers] / rates(samples["parental1"])[drivers]
        )
        assert change.median() == pytest.approx(expected, abs=0.25)


def test_make_line_sample__the_stem_like_cluster_expresses_stemness_and_more_genes(line):
    _, _, samples = line
    adata = ad.concat([samples[f"resistant{i}"] for i in (1, 2, 3)])
    good = (adata.obs["kind"] == "good").to_numpy()
    stem, other = (good & (adata.obs["subcluster"] == c).to_numpy() for c in (STEM_LIKE, "0"))
    up = [gene for gene, log2fc in levels(STEM).items() if log2fc > 0]
    change = np.log2(rates(adata, stem)[up] / rates(adata, other)[up])
    # 1.5, less what cells lie towards the next cluster, plus what flatter levels leave to all genes
    assert 1.5 * (1 - np.mean(STEPS)) < change.median() < 1.7
    per_umi = np.asarray((adata.X > 0).sum(axis=1)).ravel() / np.sqrt(
        np.asarray(adata.X.sum(axis=1)).ravel()
    )
    assert per_umi[stem].mean() > per_umi[other].mean()


def test_make_line__without_effects_conditions_and_clusters_of_stem_cells_are_gone(control):
    _, landscape, _ = control
    for cluster in CLUSTERS.index:
        assert (
            landscape.log_rates["parental", cluster] == landscape.log_rates["resistant", cluster]
        ).all()
    genes = pd.Index(landscape.genes["gene"]).get_indexer(["AVP", "HLF", "CDKN1C"])
    stem, other = (landscape.log_rates["parental", name][genes] for name in (STEM_LIKE, "0"))
    np.testing.assert_allclose(stem, other)


def test_next__leads_from_every_cluster_to_another():
    assert set(NEXT) == set(CLUSTERS.index)
    assert all(start != end for start, end in NEXT.items())
    assert max(STEPS) < 0.5  # a cell stays nearest its own cluster


def test_make_line_truth__names_the_stem_like_cluster_and_what_moves():
    truth = make_line_truth(make_design("resistance"))
    clusters = truth["clusters"].set_index(["group", "cluster"])
    assert clusters.loc[("resistant", STEM_LIKE), "fraction"] == 0.20
    assert clusters.loc[("parental", STEM_LIKE), "fraction"] == 0.03
    assert set(truth["clusters"].query("stem_like")["cluster"]) == {STEM_LIKE}
    moved = truth["signatures"].set_index("gene")
    assert moved.loc["ACSL4", ["signature", "direction", "log2fc"]].tolist() == [
        "ferroptosis_drivers",
        -1,
        -1.2,
    ]
    control = make_line_truth(make_design("resistance_null"))
    assert not control["clusters"]["stem_like"].any()
    assert control["signatures"].empty
    assert control["clusters"].groupby("cluster")["fraction"].nunique().max() == 1


def test_make_line_sample__stem_like_cells_grow_and_ferroptosis_falls_with_days(line):
    design, _, samples = line
    days = {s.sample: s.time_days for s in design.samples}
    assert [days[name] for name in samples] == [0, 0, 0, 60, 30, 90]
    share = [100 * (a.obs["subcluster"] == STEM_LIKE).mean() for a in samples.values()]
    # 300 cells a flask: two standard errors of a share of 19 % are 4.5 %
    np.testing.assert_allclose(share, [3, 3, 3, 19, 10, 31], atol=5)
    drivers = list(levels(RESISTANT["ferroptosis_drivers", -1]))
    level = [np.log2(rates(adata)[drivers]).mean() for adata in samples.values()]
    assert np.mean(level[:3]) > level[4] + 0.6
    assert level[4] > level[3] > level[5]


def test_course__averages_to_what_the_tables_of_a_condition_say():
    percent, change = zip(*COURSE.values(), strict=True)
    assert np.mean(percent) == CLUSTERS.loc[STEM_LIKE, "resistant"]
    assert np.mean(change) == pytest.approx(1.0)


def test_make_line_sample__without_effects_nothing_changes_with_days(control):
    design, _, samples = control
    assert [s.time_days for s in design.samples] == [0, 0, 0, 60, 30, 90]
    share = [100 * (a.obs["subcluster"] == STEM_LIKE).mean() for a in samples.values()]
    np.testing.assert_allclose(share, 3, atol=3)


def test_make_line_truth__says_how_shares_and_genes_change_with_days():
    course = make_line_truth(make_design("resistance"))["course"].set_index(["sample", "feature"])
    assert course.loc[("resistant3", "stem-like cluster"), "value"] == pytest.approx(0.31)
    assert course.loc[("parental1", "stem-like cluster"), "value"] == pytest.approx(0.03)
    assert course.loc[("resistant3", "ferroptosis_drivers"), "value"] == pytest.approx(-1.2 * 1.25)
    directions = course["direction"].groupby("feature").unique().map(list).to_dict()
    assert directions == {"stem-like cluster": [1], "ferroptosis_drivers": [-1]}
    control = make_line_truth(make_design("resistance_null"))["course"]
    assert control["direction"].tolist() == [0] * 12
    assert control["value"].round(6).unique().tolist() == [0.03, 0.0]


def test_make_line__expresses_no_marker_of_other_blood_cells(line):
    design, landscape, _ = line
    genes = landscape.genes
    chosen = genes["gene"].isin(["CD3D", "MS4A1", "LYZ", "NKG7"]).to_numpy()
    assert chosen.sum() >= 3
    assert np.exp(landscape.log_rates["parental", "0"][chosen]).max() < 0.2
    other = str(genes["gene"][~genes["gene"].isin(line_genes()) & ~chosen].iloc[7])
    silent = make_line(genes, design, markers=frozenset({other, "CD34"}))
    rate = dict(zip(genes["gene"], np.exp(silent.log_rates["parental", "0"]), strict=True))
    assert rate[other] < 0.2
    assert rate["CD34"] > 0.2  # a gene of the line's own stays
