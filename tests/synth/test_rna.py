"""Simulated counts: each effect that is planted is there, in the amount planted."""

import tracemalloc
from dataclasses import replace
from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.io.reference import arm_of_genes, read_genes
from helpers.synth import rna
from helpers.synth.design import COMPOSITION, SUBCLUSTERS, Design, Difficulty, make_design
from helpers.synth.programmes import (
    CELL_TYPES,
    DEPTH,
    GROUP_SHIFTS,
    levels,
    named_genes,
    signature_genes,
)
from helpers.synth.rna import (
    BACKGROUND,
    Landscape,
    choose_genes,
    is_ribosomal,
    make_landscape,
    make_sample,
)

N_GENES = 2500
# Nothing but counting noise: what a test is about is switched on by the test.
CLEAN = Difficulty(
    donor_sd=0.0,
    ambient=0.0,
    doublet_rate=0.0,
    dying_rate=0.0,
    debris_rate=0.0,
    proportion_sd=0.0,
)


def design_of(
    difficulty: Difficulty = CLEAN, *, profile: str = "demo", cells: int = 1000
) -> Design:
    """A cohort of few genes; ``cells`` in each sample."""
    design = make_design(profile, n_cells=9 * cells)
    return replace(design, n_genes=N_GENES, difficulty=difficulty)


@cache
def landscape_of(design: Design) -> Landscape:
    """What the cells of a cohort draw from."""
    return make_landscape(choose_genes(read_genes(), design, wanted=set()), design)


def arms_of(design: Design) -> pd.Series:
    return arm_of_genes(landscape_of(design).genes)


def draw(design: Design, name: str, *, arms: pd.Series | None = None) -> ad.AnnData:
    """One sample of a cohort."""
    sample = next(s for s in design.samples if s.sample == name)
    chosen = arms_of(design) if arms is None else arms
    return make_sample(landscape_of(design), design, sample, arms=chosen)


def share_of(adata: ad.AnnData, chosen: np.ndarray | list[str]) -> float:
    """Share of all UMIs that come from some genes."""
    return float(adata[:, chosen].X.sum() / adata.X.sum())


def of_type(adata: ad.AnnData, *cell_types: str, kind: str = "good") -> ad.AnnData:
    return adata[adata.obs["cell_type"].isin(cell_types) & (adata.obs["kind"] == kind)]


def totals(adata: ad.AnnData) -> np.ndarray:
    return np.asarray(adata.X.sum(axis=1)).ravel()


# Genes


@pytest.mark.parametrize(("profile", "n_genes"), [("demo", 8000), ("paper", 20_000)])
def test_choose_genes__takes_real_genes_of_every_chromosome_in_order(profile, n_genes):
    reference = read_genes()
    genes = choose_genes(reference, make_design(profile), wanted=set())
    assert (~genes["added"]).sum() == n_genes
    assert signature_genes() <= set(genes["gene"])
    assert genes["gene"].is_unique
    assert set(genes["chrom"]) >= {f"chr{c}" for c in [*range(1, 23), "X", "Y"]}
    rows = pd.Index(reference["gene"]).get_indexer(genes["gene"])
    assert (np.diff(rows) > 0).all()
    assert reference["chrom"].iloc[rows].tolist() == genes["chrom"].tolist()


def test_choose_genes__keeps_named_wanted_mitochondrial_and_ribosomal_genes():
    genes = set(choose_genes(read_genes(), design_of(), wanted={"TTN", "HBA1"})["gene"])
    reference = read_genes()["gene"]
    assert genes >= named_genes() | {"TTN", "HBA1", "XIST", "RPS4Y1"}
    assert genes >= set(reference[reference.str.startswith("MT-") | is_ribosomal(reference)])


def test_choose_genes__gives_more_than_asked_rather_than_drop_a_named_gene():
    genes = choose_genes(read_genes(), replace(design_of(), n_genes=10), wanted=set())
    assert 10 < len(genes) < N_GENES
    assert set(genes["gene"]) >= named_genes()


