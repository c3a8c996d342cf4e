"""Where transcription factors can bind: motif matches in sequences by log-odds score."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.errors import DataError
from helpers.schema import Motif

LETTERS = "ACGT"
UNKNOWN_LETTER = 4
GRAIN = 1000.0  # scores are rounded to thousandths to count how probable each is, as MOODS does
ROUNDING = 1e-9  # by which two ways to add up a score may differ
PREFIX = 8  # letters looked up at once; a table of 65,536 entries stays in the processor's cache
FORWARD, REVERSE = 1, 2  # bits of the table: which strand may still reach the threshold
BATCH = 4_000_000  # letters scanned at a time, so that memory does not grow with the peaks
_CODE = np.full(256, UNKNOWN_LETTER, np.uint8)
for _i, _letter in enumerate(LETTERS):
    _CODE[[ord(_letter), ord(_letter.lower())]] = _i


@dataclass(frozen=True)
class Scorer:
    """A motif ready to be scanned with."""

    forward: np.ndarray
    """Natural log-odds of A, C, G and T, shape (width, 4)."""
    reverse: np.ndarray
    """The same read on the other strand."""
    threshold: float
    """Score from which on a place counts as a match."""
    table: np.ndarray
    """For every word of :data:`PREFIX` letters, which strands it leaves a chance."""


def weigh_letters(counts: np.ndarray, *, pseudocount: float = 0.8) -> np.ndarray:
    """Natural log-odds of every letter against an even background.

    Parameters
    ----------
    counts
        How often each letter was seen, shape (4, width), in the order ACGT.
    pseudocount
        Letters added to each position, a quarter each (TFBSTools' ``toPWM``).

    Returns
    -------
    Shape (4, width).
    """
    total = counts.sum(axis=0)
    return np.log((counts + pseudocount / 4) / (total + pseudocount) * 4)


def find_threshold(weights: np.ndarray, *, pvalue: float) -> float:
    """Smallest score that random letters reach with a probability of at most ``pvalue``.

    The distribution of rounded scores is built position by position, letters being equally
    frequent. Of a motif so short that even its best word is likelier, the best word matches.

    References
    ----------
    Korhonen et al. (2009) Bioinformatics 25:3181. doi:10.1093/bioinformatics/btp554
    """
    rounded = np.where(weights > 0, weights * GRAIN + 0.5, weights * GRAIN - 0.5).astype(int)
    lowest = int(rounded.min())
    chance = _spread_scores(np.ascontiguousarray((rounded - lowest).T))
    size = len(chance)
    above = np.cumsum(chance[::-1])
    too_many = np.flatnonzero(above > pvalue)
    worst = size - 1 - int(too_many[0]) + 1 if len(too_many) else 0
    threshold = (worst + weights.shape[1] * lowest) / GRAIN
    return min(threshold, float(weights.max(axis=0).sum()) - ROUNDING)


@numba.njit(nogil=True, cache=True)
def _spread_scores(steps: np.ndarray) -> np.ndarray:
    """Probability of every sum of one step a position, shape of steps (width, 4)."""
    size = 1
    for i in range(len(steps)):
        size += steps[i].max()
    chance = np.zeros(size)
    chance[0] = 1.0
    reached = 1
    for i in range(len(steps)):
        after = np.zeros(size)
        for letter in range(4):
            step = steps[i, letter]
            for score in range(reached):
                after[score + step] += chance[score] / 4
        reached += steps[i].max()
        chance = after
    return chance


def make_scorer(motif: Motif, *, pvalue: float) -> Scorer:
    """Scores, threshold and lookup table of a motif."""
    weights = weigh_letters(motif.counts)
    forward = np.ascontiguousarray(weights.T)
    reverse = np.ascontiguousarray(weights[::-1, ::-1].T)
    threshold = find_threshold(weights, pvalue=pvalue)
    first, length = _busiest_window(weights)
    back = len(forward) - first - length
    table = FORWARD * _word_passes(forward, first, length, threshold)
    table |= REVERSE * _word_passes(reverse, back, length, threshold)
    return Scorer(forward, reverse, threshold, table.astype(np.uint8))


def _busiest_window(weights: np.ndarray) -> tuple[int, int]:
    """First position and length of the stretch that decides most; it ends where the motif may."""
    length = min(PREFIX, weights.shape[1])
    gain = np.ptp(weights, axis=0)
    sums = np.convolve(gain, np.ones(length), mode="valid")
    return int(sums.argmax()), length


def _word_passes(scores: np.ndarray, first: int, length: int, threshold: float) -> np.ndarray:
    """Whether each word at positions ``first`` on leaves a chance to reach the threshold."""
    best = scores.max(axis=1)
    rest = best.sum() - best[first : first + length].sum()
    total = np.zeros(1)
    for row in scores[first : first + length]:
        total = (total[:, None] + row[None, :]).ravel()
    passes = (total >= threshold - rest - ROUNDING).astype(np.uint8)
    # the last letters of the word lie beyond a motif shorter than it
    return np.repeat(passes, 4 ** (PREFIX - length))


def encode_sequences(sequences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Letters of all sequences in a row as 0 to 3 (others 4), gaps between them.

    Returns
    -------
    Codes, and where each sequence starts, with the end behind the last.
    """
    gap = "N" * PREFIX
    joined = gap.join([*sequences, ""])
    codes = _CODE[np.frombuffer(joined.encode("ascii", "replace"), dtype=np.uint8)]
    lengths = np.array([len(sequence) + PREFIX for sequence in sequences], dtype=np.int64)
    return codes, np.concatenate([[0], np.cumsum(lengths)])


def measure_gc(sequences: list[str]) -> np.ndarray:
    """Share of G and C in every sequence, unknown letters left out; 0.5 where all are unknown."""
    codes, starts = encode_sequences(sequences)
    known = np.add.reduceat(np.append(codes < UNKNOWN_LETTER, 0), starts)[:-1]
    strong = np.add.reduceat(np.append((codes == 1) | (codes == 2), 0), starts)[:-1]
    return np.where(known > 0, strong / np.maximum(known, 1), 0.5)


@numba.njit(nogil=True, cache=True)
def _hash_words(codes: np.ndarray) -> np.ndarray:
    """Number of the word of :data:`PREFIX` letters that starts at every place."""
    words = np.zeros(len(codes), dtype=np.uint16)
    word = 0
    for i in range(len(codes) + PREFIX - 1):
        letter = codes[i] & 3 if i < len(codes) else 0
        word = ((word << 2) | letter) & 0xFFFF
        if i >= PREFIX - 1:
            words[i - PREFIX + 1] = word
    return words


@numba.njit(nogil=True, cache=True)
def _score(codes: np.ndarray, place: int, scores: np.ndarray) -> float:
    """Score of the place; minus infinity where a letter is unknown or the sequence ends."""
    total = 0.0
    if place < 0 or place + len(scores) > len(codes):
        return -np.inf
    for i in range(len(scores)):
        letter = codes[place + i]
        if letter == UNKNOWN_LETTER:
            return -np.inf
        total += scores[i, letter]
    return total


@numba.njit(nogil=True, cache=True)
def _scan(
    codes: np.ndarray,
    words: np.ndarray,
    table: np.ndarray,
    forward: np.ndarray,
    reverse: np.ndarray,
    offsets: tuple[int, int],
    threshold: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place, strand and score of every match, in order of place."""
    places = np.empty(64, dtype=np.int64)
    strands = np.empty(64, dtype=np.int8)
    found = np.empty(64, dtype=np.float64)
    n = 0
    for i in range(len(words)):
        chance = table[words[i]]
        if chance == 0:
            continue
        for strand in range(2):
            if chance & (1 << strand) == 0:
                continue
            place = i - offsets[strand]
            value = _score(codes, place, forward if strand == 0 else reverse)
            if value < threshold:
                continue
            if n == len(places):
                places = np.append(places, np.empty_like(places))
                strands = np.append(strands, np.empty_like(strands))
                found = np.append(found, np.empty_like(found))
            places[n], strands[n], found[n] = place, strand, value
            n += 1
    return places[:n], strands[:n], found[:n]


@dataclass(frozen=True)
class Matches:
    """Places one motif matches."""

    sequence: np.ndarray
    """Which sequence."""
    start: np.ndarray
    """0-based within the sequence."""
    strand: np.ndarray
    """0 forward, 1 reverse."""
    score: np.ndarray


def scan_motif(codes: np.ndarray, words: np.ndarray, starts: np.ndarray, scorer: Scorer) -> Matches:
    """All matches of a motif on both strands of encoded sequences."""
    width = len(scorer.forward)
    first, length = _busiest_window(scorer.forward.T)
    place, strand, score = _scan(
        codes, words, scorer.table, scorer.forward, scorer.reverse,
        (first, width - first - length), scorer.threshold,
    )  # fmt: skip
    sequence = np.searchsorted(starts, place, side="right") - 1
    return Matches(sequence, place - starts[sequence], strand, score)


def locate_motifs(sequences: list[str], motifs: list[Motif], *, pvalue: float) -> pd.DataFrame:
    """Every match of every motif.

    Parameters
    ----------
    sequences
        Of letters ACGT; a window with any other letter does not match.
    pvalue
        Probability of a match at one place of one strand of random sequence.

    Returns
    -------
    ``motif_id``, ``tf``, ``sequence`` (its number), ``start``, ``end`` (0-based, half-open, within
    the sequence), ``strand`` and ``score`` (natural log-odds).
    """
    codes, starts = encode_sequences(sequences)
    words = _hash_words(codes)
    parts = []
    for motif in motifs:
        found = scan_motif(codes, words, starts, make_scorer(motif, pvalue=pvalue))
        table = pd.DataFrame(
            {
                "sequence": found.sequence,
                "start": found.start,
                "end": found.start + motif.counts.shape[1],
                "strand": np.array(["+", "-"])[found.strand],
                "score": found.score,
            }
        )
        table.insert(0, "motif_id", motif.id)
        table.insert(1, "tf", motif.tf)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def match_motifs(
    sequences: list[str], motifs: list[Motif], *, pvalue: float = 5e-5
) -> sparse.csc_matrix:
    """Which sequences each motif matches anywhere, on either strand.

    Sequences are scanned a batch at a time with all motifs, motifs side by side on the threads
    numba may use; memory is the batch's and the matches'.

    Parameters
    ----------
    sequences
        Of letters ACGT; a window with any other letter does not match.
    pvalue
        Probability of a match at one place of one strand of random sequence.

    Returns
    -------
    Boolean, shape (n_sequences, n_motifs).

    Raises
    ------
    DataError
        If there is no motif or no sequence.

    References
    ----------
    Schep (2023) motifmatchr; Korhonen et al. (2009), see :func:`find_threshold`.
    """
    if not sequences or not motifs:
        msg = f"motifs are matched in sequences; {len(motifs)} motifs, {len(sequences)} sequences"
        raise DataError(msg)
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        scorers = list(pool.map(lambda motif: make_scorer(motif, pvalue=pvalue), motifs))
        parts = [_match_batch(batch, scorers, pool) for batch in _batches(sequences)]
    return sparse.vstack(parts, format="csc")


def _batches(sequences: list[str]) -> list[list[str]]:
    ends = np.cumsum([len(sequence) for sequence in sequences])
    batch = ends // BATCH
    cuts = np.flatnonzero(np.diff(batch)) + 1
    edges = [0, *cuts.tolist(), len(sequences)]
    return [sequences[a:b] for a, b in pairwise(edges)]


def _match_batch(
    sequences: list[str], scorers: list[Scorer], pool: ThreadPoolExecutor
) -> sparse.csc_matrix:
    codes, starts = encode_sequences(sequences)
    words = _hash_words(codes)

    def rows_of(scorer: Scorer) -> np.ndarray:
        return np.unique(scan_motif(codes, words, starts, scorer).sequence)

    rows = list(pool.map(rows_of, scorers))
    ends = np.concatenate([[0], np.cumsum([len(found) for found in rows])])
    hits = np.ones(int(ends[-1]), dtype=bool)
    return sparse.csc_matrix(
        (hits, np.concatenate(rows), ends), shape=(len(sequences), len(scorers))
    )
