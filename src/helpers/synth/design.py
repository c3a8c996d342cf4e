"""Who is in a simulated cohort: samples, groups, proportions, copy number, difficulty."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from helpers.errors import ParamsError
from helpers.synth.programmes import CELL_TYPES

GROUPS = ("CK", "CR", "NCR")
CONTROLS = "CK"
CONDITIONS = ("parental", "resistant")
LINE_PROFILES = ("resistance", "resistance_null")
SAMPLES_PER_GROUP = 3
# Days under the drug at which the flasks of each condition are taken.
DAYS = {"parental": (0, 0, 0), "resistant": (60, 30, 90)}

# Mean percent of each type by group. Liu et al. 2025 print the figure, not the numbers: these
# follow its sentences. NCR: Pro-B first, HSC/MPP up, naive CD4 T and naive B down; CR like CK.
COMPOSITION = pd.DataFrame(
    {
        "CK": [21, 12, 4.0, 12, 8.0, 25, 11, 1.5, 2.5, 3.0],
        "CR": [23, 11, 4.5, 13, 7.0, 23, 11, 1.5, 3.0, 3.0],
        "NCR": [10, 6, 16.0, 7, 1.5, 7, 5, 6.0, 37.0, 4.5],
    },
    index=list(CELL_TYPES),
)

# The same of nuclei. The study's Figure 2D differs from its Figure 1D: naive B cells are up in NCR,
# memory CD4+ T cells and CD8+ NKT-like cells up and naive CD4+ T cells down in CR against CK.
CHROMATIN_COMPOSITION = pd.DataFrame(
    {
        "CK": [16, 18, 6.0, 9, 5.0, 26, 11, 2.0, 3.5, 3.5],
        "CR": [27, 13, 5.0, 14, 3.0, 17, 11, 2.0, 4.5, 3.5],
        "NCR": [7, 6, 13.0, 5, 8.0, 4, 3, 3.0, 48.0, 3.0],
    },
    index=list(CELL_TYPES),
)

# Percent of each subcluster by group: CK in 1 (Pro-B also 4), CR in 2, NCR in 0 (Pro-B also 3).
SUBCLUSTERS = {
    "HSC/MPP": pd.DataFrame(
        {"CK": [5, 85, 10], "CR": [5, 15, 80], "NCR": [85, 5, 10]}, index=list("012")
    ),
    "Pro-B": pd.DataFrame(
        {"CK": [3, 60, 7, 5, 25], "CR": [4, 10, 76, 5, 5], "NCR": [60, 3, 5, 30, 2]},
        index=list("01234"),
    ),
}

# Arms gained (+1) and lost (-1), by patient and subcluster: more arms in HSC/MPP 0 and Pro-B 0
# than in Pro-B 3, none elsewhere.
COPY_NUMBER: dict[tuple[str, str, str], dict[str, int]] = {
    ("NCR1", "HSC/MPP", "0"): {"21q": 1, "1q": 1, "9p": -1},
    ("NCR1", "Pro-B", "0"): {"21q": 1, "1q": 1, "9p": -1},
    ("NCR1", "Pro-B", "3"): {"21q": 1},
    ("NCR2", "HSC/MPP", "0"): {"7p": -1, "7q": -1, "21q": 1},
    ("NCR2", "Pro-B", "0"): {"7p": -1, "7q": -1, "21q": 1},
    ("NCR2", "Pro-B", "3"): {"7p": -1, "7q": -1},
    ("NCR3", "HSC/MPP", "0"): {"1q": 1, "9p": -1, "17p": -1},
    ("NCR3", "Pro-B", "0"): {"1q": 1, "9p": -1, "17p": -1},
    ("NCR3", "Pro-B", "3"): {"1q": 1},
}


@dataclass(frozen=True)
class Difficulty:
    """How far the cohort is from a clean textbook case."""

    depth: float = 4200.0
    """Median UMIs of a good cell."""
    contrast: float = 1.0
    """Factor on the log level of every marker gene over its background."""
    donor_sd: float = 0.22
    """Standard deviation of a donor's log fold, per gene."""
    ambient: float = 0.05
    """Share of a cell's UMIs that come from the soup."""
    doublet_rate: float = 0.06
    dying_rate: float = 0.05
    debris_rate: float = 0.02
    """Share of barcodes that hold a scrap of a cell and soup."""
    proportion_sd: float = 0.25
    """Standard deviation of a sample's log proportions around its group's."""
    dispersion: float = 0.25
    """Squared biological coefficient of variation of a gene within a type."""


