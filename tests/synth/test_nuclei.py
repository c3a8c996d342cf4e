"""Simulated nuclei: their kinds, fragments and proportions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.io.jaspar import read_motifs
from helpers.io.reference import read_genes
from helpers.synth.chromatin import MOTIF_IDS, Chromatin, make_chromatin
from helpers.synth.design import CHROMATIN_COMPOSITION, Design, make_design
from helpers.synth.nuclei import SampleFragments, expected_proportions, make_nuclei
from helpers.synth.rna import choose_genes, make_landscape


@pytest.fixture(scope="module")
def cohort() -> tuple[Chromatin, Design]:
    design = replace(make_design("demo", n_cells=2250), n_genes=2500, n_chromatin_genes=900)
    landscape = make_landscape(choose_genes(read_genes(), design, wanted=set()), design)
    motifs = {tf: table for tf, (_, table) in read_motifs(MOTIF_IDS).items()}
    return make_chromatin(landscape, design, wanted=set(), motifs=motifs), design


@pytest.fixture(scope="module")
def made(cohort) -> SampleFragments:
    chromatin, design = cohort
    return make_nuclei(chromatin, design, design.samples[6])


def test_make_nuclei__is_the_same_again_and_other_in_another_sample(cohort, made):
    chromatin, design = cohort
    again = make_nuclei(chromatin, design, design.samples[6])
    pd.testing.assert_frame_equal(again.fragments, made.fragments)
    other = make_nuclei(chromatin, design, design.samples[7])
    assert not set(other.nuclei["barcode"]) & set(made.nuclei["barcode"])


def test_make_nuclei__has_the_nuclei_asked_for_and_debris(cohort, made):
    n = cohort[1].samples[6].n_nuclei
    kinds = made.nuclei["kind"].value_counts()
    assert kinds.drop("debris").sum() == n
    assert kinds["debris"] == round(0.3 * n)
    assert kinds["doublet"] == round(0.05 * n)
    assert (made.nuclei.loc[made.nuclei["kind"] == "doublet", "partner"] != "").all()


def test_make_nuclei__fragments_are_unique_sorted_and_on_the_genome(cohort, made):
    table, lengths = made.fragments, list(cohort[0].lengths.values())
    key = table["chrom"].to_numpy().astype(int) * 10**9 + table["start"]
    assert (np.diff(key) >= 0).all()
    assert not table.duplicated(["chrom", "start", "end", "barcode"]).any()
    assert (table["start"] >= 0).all()
    assert (table["end"].to_numpy() <= np.array(lengths)[table["chrom"]]).all()
    assert table["count"].min() == 1


def test_make_nuclei__depth_and_share_in_peaks_follow_the_kind(made):
    metrics = made.metrics.iloc[1:].reset_index(drop=True)
    depth = metrics["passed_filters"].groupby(made.nuclei["kind"].to_numpy()).median()
    # Liu et al. 2025: 5,071 fragments in the median nucleus
    assert depth["good"] == pytest.approx(5071, rel=0.1)
    assert depth["doublet"] == pytest.approx(2 * depth["good"], rel=0.15)
    assert depth["debris"] < 200
    share = metrics["peak_region_fragments"] / metrics["passed_filters"]
    by_kind = share.groupby(made.nuclei["kind"].to_numpy()).median()
    assert by_kind["good"] > 2 * by_kind["noisy"]
    assert made.metrics["barcode"][0] == "NO_BARCODE"


def test_make_nuclei__lengths_show_nucleosomes(made):
    length = made.fragments["end"] - made.fragments["start"]
    share = np.histogram(length, [0, 147, 294, 500, 1000])[0] / len(length)
    assert share[0] > share[1] > share[2] > share[3] > 0.01


def test_expected_proportions__follow_the_group_and_the_donors_rna(cohort):
    _, design = cohort
    shares = pd.DataFrame({s.sample: expected_proportions(design, s) for s in design.samples})
    np.testing.assert_allclose(shares.sum(), 1)
    mean = shares[["NCR1", "NCR2", "NCR3"]].mean(axis=1)
    expected = CHROMATIN_COMPOSITION["NCR"] / CHROMATIN_COMPOSITION["NCR"].sum()
    assert np.corrcoef(mean, expected)[0, 1] > 0.98
    assert shares["NCR1"].equals(expected_proportions(design, design.samples[6]))