def test_is_ribosomal__by_name():
    names = ["RPL3", "RPS27A", "RPL10L", "RPLP0", "RPSA", "RPS4X", "RPS6KA1", "MRPL3", "RPL5P1"]
    assert is_ribosomal(pd.Series(names)).tolist() == [True] * 6 + [False] * 3


# What types express


@pytest.mark.parametrize("difficulty", ["easy", "standard", "hard"])
def test_make_landscape__raises_markers_by_the_contrast(difficulty):
    design = replace(make_design("demo", difficulty=difficulty), n_genes=N_GENES)
    landscape = landscape_of(design)
    genes = landscape.genes
    avp = int(np.flatnonzero(genes["gene"] == "AVP")[0])
    # AVP has level 4 in HSC/MPP: the log distance from the background times the contrast
    expected = BACKGROUND * (4 / BACKGROUND) ** design.difficulty.contrast
    assert np.exp(landscape.log_rates["HSC/MPP", ""][avp]) == pytest.approx(expected)
    assert np.exp(landscape.log_rates["Naive B", ""][avp]) == pytest.approx(BACKGROUND)


def test_make_landscape__puts_subcluster_shifts_on_top():
    landscape = landscape_of(design_of())
    rates, genes = landscape.log_rates, landscape.genes["gene"]
    change = pd.Series(rates["HSC/MPP", "1"] - rates["HSC/MPP", ""], genes) / np.log(2)
    assert change["RPS27"] == pytest.approx(1.7)
    assert change["AVP"] == pytest.approx(0)
    assert 0.1 < (change != 0).mean() < 0.25  # the fifth of free genes that change with it


def test_make_landscape__neighbours_are_more_alike_than_strangers():
    rates = landscape_of(design_of()).log_rates
    apart = {
        (a, b): np.abs(rates[a, ""] - rates[b, ""]).mean()
        for a, b in [
            ("Naive CD4+ T", "Memory CD4+ T"),
            ("Naive CD4+ T", "Naive CD8+ T"),
            ("Naive CD4+ T", "Naive B"),
            ("Naive CD4+ T", "Classical monocytes"),
        ]
    }
    near = max(list(apart.values())[:2])
    assert near < 0.5 * min(list(apart.values())[2:])


# Samples


def test_make_sample__has_counts_barcodes_and_truth():
    adata = draw(design_of(Difficulty(), cells=300), "CR2")
    assert sparse.isspmatrix_csr(adata.X)
    assert adata.shape[0] == 300
    assert (~adata.var["added"]).sum() == N_GENES
    assert adata.X.dtype == np.int32
    assert adata.X.data.min() >= 1
    assert adata.obs_names.is_monotonic_increasing
    assert adata.obs_names.is_unique
    assert adata.obs_names.str.fullmatch(r"[ACGT]{16}-1").all()
    assert set(adata.obs["kind"]) == {"good", "dying", "debris", "doublet"}
    assert set(adata.obs["cell_type"]) == set(CELL_TYPES)
    assert ((adata.obs["partner"] != "") == (adata.obs["kind"] == "doublet")).all()
    assert adata.obs.loc[adata.obs["dormant"], "subcluster"].isin(["0"]).all()
    assert ((adata.obs["subcluster"] != "") == adata.obs["cell_type"].isin(SUBCLUSTERS)).all()


def test_make_sample__gives_the_same_for_the_same_seed_and_else_another():
    design = design_of(cells=60)
    once, again = draw(design, "CK1"), draw(design, "CK1")
    assert (once.X != again.X).nnz == 0
    assert once.obs.equals(again.obs)
    assert not once.obs_names.equals(draw(design, "CK2").obs_names)
    other = replace(make_design("demo", n_cells=540, seed=1), n_genes=N_GENES, difficulty=CLEAN)
    assert not once.obs_names.equals(draw(other, "CK1").obs_names)


