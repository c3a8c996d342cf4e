"""Latent semantic indexing: from counts in peaks to components of nuclei."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import svds

from helpers.errors import DataError


def weigh_terms(
    counts: sparse.csr_matrix,
    *,
    method: int = 1,
    scale: float = 10_000,
    idf: np.ndarray | None = None,
) -> sparse.csr_matrix:
    """Term frequency times inverse document frequency (Signac's RunTFIDF).

    Parameters
    ----------
    counts
        Shape (n_nuclei, n_peaks).
    method
        1: log(1 + TF x IDF x scale). 2: TF x log(1 + IDF). 3: log(1 + TF x scale) x log(1 + IDF).
        4: counts x IDF. TF is a nucleus's share of its counts.
    idf
        Of every peak, where these nuclei are to be weighed as others were; else their own.

    Returns
    -------
    Same shape and sparsity, float64. Peaks without counts stay 0.

    Raises
    ------
    DataError
        If there is no such method, or a nucleus has no counts.

    References
    ----------
    Stuart et al. (2021) Nat. Methods 18:1333. doi:10.1038/s41592-021-01282-5
    """
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    if method not in (1, 2, 3, 4):
        msg = f"there is no method {method} of TF-IDF; there are 1, 2, 3 and 4"
        raise DataError(msg)
    if (totals == 0).any():
        msg = f"{(totals == 0).sum()} nuclei have no count in any peak; leave them out"
        raise DataError(msg)
    result = counts.astype(np.float64, copy=True)
    idf = (find_idf(counts) if idf is None else idf)[result.indices]
    if method != 4:
        result.data /= np.repeat(totals, np.diff(result.indptr))
    if method == 1:
        result.data = np.log1p(result.data * idf * scale)
    elif method == 3:
        result.data = np.log1p(result.data * scale) * np.log1p(idf)
    else:
        result.data *= np.log1p(idf) if method == 2 else idf
    return result


def find_idf(counts: sparse.csr_matrix) -> np.ndarray:
    """Inverse document frequency: number of nuclei over a peak's counts, 0 where it has none."""
    in_peak = np.asarray(counts.sum(axis=0), dtype=float).ravel()
    return np.divide(counts.shape[0], in_peak, out=np.zeros_like(in_peak), where=in_peak > 0)


@dataclass(frozen=True)
class Lsi:
    """Components of nuclei."""

    scores: np.ndarray
    """Each of mean 0 and standard deviation 1, shape (n_nuclei, n_components)."""
    loadings: np.ndarray
    """Shape (n_peaks, n_components)."""
    singular_values: np.ndarray
    centre: np.ndarray
    """Mean of each component over nuclei, before it was taken off."""
    deviation: np.ndarray

    def project(self, weighted: sparse.csr_matrix) -> np.ndarray:
        """Other nuclei, weighted by the same terms, on the same components."""
        raw = np.asarray(weighted @ self.loadings) / self.singular_values
        return (raw - self.centre) / self.deviation


def find_lsi(weighted: sparse.csr_matrix, *, n_components: int, seed: int = 0) -> Lsi:
    """Singular vectors of weighted counts, by Lanczos on the sparse matrix (Signac's RunSVD).

    Parameters
    ----------
    weighted
        From :func:`weigh_terms`, shape (n_nuclei, n_peaks).
    n_components
        Fewer than nuclei and peaks.

    Returns
    -------
    Components by falling singular value, each with the sign that makes its mean loading positive
    (no centring is done, so that the first follows depth).

    Raises
    ------
    DataError
        If there are too few nuclei or peaks.
    """
    if n_components >= min(weighted.shape):
        msg = (
            f"{n_components} components need more than {n_components} nuclei and peaks, not "
            f"{weighted.shape[0]} and {weighted.shape[1]}; lower n_components"
        )
        raise DataError(msg)
    start = np.random.default_rng(seed).standard_normal(min(weighted.shape))
    left, values, right = svds(weighted, k=n_components, v0=start)
    order = np.argsort(-values)
    left, values, right = left[:, order], values[order], right[order]
    sign = np.where(right.sum(axis=1) < 0, -1.0, 1.0)
    left, right = left * sign, right * sign[:, None]
    centre, deviation = left.mean(axis=0), left.std(axis=0, ddof=1)
    return Lsi((left - centre) / deviation, right.T, values, centre, deviation)


def correlate_depth(scores: np.ndarray, depth: np.ndarray) -> pd.DataFrame:
    """Correlation of every component with the depth of nuclei (Signac's DepthCor).

    Parameters
    ----------
    depth
        Counts of every nucleus.

    Returns
    -------
    ``component`` (from 1) and ``correlation`` (Pearson).
    """
    centred = depth - depth.mean()
    scale = np.sqrt((centred**2).sum())
    deviation = scores - scores.mean(axis=0)
    r = deviation.T @ centred / (np.sqrt((deviation**2).sum(axis=0)) * scale)
    return pd.DataFrame({"component": np.arange(1, scores.shape[1] + 1), "correlation": r})


def pick_peaks(counts: sparse.csr_matrix, *, n_peaks: int, min_nuclei: int) -> np.ndarray:
    """Columns of the peaks with most counts, in their order (Signac's FindTopFeatures).

    Parameters
    ----------
    n_peaks
        At most as many.
    min_nuclei
        Nuclei a peak must be open in.

    Raises
    ------
    DataError
        If no peak is open in so many.
    """
    n_nuclei = counts.getnnz(axis=0)
    usable = np.flatnonzero(n_nuclei >= min_nuclei)
    if len(usable) == 0:
        msg = f"no peak is open in {min_nuclei} nuclei (most: {n_nuclei.max(initial=0)})"
        raise DataError(msg)
    totals = np.asarray(counts.sum(axis=0)).ravel()[usable]
    return np.sort(usable[np.argsort(-totals, kind="stable")[:n_peaks]])
