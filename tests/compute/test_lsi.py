"""TF-IDF and LSI: by hand, against Signac, laws and errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracle import read_labelled_matrix, read_tsv
from scipy import sparse

from helpers.compute.lsi import correlate_depth, find_idf, find_lsi, pick_peaks, weigh_terms
from helpers.errors import DataError

COUNTS = sparse.csr_matrix(np.array([[1, 1, 0], [0, 3, 1], [2, 0, 0]]))


def test_weigh_terms__by_hand():
    # shares: 1/2 1/2 0 | 0 3/4 1/4 | 1 0 0; IDF: 3 nuclei over 3, 4 and 1 counts
    found = weigh_terms(COUNTS, method=1, scale=100).toarray()
    expected = np.log1p([[50, 37.5, 0], [0, 56.25, 75], [100, 0, 0]])
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(weigh_terms(COUNTS, method=4).toarray()[1], [0, 2.25, 3])


def test_weigh_terms__weighs_others_by_given_frequencies():
    idf = find_idf(COUNTS)
    assert idf.tolist() == [1.0, 0.75, 3.0]
    alone = weigh_terms(COUNTS[:1], method=1, idf=idf)
    assert (alone != weigh_terms(COUNTS, method=1)[:1]).nnz == 0


def test_weigh_terms__refuses_nuclei_without_counts_and_unknown_methods():
    with pytest.raises(DataError, match="1 nuclei have no count in any peak"):
        weigh_terms(sparse.csr_matrix(np.array([[1, 0], [0, 0]])))
    with pytest.raises(DataError, match="no method 5 of TF-IDF"):
        weigh_terms(COUNTS, method=5)


@pytest.fixture(scope="module")
def peak_matrix(oracles: Path) -> tuple[sparse.csr_matrix, list[str]]:
    counts, cells, _ = read_labelled_matrix(oracles / "signac/output/peak_matrix")
    return counts, cells


def test_weigh_terms__gives_signacs_values(oracles, peak_matrix):
    counts, _ = peak_matrix
    theirs, _, _ = read_labelled_matrix(oracles / "signac/output/tfidf_method1")
    assert abs(weigh_terms(counts) - theirs).max() < 1e-6


@pytest.mark.parametrize("method", [2, 3, 4])
def test_weigh_terms__gives_signacs_sums(oracles, peak_matrix, method):
    counts, cells = peak_matrix
    path = oracles / f"signac/output/tfidf_method{method}_colsums.tsv.gz"
    theirs = read_tsv(path, index_col=0)["colsum"].loc[list(cells)]
    ours = np.asarray(weigh_terms(counts, method=method).sum(axis=1)).ravel()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.fixture(scope="module")
def hemato(oracles: Path) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    counts, cells, _ = read_labelled_matrix(oracles / "inputs/hemato/atac_counts")
    scores = read_tsv(oracles / "signac/output/hemato_lsi_embeddings.tsv.gz", index_col=0)
    return counts[pd.Index(cells).get_indexer(scores.index)], scores


def test_find_lsi__gives_signacs_components(oracles, hemato):
    counts, theirs = hemato
    lsi = find_lsi(weigh_terms(counts), n_components=30)
    r = [abs(np.corrcoef(lsi.scores[:, i], theirs.iloc[:, i])[0, 1]) for i in range(30)]
    assert min(r) > 0.999
    known = pd.read_csv(oracles / "signac/output/hemato_lsi_stdev.tsv", sep="\t")
    np.testing.assert_allclose(lsi.singular_values, known["d"], rtol=1e-6)
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    theirs_r = pd.read_csv(oracles / "signac/output/hemato_depth_cor.tsv", sep="\t")
    ours_r = correlate_depth(lsi.scores, depth)["correlation"].abs()[: len(theirs_r)]
    np.testing.assert_allclose(ours_r, theirs_r["depth_correlation"].abs(), atol=1e-3)


def test_find_lsi__standardises_components_and_projects_its_own_nuclei():
    counts = sparse.random(80, 60, density=0.3, random_state=1, format="csr")
    lsi = find_lsi(counts, n_components=5)
    np.testing.assert_allclose(lsi.scores.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(lsi.scores.std(axis=0, ddof=1), 1)
    np.testing.assert_allclose(lsi.project(counts), lsi.scores, atol=1e-8)


def test_find_lsi__needs_more_nuclei_than_components():
    with pytest.raises(DataError, match="3 components need more than 3 nuclei and peaks"):
        find_lsi(COUNTS.astype(float), n_components=3)


def test_pick_peaks__takes_the_most_counted_of_those_open_often_enough():
    assert pick_peaks(COUNTS, n_peaks=1, min_nuclei=2).tolist() == [1]
    assert pick_peaks(COUNTS, n_peaks=9, min_nuclei=1).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"no peak is open in 3 nuclei \(most: 2\)"):
        pick_peaks(COUNTS, n_peaks=9, min_nuclei=3)