@pytest.mark.parametrize("name", ["CK1", "CR1", "NCR1"])
def test_make_sample__has_the_composition_of_its_group(name):
    counts = draw(design_of(cells=1000), name).obs["cell_type"].value_counts()
    expected = 10 * COMPOSITION[name.rstrip("1")]
    assert counts.reindex(expected.index).tolist() == expected.tolist()


def test_make_sample__scatters_compositions_around_the_group():
    design = design_of(replace(CLEAN, proportion_sd=0.25), cells=1000)
    shares = [draw(design, f"CK{i}").obs["cell_type"].value_counts() / 1000 for i in (1, 2, 3)]
    log_ratio = np.log(pd.concat(shares, axis=1).div(COMPOSITION["CK"] / 100, axis=0))
    assert 0.15 < log_ratio.to_numpy().std() < 0.35  # 30 draws of 0.25 and counting noise


@pytest.mark.parametrize(("profile", "drawn_as"), [("demo", "NCR"), ("null", "CK")])
def test_make_sample__draws_subclusters_by_group(profile, drawn_as):
    adata = draw(design_of(profile=profile, cells=4000), "NCR3")
    mine = adata.obs.loc[adata.obs["cell_type"] == "Pro-B", "subcluster"]
    expected = SUBCLUSTERS["Pro-B"][drawn_as] / 100
    found = mine.value_counts(normalize=True).reindex(expected.index).fillna(0)
    error = np.sqrt(expected * (1 - expected) / len(mine))
    assert (np.abs(found - expected) < 4 * error).all()


def test_make_sample__null_draws_patients_like_controls():
    counts = draw(design_of(profile="null"), "NCR1").obs["cell_type"].value_counts()
    assert counts.reindex(COMPOSITION.index).tolist() == (10 * COMPOSITION["CK"]).tolist()


def test_make_sample__good_cells_have_the_depth_of_their_type():
    adata = draw(design_of(cells=2000), "CK1")
    for cell_type in ("Naive CD4+ T", "CD8+ NKT-like", "Classical monocytes"):
        found = totals(of_type(adata, cell_type))
        # median of a log-normal with sd 0.35: its standard error is 1.25 * 0.35 / sqrt(n)
        error = 1.25 * 0.35 / np.sqrt(len(found))
        assert abs(np.log(np.median(found) / (CLEAN.depth * DEPTH[cell_type]))) < 4 * error
        assert abs(np.log(found).std() - 0.35) < 0.05


def test_make_sample__counts_are_overdispersed_as_designed():
    adata = of_type(draw(design_of(cells=4000), "CK1"), "Naive CD4+ T")
    share = adata[:, "B2M"].X.toarray().ravel() / totals(adata)
    poisson = np.mean(1 / totals(adata)) / share.mean()
    squared_variation = share.var() / share.mean() ** 2 - poisson
    assert len(share) == 1000
    assert abs(squared_variation - CLEAN.dispersion) < 0.05


def test_make_sample__drops_out_most_faint_genes():
    adata = of_type(draw(design_of(Difficulty(), cells=1000), "CK1"), "Naive CD4+ T")
    seen = pd.Series(np.asarray((adata.X > 0).mean(axis=0)).ravel(), adata.var_names)
    # level 2.2 per 10,000 in cells of some 3,600 UMIs: 0.8 expected UMIs, so many cells show none
    assert 0.3 < seen["LEF1"] < 0.7
    assert seen["GATA3"] < 0.3
    assert seen["B2M"] > 0.99


# Doublets, dying cells, debris, soup


def test_make_sample__has_doublets_dying_cells_and_debris_in_the_rates_asked_for():
    difficulty = replace(CLEAN, doublet_rate=0.08, dying_rate=0.05, debris_rate=0.02)
    kinds = draw(design_of(difficulty, cells=3000), "CK1").obs["kind"].value_counts()
    assert kinds["doublet"] == 240  # exactly 8 %
    n_alone = 3000 - 240
    for kind, rate in (("dying", 0.05), ("debris", 0.02)):
        error = np.sqrt(n_alone * rate * (1 - rate))
        assert abs(kinds[kind] - n_alone * rate) < 4 * error


