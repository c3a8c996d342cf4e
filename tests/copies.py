"""A small cohort with planted gains and losses that the tests of copy number share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

N_GENES = 600
TYPES = ("T", "M", "B", "N", "E", "P")
NORMAL = ["h0", "h1", "h2"]
# Arm 2 gained and arm 5 lost in the P cells of t0 and t1; in t2 only half of them, arm 2.
PLANTED = {("t0", 2): 1, ("t0", 5): -1, ("t1", 2): 1, ("t1", 5): -1, ("t2", 2): 1}


@dataclass(frozen=True)
class Small:
    """Counts, their genes and cells, and which cells were altered."""

    counts: sparse.csr_matrix
    genes: pd.DataFrame
    cells: pd.DataFrame
    altered: np.ndarray


def make_small(*, n_cells: int = 40, planted: bool = True, seed: int = 0) -> Small:
    """Nine samples of six types; twelve arms of fifty genes."""
    rng = np.random.default_rng(seed)
    arm_of = np.repeat(np.arange(12), N_GENES // 12)
    base = rng.gamma(0.7, 2.0, N_GENES) + 0.2
    lineage = {kind: np.exp(rng.normal(0, 0.4, N_GENES)) for kind in TYPES}
    blocks, rows, altered = [], [], []
    for group in "hrt":
        for number in range(3):
            donor = np.exp(rng.normal(0, 0.15, N_GENES))
            for kind in TYPES:
                sample = f"{group}{number}"
                rate = np.tile(base * lineage[kind] * donor, (n_cells, 1))
                changed = np.zeros(n_cells, dtype=bool)
                if planted and kind == "P":
                    changed[: n_cells // 2 if sample == "t2" else n_cells] = group == "t"
                    for (where, arm), change in PLANTED.items():
                        if where == sample:
                            rate[np.ix_(changed, arm_of == arm)] *= 1.5 if change > 0 else 0.5
                blocks.append(rng.poisson(rate))
                altered.append(changed)
                rows += [(sample, f"{len(rows) + i}", group, kind) for i in range(n_cells)]
    start = np.arange(N_GENES) * 1000
    names = np.array([f"{1 + arm // 2}{'pq'[arm % 2]}" for arm in range(12)])
    genes = pd.DataFrame(
        {
            "gene": [f"g{i}" for i in range(N_GENES)],
            "chrom": [f"chr{1 + arm // 2}" for arm in arm_of],
            "start": start,
            "end": start + 500,
            "arm": names[arm_of],
        }
    )
    cells = pd.DataFrame(rows, columns=["sample", "barcode", "group", "cell_type"])
    return Small(sparse.csr_matrix(np.vstack(blocks)), genes, cells, np.concatenate(altered))