DIFFICULTIES: Mapping[str, Difficulty] = {
    "easy": Difficulty(
        depth=7000, contrast=1.2, donor_sd=0.1, ambient=0.01, doublet_rate=0.03, proportion_sd=0.15
    ),
    "standard": Difficulty(),
    "hard": Difficulty(
        depth=2200, contrast=0.8, donor_sd=0.35, ambient=0.12, doublet_rate=0.1, proportion_sd=0.35
    ),
}


@dataclass(frozen=True)
class SampleDesign:
    """One sample to simulate."""

    sample: str
    group: str
    n_cells: int
    seed: int
    """Own stream of random numbers, so that samples can be made in any order."""
    n_nuclei: int = 0
    """Nuclei whose chromatin is measured; none where 0."""
    time_days: float | None = None
    """Days since the start of treatment, where the cohort is a course."""


@dataclass(frozen=True)
class Design:
    """A whole cohort to simulate."""

    profile: str
    title: str
    samples: tuple[SampleDesign, ...]
    n_genes: int
    seed: int
    difficulty: Difficulty = field(default_factory=Difficulty)
    group_effects: bool = True
    n_chromatin_genes: int = 0
    """Genes of the shrunken genome; there is none where 0."""

    def drawn_as(self, group: str) -> str:
        """The group whose numbers a group is drawn from: its own, or the controls' for all."""
        return group if self.group_effects else CONTROLS


def make_design(
    profile: str, *, n_cells: int | None = None, seed: int = 0, difficulty: str = "standard"
) -> Design:
    """The design of a named profile.

    Parameters
    ----------
    profile
        ``demo``, ``null`` (nine samples, minutes), ``paper`` (76,458 cells as in the study),
        ``resistance``, ``resistance_null`` (a cell line and its resistant daughter, three flasks
        each) or ``bulk`` (patients without single cells).
    n_cells
        Cells in the whole cohort instead of the profile's own number.
    seed
        Same seed, same cohort.
    difficulty
        ``easy``, ``standard`` or ``hard``.

    Raises
    ------
    ParamsError
        If there is no such profile or difficulty, a sample would have no cell, or the seed is
        negative.
    """
    _check(profile, n_cells, seed, difficulty)
    total, n_genes, title, effects = PROFILES[profile]
    if profile in LINE_PROFILES:
        return _line_design(profile, n_cells or total, seed, DIFFICULTIES[difficulty])
    if total == 0:
        own = int(np.random.SeedSequence(seed).generate_state(1)[0])
        return Design(profile, title, (), n_genes, own, DIFFICULTIES[difficulty])
    groups = np.repeat(GROUPS, SAMPLES_PER_GROUP)
    # The study has 38,773 cells of CK and 37,685 of patients (Results, first section).
    weights = np.where(groups == CONTROLS, 38773 / 3, 37685 / 6) if profile == "paper" else None
    cells = split_total(n_cells or total, np.ones(len(groups)) if weights is None else weights)
    seeds = np.random.SeedSequence(seed).generate_state(len(groups) + 1)
    nuclei, n_chromatin_genes = _count_nuclei(profile, n_cells or total, groups)
    samples = tuple(
        SampleDesign(f"{group}{i % SAMPLES_PER_GROUP + 1}", str(group), int(n), int(own), int(m))
        for i, (group, n, own, m) in enumerate(zip(groups, cells, seeds[1:], nuclei, strict=True))
    )
    design = Design(profile, title, samples, n_genes, int(seeds[0]), DIFFICULTIES[difficulty])
    return replace(design, group_effects=effects, n_chromatin_genes=n_chromatin_genes)