def test_make_sample__doublets_hold_two_cells():
    adata = draw(design_of(replace(CLEAN, doublet_rate=0.3), cells=3000), "CK1")
    t_cells, monocytes = ["Naive CD4+ T", "Naive CD8+ T"], ["Classical monocytes"]
    first, second = adata.obs["cell_type"], adata.obs["partner"]
    twins = adata[first.isin(t_cells) & second.isin(t_cells)]
    single = of_type(adata, *t_cells)
    assert np.median(totals(twins)) / np.median(totals(single)) == pytest.approx(2, rel=0.1)
    mixed = adata[
        (first.isin(t_cells) & second.isin(monocytes))
        | (first.isin(monocytes) & second.isin(t_cells))
    ]
    # a T cell of depth 0.85 and a monocyte of 1.3; the two genes are in no regulon
    from_monocyte = share_of(mixed, ["S100A9"]) / share_of(of_type(adata, *monocytes), ["S100A9"])
    from_t_cell = share_of(mixed, ["CD2"]) / share_of(single, ["CD2"])
    assert from_monocyte == pytest.approx(1.3 / 2.15, rel=0.15)
    assert from_t_cell == pytest.approx(0.85 / 2.15, rel=0.2)


def test_make_sample__doublets_are_made_of_two_good_cells():
    rates = replace(CLEAN, doublet_rate=0.3, dying_rate=0.4, debris_rate=0.3)
    adata = draw(design_of(rates, cells=1000), "CK1")
    doublets = adata[adata.obs["kind"] == "doublet"]
    mitochondrial = doublets.var_names.str.startswith("MT-")
    share = np.asarray(doublets[:, mitochondrial].X.sum(axis=1)).ravel() / totals(doublets)
    assert (share < 0.1).mean() > 0.99
    # good cells have thousands of UMIs each, a dying cell or a scrap would add hundreds
    assert (totals(doublets) > 2400).mean() > 0.99


def test_make_sample__partners_of_doublets_are_drawn_from_all_cells():
    adata = draw(design_of(replace(CLEAN, doublet_rate=0.5), cells=4000), "CK1")
    partners = adata.obs.loc[adata.obs["kind"] == "doublet", "partner"]
    expected = COMPOSITION["CK"] / 100
    found = partners.value_counts(normalize=True).reindex(expected.index)
    error = np.sqrt(expected * (1 - expected) / len(partners))
    assert (np.abs(found - expected) < 4 * error).all()


def test_make_sample__dying_cells_leak_and_keep_their_mitochondria():
    adata = draw(design_of(replace(CLEAN, dying_rate=0.2), cells=2000), "CK1")
    mitochondrial = adata.var_names.str.startswith("MT-")
    share = np.asarray(adata[:, mitochondrial].X.sum(axis=1)).ravel() / totals(adata)
    dying, good = (adata.obs["kind"] == kind for kind in ("dying", "good"))
    # drawn evenly between 12 and 60 %; mitochondrial genes scatter from cell to cell
    assert share[dying].mean() == pytest.approx(0.36, abs=0.03)
    assert (share[dying] > 0.1).mean() > 0.95
    assert (share[good] < 0.1).mean() > 0.99
    ratio = np.median(totals(adata)[dying]) / np.median(totals(adata)[good])
    assert ratio == pytest.approx(0.35, rel=0.1)


def test_make_sample__debris_is_nine_tenths_soup():
    design = design_of(replace(CLEAN, debris_rate=0.3, depth=20_000.0), cells=2000)
    adata = draw(design, "CK1")
    debris = of_type(adata, "Naive CD4+ T", kind="debris")
    foreign = ["S100A9", "S100A8", "FCN1", "FTL", "LGALS1", "IGKC", "IGHM", "GNLY", "CST7"]
    soup = sum(
        percent / 100 * share_of(of_type(adata, cell_type), foreign)
        for cell_type, percent in COMPOSITION["CK"].items()
    )
    own = share_of(of_type(adata, "Naive CD4+ T"), foreign)
    assert share_of(debris, foreign) == pytest.approx(0.9 * soup + 0.1 * own, rel=0.1)
    ratio = np.median(totals(debris)) / np.median(totals(of_type(adata, "Naive CD4+ T")))
    assert ratio == pytest.approx(0.08, rel=0.1)


