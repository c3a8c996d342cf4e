"""Signature scores from the order of genes within each cell: AUCell and UCell, sparse."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numba
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.errors import DataError

N_THREADS = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
BLOCK = 1024  # cells a thread scores at a time
AGAINST = "-"  # behind a gene: it speaks against the signature, as UCell writes it


@dataclass(frozen=True)
class Members:
    """Which signatures each gene belongs to, as rows of a sparse table."""

    names: list[str]
    indptr: np.ndarray
    """Where the entries of each gene start, shape (n_genes + 1,)."""
    signature: np.ndarray
    """Number of the signature of each entry."""
    sizes: np.ndarray
    """Genes of each signature that were measured."""
    missing: list[list[str]]
    """Genes of each signature that were not measured."""


def list_members(genes: pd.Index, signatures: Mapping[str, Iterable[str]]) -> Members:
    """Look up the genes of signatures among those measured.

    Parameters
    ----------
    genes
        Measured genes, each once.
    signatures
        Name to genes; a gene named twice counts once.

    Raises
    ------
    DataError
        If a gene was measured twice, or there is no signature.
    """
    if not signatures:
        msg = "there is no signature to score; name at least one"
        raise DataError(msg)
    if not genes.is_unique:
        twice = genes[genes.duplicated()][0]
        msg = f"gene {twice!r} stands twice among the measured genes; add its rows up first"
        raise DataError(msg)
    listed = {name: list(dict.fromkeys(members)) for name, members in signatures.items()}
    # All at once: looking up thousands of signatures one by one takes longer than scoring a block.
    named = pd.Index([gene for members in listed.values() for gene in members], dtype=object)
    ends = np.cumsum([len(members) for members in listed.values()])
    rows = np.split(genes.get_indexer(named), ends[:-1])
    found = [places[places >= 0] for places in rows]
    number = np.repeat(np.arange(len(found)), [len(places) for places in found])
    table = sparse.csr_matrix(
        (np.ones(len(number)), (np.concatenate(found), number)), shape=(len(genes), len(found))
    )
    missing = [
        [gene for gene, place in zip(members, places, strict=True) if place < 0]
        for members, places in zip(listed.values(), rows, strict=True)
    ]
    sizes = np.array([len(places) for places in found])
    # One type of numbers, whatever the matrices came with: each type is compiled by itself.
    starts, numbers = table.indptr.astype(np.int64), table.indices.astype(np.int64)
    return Members(list(listed), starts, numbers, sizes, missing)


def score_aucell(
    counts: sparse.csr_matrix,
    genes: pd.Index,
    signatures: Mapping[str, Iterable[str]],
    *,
    top: float = 0.05,
) -> pd.DataFrame:
    """AUCell: area under the recovery curve of a gene set among a cell's highest genes.

    AUCell breaks ties at random; here a tied gene has the mean over all ways to break the tie, so
    that there is no seed and the order of genes does not matter. Without ties it is AUCell.

    Parameters
    ----------
    counts
        Any measure that orders the genes of a cell, at least 0, shape (n_cells, n_genes).
    signatures
        Name to genes; genes that were not measured do not count.
    top
        Share of the genes, from the highest, in which a recovery counts.

    Returns
    -------
    Between 0 and 1, shape (n_cells, n_signatures), indexed by position; missing where no gene of
    the signature was measured.

    Raises
    ------
    DataError
        If a value is negative, or as :func:`list_members`.

    References
    ----------
    Aibar et al. (2017) Nat. Methods 14:1083. doi:10.1038/nmeth.4463
    """
    members = list_members(genes, signatures)
    counts = _as_ranked(counts)
    last = ceil(top * counts.shape[1])
    area = _sum_gains(counts, members, last, each=True)
    inside = np.minimum(members.sizes, max(last - 1, 0))
    best = inside * last - inside * (inside + 1) / 2
    return pd.DataFrame(area / np.where(best > 0, best, np.nan), columns=members.names)


def score_aucell_ranked(
    ranks: pd.DataFrame, signatures: Mapping[str, Iterable[str]], *, top: float = 0.05
) -> pd.DataFrame:
    """AUCell of rankings made elsewhere.

    Parameters
    ----------
    ranks
        Rank of every gene in every cell, 1 the highest, without ties, shape (n_cells, n_genes).
    """
    order = ranks.shape[1] + 1 - ranks.to_numpy(dtype=np.int64)
    scores = score_aucell(sparse.csr_matrix(order), ranks.columns, signatures, top=top)
    return scores.set_axis(ranks.index)


def score_ucell(
    counts: sparse.csr_matrix,
    genes: pd.Index,
    signatures: Mapping[str, Iterable[str]],
    *,
    max_rank: int = 1500,
    weight_against: float = 1.0,
) -> pd.DataFrame:
    """UCell: Mann-Whitney statistic of a gene set's ranks within each cell.

    Parameters
    ----------
    counts
        Any measure that orders the genes of a cell, at least 0, shape (n_cells, n_genes).
    signatures
        Name to genes. A gene with ``-`` behind it speaks against the signature: the score of
        these is subtracted, and what is below 0 becomes 0. Genes that were not measured do not
        count.
    max_rank
        Ranks beyond it are as good as last.
    weight_against
        Factor on the score of the genes that speak against.

    Returns
    -------
    Between 0 and 1, shape (n_cells, n_signatures), indexed by position; missing where no gene
    that speaks for the signature was measured.

    Raises
    ------
    DataError
        If a value is negative, or as :func:`list_members`.

    References
    ----------
    Andreatta & Carmona (2021) Comput. Struct. Biotechnol. J. 19:3796.
    doi:10.1016/j.csbj.2021.06.043
    """
    split = {name: _split_signs(members) for name, members in signatures.items()}
    up = _rank_sums(counts, genes, {name: pair[0] for name, pair in split.items()}, max_rank)
    against = {name: pair[1] for name, pair in split.items() if pair[1]}
    if against:
        down = _rank_sums(counts, genes, against, max_rank).fillna(0.0)
        up[down.columns] = (up[down.columns] - weight_against * down).clip(lower=0.0)
    return up


def _split_signs(members: Iterable[str]) -> tuple[list[str], list[str]]:
    """Genes for and against a signature, signs taken off."""
    listed = list(members)
    up = [gene.removesuffix("+") for gene in listed if not gene.endswith(AGAINST)]
    return up, [gene.removesuffix(AGAINST) for gene in listed if gene.endswith(AGAINST)]


def _rank_sums(
    counts: sparse.csr_matrix, genes: pd.Index, signatures: dict[str, list[str]], max_rank: int
) -> pd.DataFrame:
    """UCell of unsigned signatures."""
    members = list_members(genes, signatures)
    counts = _as_ranked(counts)
    above = _sum_gains(counts, members, max_rank + 1, each=False)
    size = members.sizes
    statistic = size * (max_rank + 1) - above - size * (size + 1) / 2
    scores = 1 - statistic / np.where(size > 0, size * max_rank, np.nan)
    # UCell gives 0, not its formula's remainder, where no gene of the set ranks high enough.
    return pd.DataFrame(np.where((above == 0) & (size > 0), 0.0, scores), columns=members.names)


def _as_ranked(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix in the form the loops read, its values checked."""
    ready = sparse.csr_matrix(counts)
    if ready.nnz and ready.data.min() < 0:
        msg = (
            f"the smallest value is {ready.data.min():g}: genes are ranked among counts or other "
            "values of at least 0; pass values before they are centred"
        )
        raise DataError(msg)
    return ready