def _count_nuclei(profile: str, n_cells: int, groups: np.ndarray) -> tuple[np.ndarray, int]:
    """Nuclei of each sample, in the profile's ratio to its cells, and genes of the genome."""
    n_nuclei, n_genes = CHROMATIN.get(profile, (0, 0))
    scaled = round(n_nuclei * n_cells / PROFILES[profile][0])
    total = max(scaled, len(groups)) if n_nuclei else 0
    return split_total(total, np.ones(len(groups))), n_genes


def _line_design(profile: str, total: int, seed: int, difficulty: Difficulty) -> Design:
    """Three flasks of a line, and three of its resistant daughter on the way to resistance."""
    _, n_genes, title, effects = PROFILES[profile]
    groups = np.repeat(CONDITIONS, SAMPLES_PER_GROUP)
    seeds = np.random.SeedSequence(seed).generate_state(len(groups) + 1)
    cells = split_total(total, np.ones(len(groups)))
    days = [day for group in CONDITIONS for day in DAYS[group]]
    samples = tuple(
        SampleDesign(
            f"{group}{i % SAMPLES_PER_GROUP + 1}", str(group), int(n), int(own), time_days=day
        )
        for i, (group, n, own, day) in enumerate(zip(groups, cells, seeds[1:], days, strict=True))
    )
    return Design(profile, title, samples, n_genes, int(seeds[0]), difficulty, effects)


def _check(profile: str, n_cells: int | None, seed: int, difficulty: str) -> None:
    for kind, name, known in (
        ("profile", profile, PROFILES),
        ("difficulty", difficulty, DIFFICULTIES),
    ):
        if name not in known:
            msg = f"there is no {kind} {name!r}; there are {', '.join(known)}"
            raise ParamsError(msg)
    if n_cells is not None and PROFILES[profile][0] == 0:
        msg = f"the profile {profile!r} has no cells; leave out --cells"
        raise ParamsError(msg)
    fewest = len(GROUPS) * SAMPLES_PER_GROUP
    if n_cells is not None and n_cells < fewest:
        msg = f"{n_cells} cells are too few: {fewest} samples need at least one each"
        raise ParamsError(msg)
    if seed < 0:
        msg = f"the seed is {seed}; it must be 0 or more"
        raise ParamsError(msg)


# cells, genes, title, whether groups differ
PROFILES: dict[str, tuple[int, int, str, bool]] = {
    "demo": (9000, 8000, "Relapse in high-risk B-ALL: simulated demonstration cohort", True),
    "null": (9000, 8000, "No difference between groups: simulated control cohort", False),
    "paper": (76458, 20000, "Relapse in high-risk B-ALL: simulated cohort of full size", True),
    "resistance": (4200, 6000, "Selinexor resistance of K562: simulated cell line", True),
    "resistance_null": (4200, 6000, "No resistance: simulated cell line for control", False),
    "bulk": (0, 0, "Resistant and sensitive patients: simulated bulk cohort", True),
}

# nuclei, genes of the genome their fragments lie on
CHROMATIN: dict[str, tuple[int, int]] = {
    "demo": (2430, 1600),
    "null": (2430, 1600),
    "paper": (60000, 8000),
}


def split_total(total: int, weights: np.ndarray) -> np.ndarray:
    """Whole numbers in proportion to ``weights`` that add up to ``total`` exactly."""
    exact = total * weights / weights.sum()
    whole = np.floor(exact).astype(int)
    largest = np.argsort(whole - exact, kind="stable")[: total - whole.sum()]
    whole[largest] += 1
    return whole


def draw_proportions(group: str, *, proportion_sd: float, rng: np.random.Generator) -> pd.Series:
    """Proportions of one sample: its group's, with logistic-normal noise."""
    mean = COMPOSITION[group] / COMPOSITION[group].sum()
    noisy = mean * np.exp(rng.normal(0, proportion_sd, len(mean)))
    return noisy / noisy.sum()