@pytest.mark.parametrize("ambient", [0.0, 0.05, 0.2])
def test_make_sample__cells_hold_as_much_soup_as_asked_for(ambient):
    design = design_of(replace(CLEAN, ambient=ambient), cells=2000)
    rates, genes = landscape_of(design).log_rates, landscape_of(design).genes["gene"]
    column = int(np.flatnonzero(genes == "S100A9")[0])  # in no regulon
    adata = draw(design, "CK1")
    states = adata.obs.value_counts(["cell_type", "subcluster"]) / len(adata)
    share = {state: (np.exp(r) / np.exp(r).sum())[column] for state, r in rates.items()}
    soup = sum(share[state] * weight for state, weight in states.items())
    expected = (1 - ambient) * share["Naive CD4+ T", ""] + ambient * soup
    t_cells = of_type(adata, "Naive CD4+ T")
    n_umis = expected * totals(t_cells).sum()
    error = np.sqrt(1 / n_umis + CLEAN.dispersion / len(t_cells))
    assert share_of(t_cells, ["S100A9"]) == pytest.approx(expected, rel=4 * error)


# Donors


def log_means(adata: ad.AnnData, cell_type: str) -> np.ndarray:
    mine = of_type(adata, cell_type)
    return np.log(np.asarray(mine.X.mean(axis=0)).ravel() + 1e-9)


@pytest.mark.parametrize("donor_sd", [0.1, 0.22, 0.35])
def test_make_sample__donors_differ_by_the_deviation_asked_for(donor_sd):
    design = design_of(replace(CLEAN, donor_sd=donor_sd, depth=20_000.0), cells=1500)
    one, two = draw(design, "CK1"), draw(design, "CK2")
    t_cells, nk_cells = (
        log_means(one, kind) - log_means(two, kind) for kind in ("Naive CD4+ T", "CD8+ NKT-like")
    )
    sexes = one.var_names.isin([*rna.FEMALE_GENES, *rna.MALE_GENES])
    seen = (
        np.minimum(log_means(two, "Naive CD4+ T"), log_means(two, "CD8+ NKT-like")) > 0
    ) & ~sexes
    # each donor has its own fold, and half of it again in each type
    expected = np.sqrt(2 * (donor_sd**2 + (donor_sd / 2) ** 2))
    noise = np.sqrt(2 * CLEAN.dispersion / 300 + 2 / 300)
    assert seen.sum() > 300
    assert abs(t_cells[seen].std() - expected) < 0.12 * expected + noise**2 / (2 * expected)
    # what both types share is 4/5 of the variance
    assert 0.65 < np.corrcoef(t_cells[seen], nk_cells[seen])[0, 1] < 0.88


def test_make_sample__donors_do_not_differ_where_none_is_asked_for():
    design = design_of(replace(CLEAN, depth=20_000.0), cells=1500)
    one, two = draw(design, "CK1"), draw(design, "CK2")
    difference = log_means(one, "Naive CD4+ T") - log_means(two, "Naive CD4+ T")
    sexes = one.var_names.isin([*rna.FEMALE_GENES, *rna.MALE_GENES])
    seen = (log_means(two, "Naive CD4+ T") > 0) & ~sexes
    assert difference[seen].std() < 0.08  # sqrt(2 * (0.25 + 1) / 375) and regulons


def test_make_sample__donors_are_female_or_male():
    design = design_of(cells=60)
    n_umis = [
        [int(adata[:, list(genes)].X.sum()) for genes in (rna.FEMALE_GENES, rna.MALE_GENES)]
        for adata in (draw(design, s.sample) for s in design.samples)
    ]
    assert all((female == 0) != (male == 0) for female, male in n_umis)
    assert 0 < sum(female == 0 for female, _ in n_umis) < 9


