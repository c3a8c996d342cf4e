"""Fragments: measures and counts by hand, by brute force, and against Signac, ArchR and muon."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fragments import block, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_labelled_matrix, read_tsv

from helpers.compute.fragments import (
    Coverage,
    count_genes,
    count_peaks,
    count_regions,
    list_starts,
    measure_fragments,
    score_pileup,
    split_regions,
)
from helpers.errors import DataError
from helpers.io.fragments import FragmentFile

INTERVALS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 30)).map(lambda x: (x[0], x[0] + x[1])),
    min_size=1,
    max_size=12,
)


def regions(pairs: list[tuple[int, int]], chrom: str = "chr1") -> pd.DataFrame:
    start, end = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return pd.DataFrame({"chrom": chrom, "start": start, "end": end})


def test_coverage__counts_half_open_regions():
    found = Coverage(regions([(10, 20), (15, 30)])).at("chr1", np.array([9, 10, 15, 19, 20, 30]))
    assert found.tolist() == [0, 1, 2, 2, 1, 0]
    assert Coverage(regions([(10, 20)])).at("chr2", np.array([12])).tolist() == [0]


def test_count_peaks__by_hand():
    peaks = pd.concat([regions([(100, 200), (300, 400)]), regions([(0, 50)], "chr2")])
    blocks = [
        block("chr1", [(50, 100, 0), (50, 101, 0), (150, 350, 1), (199, 300, 0), (120, 180, 2)]),
        block("chr2", [(49, 60, 1), (50, 60, 1)]),
        block("chr3", [(1, 9, 0)]),
    ]
    peaks = peaks.reset_index(drop=True)
    found = count_peaks(blocks, peaks, rows=np.array([0, 1, -1]))
    # (50, 100) ends before the peak; (199, 300) has the last base of the first peak and none of
    # the second; barcode 2 is left out
    assert found.toarray().tolist() == [[2, 0, 0], [1, 1, 1]]
    ends = count_peaks(blocks, peaks, rows=np.array([1, 2, 0]), by="ends")
    assert ends.toarray().tolist() == [[2, 0, 0], [2, 0, 0], [1, 1, 1]]


@given(INTERVALS, INTERVALS)
@settings(derandomize=True, deadline=None)
def test_count_regions__equals_counting_every_pair(fragments, pairs):
    table = regions(pairs)
    blocks = [block("chr1", [(a, b, 0) for a, b in sorted(fragments)])]
    found = count_regions(blocks, table, rows=np.array([0])).toarray()[0]
    expected = [sum(a < end and start < b for a, b in fragments) for start, end in pairs]
    assert found.tolist() == expected


@given(INTERVALS)
@settings(derandomize=True, deadline=None)
def test_split_regions__cover_each_region_base_by_base(pairs):
    pieces, belongs = split_regions(regions(pairs))
    length = (pieces["end"] - pieces["start"]).to_numpy()
    assert (belongs.T @ length).tolist() == [end - start for start, end in pairs]
    assert (pieces["start"].to_numpy()[1:] >= pieces["end"].to_numpy()[:-1]).all()


@pytest.mark.parametrize("pairs", [[(10, 30), (20, 40)], [(50, 60), (10, 20)]])
def test_count_peaks__refuses_peaks_that_overlap_or_are_not_sorted(pairs):
    with pytest.raises(DataError, match="peaks of chr1 are not sorted, or overlap"):
        count_peaks([], regions(pairs), rows=np.array([0]))


def test_count_genes__counts_upstream_by_strand():
    genes = regions([(1000, 2000), (5000, 6000)]).assign(strand=["+", "-"], gene=["A", "B"])
    blocks = [block("chr1", [(850, 860, 0), (2050, 2060, 0), (4950, 4990, 0), (6050, 6060, 0)])]
    found = count_genes(blocks, genes, rows=np.array([0]), upstream=200)
    assert found.toarray().tolist() == [[1, 1]]


def test_list_starts__takes_the_first_base_of_the_strand():
    genes = regions([(1000, 2000), (5000, 6000), (1000, 3000)]).assign(strand=["+", "-", "+"])
    assert list_starts(genes)["place"].tolist() == [1000, 5999]


def test_measure_fragments__by_hand():
    starts = pd.DataFrame({"chrom": ["chr1"], "place": [10_000], "strand": ["+"]})
    rows = [(9_990, 10_010, 0), (12_000, 12_200, 0), (20_000, 20_100, 1), (30_000, 30_400, 0)]
    found = measure_fragments(
        [block("chr1", rows)], starts=starts, peaks=regions([(12_150, 12_500)])
    )
    assert found["n_fragments"].tolist() == [3, 1]
    # of barcode 0 one fragment is free of nucleosomes and one spans one
    assert found["nucleosome_signal"].tolist() == [1.0, 0.0]
    assert found["frip"].tolist() == [1 / 3, 0.0]
    # two cuts in 101 bp; one of the flank (12,000) of 100 bp: 2 x (2 / 101) / max(1 / 100, 0.2)
    assert found["tss_archr"].tolist() == [pytest.approx(2 * 2 / 101 / 0.2), 0.0]


def test_measure_fragments__archr_expects_fewest_cuts_in_the_flank():
    starts = pd.DataFrame({"chrom": ["chr1"], "place": [10_000], "strand": ["-"]})
    flank = [(12_000 - i, 13_500, 0) for i in range(50, -1, -1)]
    found = measure_fragments(
        [block("chr1", [(9_990, 10_010, 0), *flank])], starts=starts, peaks=regions([(1, 2)])
    )
    assert found["tss_archr"][0] == pytest.approx(2 * 2 / 101 / (51 / 100))


@pytest.fixture(scope="module")
def pbsmall(oracles: Path) -> tuple[list, list[str]]:
    reader = FragmentFile(oracles / "inputs/pbsmall_fragments/fragments.tsv.gz")
    blocks = list(reader.blocks())
    return blocks, reader.barcodes


@pytest.fixture(scope="module")
def signac_peaks(oracles: Path) -> pd.DataFrame:
    """Signac's peaks; R counts from 1."""
    table = read_tsv(oracles / "signac/input/peaks.tsv.gz")
    table["chrom"], table["start"] = table["seqnames"], table["start"] - 1
    return table.sort_values(["chrom", "start"], ignore_index=True)


