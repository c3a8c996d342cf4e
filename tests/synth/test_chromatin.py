"""The simulated genome: real genes in their order, planted motifs, and where peaks are open."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.io.jaspar import read_motifs
from helpers.io.reference import read_genes
from helpers.synth.chromatin import (
    CLOSED,
    LOST_OPEN,
    MOTIF_IDS,
    MOTIF_SETS,
    SLOT,
    Chromatin,
    list_motifs,
    list_peaks,
    make_chromatin,
    make_sequences,
)
from helpers.synth.design import Design, make_design
from helpers.synth.rna import choose_genes, make_landscape

MOTIFS = {tf: table for tf, (_, table) in read_motifs(MOTIF_IDS).items()}


def made(profile: str, seed: int = 0) -> tuple[Chromatin, Design]:
    design = replace(
        make_design(profile, n_cells=450, seed=seed), n_genes=2500, n_chromatin_genes=1000
    )
    landscape = make_landscape(choose_genes(read_genes(), design, wanted=set()), design)
    return make_chromatin(landscape, design, wanted={"CD3D"}, motifs=MOTIFS), design


@pytest.fixture(scope="module")
def demo() -> tuple[Chromatin, Design]:
    return made("demo")


def test_make_chromatin__keeps_real_genes_in_their_order(demo):
    genes = demo[0].genes
    reference = read_genes().reset_index().set_index("gene_id")
    for chrom, part in genes.groupby("chrom"):
        known = reference.loc[part["gene_id"]]
        assert (known["chrom"] == chrom).all()
        assert known["start"].is_monotonic_increasing
    assert (np.diff(genes[genes["chrom"] == "chr1"]["slot"]) == SLOT).all()
    assert {"CD3D", "EBF1", "FOSL2"} <= set(genes["gene"])


def test_make_chromatin__peaks_lie_apart_and_inside_their_chromosomes(demo):
    chromatin = demo[0]
    for chrom, part in chromatin.peaks.groupby("chrom"):
        assert (part["start"].to_numpy()[1:] > part["end"].to_numpy()[:-1]).all()
        assert part["end"].max() < chromatin.lengths[chrom]


def test_make_chromatin__opens_marker_genes_in_their_type(demo):
    chromatin = demo[0]
    row = (chromatin.peaks["gene"] == "LYZ") & (chromatin.peaks["kind"] == "promoter")
    weights = {t: w[row][0] for (t, group), w in chromatin.openness.items() if group == "CK"}
    assert max(weights, key=weights.get) == "Classical monocytes"
    assert weights["Classical monocytes"] > 3 * weights["Naive B"]


@pytest.mark.parametrize("number", [0, 1])
def test_make_chromatin__opens_motif_peaks_in_their_type_alone(demo, number):
    chromatin, _ = demo
    motif_set = MOTIF_SETS[number]
    kept = chromatin.peaks["groups"].iloc[chromatin.motifs["peak"]].to_numpy() == "CK;CR;NCR"
    mine = chromatin.motifs["tf"].isin(motif_set.factors) & kept
    rows = chromatin.motifs.loc[mine, "peak"].unique()
    here = chromatin.openness[motif_set.cell_type, "NCR"][rows]
    elsewhere = chromatin.openness["Naive B", "NCR"][rows]
    assert len(rows) >= 30
    np.testing.assert_allclose(elsewhere / here, CLOSED)


def test_make_chromatin__closes_peaks_of_pro_b_in_non_remission(demo):
    chromatin, _ = demo
    rows = (chromatin.peaks["groups"] == "CK;CR").to_numpy()
    ncr, cr, ck = (chromatin.openness["Pro-B", group][rows] for group in ("NCR", "CR", "CK"))
    assert rows.sum() >= 30
    np.testing.assert_allclose(ncr / cr, LOST_OPEN)
    np.testing.assert_array_equal(cr, ck)
    other = chromatin.openness["HSC/MPP", "NCR"][rows] / chromatin.openness["HSC/MPP", "CR"][rows]
    np.testing.assert_allclose(other, 1)


def test_make_chromatin__of_null_plants_no_difference_between_groups():
    chromatin, design = made("null")
    for (cell_type, _), weight in chromatin.openness.items():
        assert np.array_equal(weight, chromatin.openness[cell_type, "CK"])
    assert set(list_motifs(design, MOTIF_IDS)["contrast"]) == {
        "HSC/MPP vs others",
        "Pro-B vs others",
    }


def test_make_sequences__hold_the_motifs_where_they_were_planted(demo):
    chromatin = demo[0]
    sequences = make_sequences(chromatin, MOTIFS)
    assert {chrom: len(sequence) for chrom, sequence in sequences.items()} == chromatin.lengths
    swap = str.maketrans("ACGT", "TGCA")
    scores, random = [], []
    for row in chromatin.motifs.itertuples():
        log_odds = np.log(MOTIFS[row.tf] * 4 + 1e-3)
        chrom = chromatin.peaks["chrom"].iloc[row.peak]
        for found, shift in ((scores, 0), (random, 37)):
            begin = row.start + shift
            site = sequences[chrom][begin : begin + len(log_odds)].decode()
            site = site if row.strand == "+" else site.translate(swap)[::-1]
            found.append(log_odds[np.arange(len(site)), ["ACGT".index(b) for b in site]].sum())
    assert np.mean(np.array(scores) > 3) > 0.95
    assert np.mean(np.array(random) > 3) < 0.05


def test_list_peaks__says_types_groups_and_motifs(demo):
    table = list_peaks(demo[0])
    ap1 = table[table["motifs"].str.contains("FOSL2")]
    assert len(ap1) >= 10
    assert set(ap1["open_in"]) == {"HSC/MPP"}