# Differences between groups


@pytest.mark.parametrize(("arm", "fold"), [("21q", 1.4), ("1q", 1.4), ("9p", 0.6), ("2q", 1.0)])
def test_make_sample__plants_copy_number_in_the_subcluster(arm, fold):
    design = design_of(replace(CLEAN, depth=20_000.0), cells=600)
    arms = arms_of(design)
    altered, plain = draw(design, "NCR1"), draw(design, "NCR1", arms=arms.where(arms == "", ""))

    def ratio(adata: ad.AnnData) -> float:
        mine = adata[(adata.obs["cell_type"] == "Pro-B") & (adata.obs["subcluster"] == "0")]
        return share_of(mine, (arms == arm).to_numpy()) / share_of(mine, (arms == "3p").to_numpy())

    assert ratio(altered) / ratio(plain) == pytest.approx(fold, rel=0.06)


def test_make_sample__null_plants_no_copy_number():
    design = design_of(profile="null", cells=1500)
    arms = arms_of(design)
    altered, plain = draw(design, "NCR1"), draw(design, "NCR1", arms=arms.where(arms == "", ""))
    stem = altered.obs.loc[altered.obs["cell_type"] == "HSC/MPP", "subcluster"]
    assert (stem == "0").sum() > 0  # cells that would be altered in the demo
    assert (altered.X != plain.X).nnz == 0


PROCESSES = ("positive regulation of transcription by RNA polymerase II", "DNA replication")


@pytest.mark.parametrize(("profile", "planted"), [("demo", True), ("null", False)])
def test_make_sample__shifts_processes_in_non_remission(profile, planted):
    design = design_of(replace(CLEAN, depth=20_000.0), profile=profile, cells=3000)
    adata = {name: of_type(draw(design, name), "Pro-B") for name in ("CR1", "NCR1")}
    # Inside one subcluster, since subclusters differ in the same processes.
    adata = {name: cells[cells.obs["subcluster"] == "1"] for name, cells in adata.items()}
    for process in PROCESSES:
        shifts = levels(GROUP_SHIFTS["Pro-B", process])
        autosomal = [g for g in shifts if g not in _altered_genes(adata["CR1"])]
        found = np.log2(share_of(adata["NCR1"], autosomal) / share_of(adata["CR1"], autosomal))
        assert found == pytest.approx(planted * next(iter(shifts.values())), abs=0.2)


def _altered_genes(adata: ad.AnnData) -> set[str]:
    """Genes on arms that NCR1 gained or lost."""
    arms = arm_of_genes(adata.var.reset_index())
    return set(adata.var_names[arms.isin(["21q", "1q", "9p"])])


def test_make_sample__never_holds_the_whole_sample_dense(monkeypatch):
    monkeypatch.setattr(rna, "CHUNK", 128)
    design = design_of(replace(CLEAN, depth=200.0), cells=4000)
    landscape, arms = landscape_of(design), arms_of(design)
    tracemalloc.start()
    make_sample(landscape, design, design.samples[0], arms=arms)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4000 * N_GENES * np.dtype(np.float32).itemsize


def test_choose_genes__genes_added_on_top_change_nothing_else():
    design = make_design("demo", n_cells=900)
    added = set(read_genes()["gene"].iloc[::300])
    few = choose_genes(read_genes(), design, wanted=set())
    many = choose_genes(read_genes(), design, wanted=set(), added=added)
    assert added <= set(many["gene"])
    assert set(many.loc[~many["added"], "gene"]) == set(few.loc[~few["added"], "gene"])
    kept = np.flatnonzero(many["gene"].isin(few["gene"]))
    landscapes = [make_landscape(genes, design).log_rates for genes in (few, many)]
    first = ~few["added"].to_numpy()
    for state, rate in landscapes[0].items():
        np.testing.assert_array_equal(rate[first], landscapes[1][state][kept][first])