def test_count_peaks__gives_signacs_matrix(oracles, pbsmall, signac_peaks):
    blocks, barcodes = pbsmall
    theirs, cells, names = read_labelled_matrix(oracles / "signac/output/peak_matrix")
    ours = count_peaks(blocks, signac_peaks, rows=rows_of(barcodes, pd.Index(cells)))
    text = signac_peaks["chrom"] + "-" + (signac_peaks["start"] + 1).astype(str)
    columns = pd.Index(text + "-" + signac_peaks["end"].astype(str)).get_indexer(names)
    assert theirs.sum() == 23_355
    assert abs(ours[:, columns] - theirs).sum() == 0


def test_count_genes__gives_signacs_gene_activity(oracles, pbsmall):
    blocks, barcodes = pbsmall
    theirs, cells, names = read_labelled_matrix(
        oracles / "signac/output/gene_activity_2kb_upstream"
    )
    genes = read_tsv(oracles / "inputs/pbsmall_fragments/genes.tsv.gz")
    genes = genes.rename(columns={"seqnames": "chrom"}).assign(start=genes["start"] - 1)
    genes = genes.drop_duplicates("symbol", ignore_index=True)
    ours = count_genes(blocks, genes, rows=rows_of(barcodes, pd.Index(cells)), upstream=2000)
    columns = pd.Index(genes["symbol"]).get_indexer(names)
    assert columns.min() >= 0
    assert theirs.sum() == 32_275
    assert abs(ours[:, columns] - theirs).sum() == 0


def test_measure_fragments__agrees_with_signac(oracles, pbsmall, signac_peaks):
    blocks, barcodes = pbsmall
    starts = read_tsv(oracles / "signac/input/tss_positions.tsv.gz")
    starts = starts.rename(columns={"seqnames": "chrom"}).assign(place=starts["start"] - 1)
    ours = measure_fragments(blocks, starts=starts, peaks=signac_peaks).set_axis(barcodes)
    theirs = read_tsv(oracles / "signac/output/cell_qc.tsv.gz", index_col=0)
    ours = ours.loc[theirs.index]
    assert ours["n_fragments"].tolist() == theirs["total_fragments"].tolist()
    np.testing.assert_allclose(ours["nucleosome_signal"], theirs["nucleosome_signal"], atol=1e-9)
    tss, known = ours["tss_signac"], theirs["TSS.enrichment_full"]
    assert np.corrcoef(tss, known)[0, 1] > 0.99
    # in the others Signac misses a start at the very end of the flank, of which they have few
    assert np.isclose(tss, known, atol=1e-6).mean() > 0.94


def test_measure_fragments__gives_archrs_tss_enrichment(oracles, pbsmall, signac_peaks):
    blocks, barcodes = pbsmall
    starts = read_tsv(oracles / "inputs/pbsmall_fragments/TSS.tsv.gz")
    starts = starts.rename(columns={"seqnames": "chrom"}).assign(place=starts["start"] - 1)
    ours = measure_fragments(blocks, starts=starts, peaks=signac_peaks).set_axis(barcodes)
    theirs = read_tsv(oracles / "archr_doublets/output/cell_qc.tsv.gz", index_col=0)
    ours = ours.loc[theirs.index.str.split("#").str[1]]
    assert ours["n_fragments"].tolist() == theirs["nFrags"].tolist()
    # ArchR writes three decimals
    np.testing.assert_allclose(ours["tss_archr"], theirs["TSSEnrichment"], atol=6e-4)