@numba.njit(cache=True)
def _gain(first: int, last: int, end: int, each: bool) -> float:  # noqa: FBT001
    """How far before ``end`` a gene lies that is tied on ranks ``first`` to ``last``, 0 at least.

    ``each``: the mean over those ranks, as if each order of the tie were tried; else by their
    mean rank.
    """
    if not each:
        rank = (first + last) / 2.0
        return end - rank if rank <= end - 1 else 0.0
    reach = min(last, end - 1)
    if reach < first:
        return 0.0
    return (reach - first + 1) * (end - (first + reach) / 2.0) / (last - first + 1)


def _sum_gains(counts: sparse.csr_matrix, members: Members, end: int, *, each: bool) -> np.ndarray:
    """Sum of the gains of each set's genes in every cell, blocks of cells shared out."""
    total = np.zeros((counts.shape[0], len(members.names)))

    def fill(start: int) -> None:
        """One block; its numbers alone are converted, whatever type the matrix came with."""
        starts = counts.indptr[start : start + BLOCK + 1].astype(np.int64)
        inside = slice(starts[0], starts[-1])
        _fill_gains(
            counts.data[inside].astype(np.float64), counts.indices[inside].astype(np.int64),
            starts - starts[0], counts.shape[1], end, each, members.indptr, members.signature,
            members.sizes, total[start : start + BLOCK],
        )  # fmt: skip

    with ThreadPoolExecutor(N_THREADS) as pool:
        for _ in pool.map(fill, range(0, len(total), BLOCK)):
            pass
    return total


@numba.njit(nogil=True, cache=True)
def _fill_gains(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    n_genes: int,
    end: int,
    each: bool,  # noqa: FBT001
    member_ptr: np.ndarray,
    member_of: np.ndarray,
    sizes: np.ndarray,
    total: np.ndarray,
) -> None:
    """Add up the gains of some cells; genes of value 0 are tied at the end."""
    for cell in range(len(indptr) - 1):
        start, stop = indptr[cell], indptr[cell + 1]
        order = np.argsort(-data[start:stop])
        on = np.zeros(len(sizes))
        first, n = 0, int(np.count_nonzero(data[start:stop]))
        while first < n:
            value, last = data[start + order[first]], first
            while last + 1 < n and data[start + order[last + 1]] == value:
                last += 1
            gain = _gain(first + 1, last + 1, end, each)
            for place in range(first, last + 1):
                gene = indices[start + order[place]]
                for entry in range(member_ptr[gene], member_ptr[gene + 1]):
                    total[cell, member_of[entry]] += gain
                    on[member_of[entry]] += 1
            first = last + 1
        if n < n_genes:
            total[cell] += _gain(n + 1, n_genes, end, each) * (sizes - on)
