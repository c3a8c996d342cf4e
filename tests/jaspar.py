"""Motifs and sequences the tests of motifs share."""

import gzip
from pathlib import Path

import numpy as np

from helpers.schema import Motif


def make_motif(consensus: str, *, name: str = "X", n: int = 100, spare: int = 0) -> Motif:
    """A motif of ``n`` sites that all read alike, but for ``spare`` of each other letter."""
    counts = np.full((4, len(consensus)), float(spare))
    for place, letter in enumerate(consensus):
        counts["ACGT".index(letter), place] = n
    return Motif(f"{name}.1", name, counts)


def read_fasta(path: Path) -> dict[str, str]:
    """Sequences by name; the file may lack line ends before a name."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="ascii") as text:
        entries = text.read().split(">")[1:]
    split = [entry.split("\n", 1) for entry in entries]
    return {name.strip(): sequence.replace("\n", "") for name, sequence in split}


def read_matrices(path: Path) -> list[Motif]:
    """Matrices with one line a letter, or one a position."""
    with gzip.open(path, "rt", encoding="ascii") as text:
        entries = text.read().split(">")[1:]
    motifs = []
    for entry in entries:
        name, *lines = entry.strip().split("\n")
        table = np.array([[float(x) for x in line.split()] for line in lines])
        counts = table if len(table) == 4 and table.shape[1] != 4 else table.T
        motifs.append(Motif(name, name.split("_")[1], counts))
    return motifs


def random_sequences(n: int, length: int, *, seed: int) -> list[str]:
    letters = np.array(list("ACGT"))[np.random.default_rng(seed).integers(0, 4, (n, length))]
    return ["".join(row) for row in letters]
