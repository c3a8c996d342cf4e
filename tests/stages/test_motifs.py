"""Stages of peaks and motifs on a small genome with planted sites."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pysam
import pytest
from jaspar import random_sequences
from scipy import sparse
from tiny import write_bgzipped

from helpers.errors import NotPossibleError
from helpers.io.objects import read_object
from helpers.io.tables import read_table
from helpers.params import MotifScanParams, PeakContrastParams, load_params, subset
from helpers.schema import Contrast
from helpers.stages.motifs import stage_motif_scan, stage_peak_contrasts, stage_rna_sums

N_PEAKS, WIDTH, STEP = 800, 300, 1000
N_PLANTED = 30
SITE = "ATGACTCAT"  # AP-1
NCR_CR = Contrast(test="NCR", reference="CR")
SCAN = subset(load_params("fig7_hsc_mpp_motifs"), MotifScanParams)
PEAKS = subset(load_params("fig7_hsc_mpp_motifs"), PeakContrastParams) | {
    "track_gene": "GENE0",
    "track_flank_bp": 500,
}


def make_cells() -> pd.DataFrame:
    rows = [
        (f"{group}{i}", f"{group}{i}", group, kind, f"{kind[0]}{n:02d}-1")
        for group in ("CR", "NCR")
        for i in range(3)
        for kind in ("HSC/MPP", "T")
        for n in range(15)
    ]
    names = ["sample", "donor", "group", "cell_type", "barcode"]
    cells = pd.DataFrame(rows, columns=names)
    return cells.set_index(pd.Index(cells["sample"] + ":" + cells["barcode"], name="cell"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nuclei, a genome and fragments; the first peaks hold AP-1 sites.

    They are open in HSC/MPP; of these the first half is closed in NCR.
    """
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    sequence = list(random_sequences(1, N_PEAKS * STEP + STEP, seed=1)[0])
    for i in range(N_PLANTED):
        sequence[i * STEP + 200 : i * STEP + 200 + len(SITE)] = SITE
    (folder / "genome.fa").write_text(">chr1\n" + "".join(sequence) + "\n")
    pysam.faidx(str(folder / "genome.fa"))
    lines = [
        f'chr1\tx\tgene\t{i * STEP * 10 + 101}\t{i * STEP * 10 + 900}\t.\t+\t.\tgene_name "GENE{i}";'
        for i in range(N_PEAKS // 10)
    ]
    (folder / "genes.gtf").write_text("\n".join(lines) + "\n")
    cells = make_cells()
    rate = np.tile(rng.lognormal(-0.8, 0.4, N_PEAKS), (len(cells), 1))
    rate *= rng.lognormal(0, 0.5, (len(cells), 1))  # or depth alone would tell the types apart
    is_type, is_ncr = cells["cell_type"] == "HSC/MPP", cells["group"] == "NCR"
    rate[np.ix_(is_type, np.arange(N_PLANTED))] *= 5
    rate[np.ix_(is_type & is_ncr, np.arange(N_PLANTED // 2))] /= 5
    start = np.arange(N_PEAKS) * STEP + 100
    places = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + WIDTH})
    places.index = pd.Index([f"chr1:{s}-{s + WIDTH}" for s in start])
    counts = sparse.csr_matrix(rng.poisson(rate).astype(np.int32))
    ad.AnnData(counts, obs=cells, var=places).write_h5ad(folder / "atac.h5ad")
    for sample, mine in cells.groupby("sample"):
        rows = [f"chr1\t150\t350\t{barcode}\t1" for barcode in mine["barcode"]]
        write_bgzipped(folder / f"{sample}.tsv.gz", rows)
    return folder


def contrast_peaks(
    study: Path,
    folder: Path,
    *,
    nuclei: str | Path = "atac.h5ad",
    contrasts: tuple[Contrast, ...] = (NCR_CR,),
    **changes: object,
) -> list[Path]:
    outputs = [folder / name for name in ("peaks.csv", "tracks.csv", "features.csv")]
    samples = sorted(set(make_cells()["sample"]))
    stage_peak_contrasts(
        study / nuclei,
        study / "genes.gtf",
        {sample: study / f"{sample}.tsv.gz" for sample in samples},
        *outputs,
        contrasts=list(contrasts),
        params=PeakContrastParams.model_validate(PEAKS | changes),
    )
    return outputs


def test_stage_motif_scan__finds_planted_sites_and_where_they_are_open(study: Path, tmp_path: Path):
    outputs = tmp_path / "matches.h5ad", tmp_path / "deviations.h5ad"
    params = MotifScanParams.model_validate(SCAN)
    stage_motif_scan(study / "atac.h5ad", study / "genome.fa", *outputs, params=params)
    matches, deviations = (read_object(path) for path in outputs)
    column = matches.var_names.get_loc("MA0477.3")  # FOSL1
    hits = np.asarray(matches.X[:, column].todense()).ravel()
    assert hits[:N_PLANTED].all()
    assert hits[N_PLANTED:].mean() < 0.1
    assert matches.obs["gc"].between(0.3, 0.7).all()
    assert matches.var.loc["MA0477.3", "width"] == 9
    counts = matches.varm["counts"][column][:36].reshape(9, 4)
    assert "".join(np.array(list("ACGT"))[counts.argmax(axis=1)]) == SITE
    z = pd.Series(np.asarray(deviations.X)[:, column], index=deviations.obs_names)
    is_type = (deviations.obs["cell_type"] == "HSC/MPP").to_numpy()
    levels = deviations.layers["deviation"][:, column]
    is_ncr = (deviations.obs["group"] == "NCR").to_numpy()
    assert np.quantile(z[is_type & ~is_ncr], 0.1) > np.quantile(z[~is_type], 0.9)
    assert levels[is_type & is_ncr].mean() < levels[is_type & ~is_ncr].mean()


def test_stage_motif_scan__goes_on_where_the_genome_lacks_a_sequence(study: Path, tmp_path: Path):
    adata = read_object(study / "atac.h5ad")[:, :100].copy()
    adata.var["chrom"] = ["chrUn_1", *["chr1"] * 99]
    adata.write_h5ad(tmp_path / "atac.h5ad")
    outputs = tmp_path / "matches.h5ad", tmp_path / "deviations.h5ad"
    params = MotifScanParams.model_validate(SCAN)
    stage_motif_scan(tmp_path / "atac.h5ad", study / "genome.fa", *outputs, params=params)
    matches, deviations = (read_object(path) for path in outputs)
    assert matches.X[:1].nnz == 0
    assert matches.X[1:].nnz > 0
    assert matches.obs["gc"].isna().tolist() == [True] + [False] * 99
    assert np.isfinite(deviations.X[:, matches.var_names.get_loc("MA0477.3")]).all()


def test_stage_peak_contrasts__finds_planted_peaks_by_both_units(study: Path, tmp_path: Path):
    peaks, tracks, features = (read_table(path) for path in contrast_peaks(study, tmp_path))
    assert set(peaks["contrast"]) == {"HSC/MPP vs others", "NCR vs CR"}
    called = peaks[(peaks["padj"] < 0.05) & (peaks["log2fc"].abs() > 0.5)]
    for unit in ("cell", "sample"):
        mine = called[called["unit"] == unit]
        of_type = mine[(mine["contrast"] == "HSC/MPP vs others") & (mine["log2fc"] > 0)]
        assert np.isin(range(N_PLANTED // 2, N_PLANTED), of_type["peak"]).mean() >= 0.9
        assert (of_type["peak"] < N_PLANTED).mean() > 0.9
        lost = mine[(mine["contrast"] == "NCR vs CR") & (mine["log2fc"] < 0)]
        assert np.isin(range(N_PLANTED // 2), lost["peak"]).mean() >= 0.9
        assert (lost["peak"] < N_PLANTED // 2).mean() > 0.9
    first = peaks[peaks["peak"] == 12].iloc[0]
    # the middle of the peak is 12,250; genes begin at 10,100 and 20,100
    assert first[["chrom", "start", "end", "gene", "distance_bp"]].tolist() == [
        "chr1", 12100, 12400, "GENE1", 2150,
    ]  # fmt: skip
    drawn = features.groupby("feature").size()
    assert drawn["gene"] == 1  # GENE0 lies between 100 and 900
    assert drawn["peak"] == 2
    assert tracks["start"].min() == 0
    high = tracks[tracks["coverage"] > 0]
    assert set(high["start"]) == {100, 300}


def test_stage_peak_contrasts__draws_nothing_around_an_unknown_gene(study: Path, tmp_path: Path):
    _, tracks, features = contrast_peaks(study, tmp_path, track_gene="NOSUCH")
    assert read_table(tracks).empty
    assert read_table(features).empty


def test_stage_peak_contrasts__names_the_types_there_are(study: Path, tmp_path: Path):
    with pytest.raises(NotPossibleError, match=r"Peaks of Plasma need 5 nuclei.*HSC/MPP \(90\)"):
        contrast_peaks(study, tmp_path, cell_type="Plasma")


def keep_nuclei(study: Path, folder: Path, query: str, n_peaks: int = N_PEAKS) -> Path:
    """The study with some nuclei alone, and without fragments in all but the last peaks."""
    adata = ad.read_h5ad(study / "atac.h5ad")
    path = folder / "some.h5ad"
    kept = adata[adata.obs.query(query).index].copy()
    kept.X = sparse.csr_matrix(kept.X.multiply(np.arange(N_PEAKS) >= N_PEAKS - n_peaks))
    kept.write_h5ad(path)
    return path


def test_stage_peak_contrasts__of_one_type_and_group_writes_a_table_without_rows(
    study: Path, tmp_path: Path
):
    alone = keep_nuclei(study, tmp_path, "cell_type == 'HSC/MPP'")
    table = read_table(contrast_peaks(study, tmp_path, nuclei=alone, contrasts=())[0])
    assert table.empty
    full = read_table(contrast_peaks(study, tmp_path)[0])
    assert table.columns.tolist() == full.columns.tolist()


def test_stage_peak_contrasts__of_sparse_data_and_one_sample_writes_a_table_without_rows(
    study: Path, tmp_path: Path
):
    one = keep_nuclei(study, tmp_path, "sample == 'CR0'", n_peaks=20)
    table = read_table(contrast_peaks(study, tmp_path, nuclei=one, min_share=0.99)[0])
    assert table.empty
    assert "padj" in table


def test_stage_peak_contrasts__without_replicates_has_rows_by_nucleus_alone(
    study: Path, tmp_path: Path
):
    pair = keep_nuclei(study, tmp_path, "sample in ('CR0', 'NCR0') and cell_type == 'HSC/MPP'")
    table = read_table(contrast_peaks(study, tmp_path, nuclei=pair)[0])
    assert set(zip(table["contrast"], table["unit"], strict=True)) == {("NCR vs CR", "cell")}
    assert table["ci_low"].isna().all()


def test_stage_rna_sums__adds_up_cells(tmp_path: Path):
    cells = make_cells()
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.7, (len(cells), 5)))
    var = pd.DataFrame(index=[f"g{i}" for i in range(5)])
    ad.AnnData(counts, obs=cells, var=var).write_h5ad(tmp_path / "rna.h5ad")
    stage_rna_sums(tmp_path / "rna.h5ad", tmp_path / "sums.h5ad")
    found = read_object(tmp_path / "sums.h5ad")
    mine = ((cells["sample"] == "NCR1") & (cells["cell_type"] == "T")).to_numpy()
    row = found.obs.query("sample == 'NCR1' and cell_type == 'T'")
    assert row[["group", "donor", "n_cells"]].to_numpy().tolist() == [["NCR", "NCR1", 15]]
    place = found.obs_names.get_loc(row.index[0])
    assert found.X[place].tolist() == counts[mine].toarray().sum(axis=0).tolist()
    shown = (counts[mine].toarray() > 0).sum(axis=0)
    assert found.layers["n_expressing"][place].tolist() == shown.tolist()
    assert found.shape == (12, 5)