@pytest.fixture(scope="module")
def multiome(real_data: Path) -> tuple[list, list[str]]:
    reader = FragmentFile(real_data / "multiome/fragments.tsv.gz")
    return list(reader.blocks()), reader.barcodes


def test_fragments__of_the_multiome_are_counted_exactly(real_data, multiome):
    blocks, barcodes = multiome
    text = pd.read_csv(real_data / "multiome/fragments.tsv.gz", sep="\t", comment="#", header=None)
    expected = text[3].value_counts()
    none = pd.DataFrame({"chrom": [], "start": [], "end": []})
    starts = pd.DataFrame({"chrom": [], "place": [], "strand": []})
    found = measure_fragments(blocks, starts=starts, peaks=none).set_axis(barcodes)
    assert len(text) == 367_439
    assert found["n_fragments"].equals(expected.loc[barcodes].rename("n_fragments"))


def test_count_peaks__of_the_multiome_equals_a_direct_overlap_count(real_data, multiome):
    import h5py

    blocks, barcodes = multiome
    with h5py.File(real_data / "multiome/pbmc_1000.h5mu", "r") as file:
        names = [name.decode() for name in file["mod/atac/var/_index"][:]]
    parts = pd.Series(names).str.extract(r"(?P<chrom>.+)[:-](?P<start>\d+)-(?P<end>\d+)")
    peaks = parts.astype({"start": int, "end": int}).sort_values(
        ["chrom", "start"], ignore_index=True
    )
    found = count_peaks(blocks, peaks, rows=np.arange(len(barcodes)))
    expected = np.zeros(found.shape, dtype=int)
    for chrom, start, end, barcode in blocks:
        for column in np.flatnonzero(peaks["chrom"] == chrom):
            hit = (start < peaks["end"][column]) & (end > peaks["start"][column])
            expected[:, column] += np.bincount(barcode[hit], minlength=len(barcodes))
    assert len(peaks) == 174
    assert expected.sum() > 10_000
    assert (found.toarray() == expected).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of muon and what it imports
def test_measures__of_the_multiome_agree_with_muon(real_data, multiome):
    import mudata
    from muon import atac

    mudata.set_options(pull_on_update=False)
    path = real_data / "multiome/fragments.tsv.gz"
    both = mudata.read_h5mu(real_data / "multiome/pbmc_1000.h5mu")
    theirs = both["atac"]
    atac.tl.locate_fragments(theirs, str(path))
    atac.tl.nucleosome_signal(theirs, n=367_439)
    place = (
        both["rna"]
        .var["interval"]
        .astype(str)
        .str.extract(r"(?P<Chromosome>[^:]+):(?P<Start>\d+)-(?P<End>\d+)")
    )
    genes = place.dropna().astype({"Start": int, "End": int})
    atac.tl.tss_enrichment(both, features=genes, n_tss=len(genes))
    starts = pd.DataFrame({"chrom": genes["Chromosome"], "place": genes["Start"], "strand": "+"})
    blocks, barcodes = multiome
    none = pd.DataFrame({"chrom": [], "start": [], "end": []})
    signal = measure_fragments(blocks, starts=starts, peaks=none).set_axis(barcodes)
    signal = signal["nucleosome_signal"].reindex(theirs.obs_names)
    known = theirs.obs["nucleosome_signal"].where(signal.notna())
    # muon takes 147 bp for one nucleosome, Signac for none
    assert signal.corr(known) > 0.99
    reader = FragmentFile(path, copies=True)
    read = list(reader.blocks())
    # numbered as muon's nuclei, since 46 without fragments count for the mean of the flanks
    row = rows_of(reader.barcodes, theirs.obs_names)
    known = [(chrom, start, end, row[barcode]) for chrom, start, end, barcode in read]
    ours = score_pileup(
        [(c, start[b >= 0], end[b >= 0], b[b >= 0]) for c, start, end, b in known],
        starts=starts,
        n_barcodes=theirs.n_obs,
    )
    np.testing.assert_allclose(ours, theirs.obs["tss_score"], rtol=1e-6)


def test_coverage__overlap_by_hand():
    cover = Coverage(regions([(10, 20), (15, 30)]))
    found = cover.overlap("chr1", np.array([0, 12, 29, 40]), np.array([11, 18, 35, 50]))
    assert found.tolist() == [1, 6 + 3, 1, 0]
