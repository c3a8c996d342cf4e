"""Counts of a simulated sample: Gamma-Poisson around programmes, soup, doublets, dying cells."""

from collections.abc import Iterator
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.synth.design import (
    COPY_NUMBER,
    SUBCLUSTERS,
    Design,
    Difficulty,
    SampleDesign,
    draw_proportions,
    split_total,
)
from helpers.synth.programmes import (
    CELL_TYPES,
    DEPTH,
    DORMANT,
    DORMANT_SHIFT,
    GROUP_SHIFTS,
    HOUSEKEEPING,
    LINEAGE,
    MITOCHONDRIAL_LEVEL,
    REGULON_SD,
    REGULONS,
    RIBOSOMAL_LEVEL,
    SIGNATURE_SHIFTS,
    SUBCLUSTER_EDGE,
    SUBCLUSTER_GENES,
    SUBCLUSTER_PATHWAYS,
    SUBCLUSTER_SHIFTS,
    ancestry,
    levels,
    named_genes,
    shifted_genes,
    signature_genes,
    type_levels,
)

BACKGROUND = 0.03  # UMIs per 10,000 of a marker gene in cells that do not express it
SHIFTED_BASE = 0.8  # level of a gene that only the group changes, so that the change is visible
GAIN, LOSS = 1.4, 0.6  # expression of three and of one copy against two, partly compensated
FEMALE_GENES, MALE_GENES = ("XIST", "TSIX"), ("RPS4Y1", "DDX3Y", "EIF1AY", "KDM5D", "UTY", "USP9Y")
CHUNK = 512  # cells drawn at a time


def choose_genes(
    genes: pd.DataFrame, design: Design, *, wanted: set[str], added: set[str] | None = None
) -> pd.DataFrame:
    """The genes of a cohort: all named and wanted ones, filled up with random ones.

    Parameters
    ----------
    genes
        Reference genes in genomic order with columns ``gene`` and ``biotype``.
    wanted
        Genes to keep besides those the programmes name.
    added
        Genes to measure on top: what else is chosen, and how it is expressed, does not hang on
        them. Those a signature moves are always among them.

    Returns
    -------
    Rows of ``genes``, still in genomic order, with column ``added``; ``design.n_genes`` that are
    not, or more if more are named.
    """
    rng = np.random.default_rng([design.seed, 1])
    symbols = genes["gene"]
    kept = symbols.isin(named_genes() | wanted | set(FEMALE_GENES) | set(MALE_GENES))
    kept |= is_ribosomal(symbols) | symbols.str.startswith("MT-")
    spare = np.flatnonzero(~kept & (genes["biotype"] == "protein_coding"))
    if len(spare) < design.n_genes - kept.sum():
        spare = np.flatnonzero(~kept)
    n_more = min(len(spare), max(0, design.n_genes - int(kept.sum())))
    rows = np.union1d(np.flatnonzero(kept), rng.choice(spare, n_more, replace=False))
    late = symbols.isin(signature_genes() | (added or set())).to_numpy()
    late[rows] = False
    chosen = np.union1d(rows, np.flatnonzero(late))
    return genes.iloc[chosen].assign(added=late[chosen]).reset_index(drop=True)


def is_ribosomal(symbols: pd.Series) -> pd.Series:
    """Which symbols are cytosolic ribosomal proteins."""
    return symbols.str.fullmatch(r"RP[LS]\d+[AXL]?\d?|RPLP[0-2]|RPSA")


@dataclass(frozen=True)
class Landscape:
    """What every cell of a cohort draws from; arrays run over the genes."""

    genes: pd.DataFrame
    log_rates: dict[tuple[str, str], np.ndarray]
    """(cell type, subcluster or empty) -> log of the mean UMIs per 10,000."""
    loadings: np.ndarray
    """Change of log rate per unit of each factor's activity, shape (n_factors, n_genes)."""


def make_landscape(genes: pd.DataFrame, design: Design) -> Landscape:
    """Mean expression of every cell state, the same in all samples of a cohort."""
    rng = np.random.default_rng([design.seed, 2])
    first = ~genes["added"].to_numpy()
    base, free = np.empty(len(genes)), np.zeros(len(genes), bool)
    base[first], free[first] = _base_rates(genes[first], rng)
    base[~first] = _added_rates(genes[~first], design)
    edges = {
        node: _edge(free, share, sd, rng, first) for node, (_, share, sd) in sorted(LINEAGE.items())
    }
    rates: dict[tuple[str, str], np.ndarray] = {}
    for cell_type in CELL_TYPES:
        log_rate = base + sum(edges[node] for node in ancestry(cell_type))
        log_rate = _switch_on(log_rate, genes, type_levels(cell_type), design.difficulty)
        movable = genes["gene"].isin(shifted_genes(cell_type)).to_numpy()
        log_rate = np.where(movable, np.fmax(log_rate, np.log(SHIFTED_BASE)), log_rate)
        rates[cell_type, ""] = log_rate
        for subcluster in SUBCLUSTERS.get(cell_type, pd.DataFrame()).index:
            key = (cell_type, subcluster)
            shifted = log_rate + _edge(free, *SUBCLUSTER_EDGE, rng, first)
            shifted = _switch_on(shifted, genes, levels(SUBCLUSTER_GENES[key]), design.difficulty)
            rates[key] = shifted + _shift(genes, SUBCLUSTER_SHIFTS.get(key, {}))
            rates[key] += sum(
                _shift(genes, table)
                for (kind, name, _), table in SUBCLUSTER_PATHWAYS.items()
                if (kind, name) == key
            )
    return Landscape(genes, rates, _regulon_loadings(genes))


def _base_rates(genes: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log level of every gene in any cell, and which genes are free to differ by lineage."""
    symbols = genes["gene"]
    rate = rng.lognormal(0, 1.8, len(genes))
    rate *= 5500 / rate.sum()
    special = symbols.isin(named_genes() | set(FEMALE_GENES) | set(MALE_GENES))
    rate[special.to_numpy()] = BACKGROUND
    shifted = {gene for cell_type in CELL_TYPES for gene in shifted_genes(cell_type)}
    markers = {gene for cell_type in CELL_TYPES for gene in type_levels(cell_type)}
    rate[symbols.isin(shifted - markers).to_numpy()] = SHIFTED_BASE
    rate[is_ribosomal(symbols).to_numpy()] = RIBOSOMAL_LEVEL
    mitochondrial = symbols.str.startswith("MT-").to_numpy()
    rate[mitochondrial] = MITOCHONDRIAL_LEVEL
    everywhere = symbols.map(levels(HOUSEKEEPING)).to_numpy(dtype=float)
    rate = np.where(np.isnan(everywhere), rate, everywhere)
    free = ~special.to_numpy() & ~mitochondrial
    return np.log(rate), free


def _added_rates(genes: pd.DataFrame, design: Design) -> np.ndarray:
    """Log level of genes measured on top, from random numbers of their own."""
    rng = np.random.default_rng([design.seed, 4])
    rate = SHIFTED_BASE * rng.lognormal(0, 0.8, len(genes))
    rate[genes["gene"].isin(signature_genes()).to_numpy()] = SHIFTED_BASE
    return np.log(rate)


def _edge(
    free: np.ndarray, share: float, sd: float, rng: np.random.Generator, first: np.ndarray
) -> np.ndarray:
    """Random log folds on a random share of the free genes; drawn for all but the added ones."""
    change, n = np.zeros(len(free)), int(first.sum())
    changed = free[first] & (rng.random(n) < share)
    change[first] = np.where(changed, rng.normal(0, sd, n), 0.0)
    return change


def _switch_on(
    log_rate: np.ndarray, genes: pd.DataFrame, on: dict[str, float], difficulty: Difficulty
) -> np.ndarray:
    """Raise genes to their level; ``contrast`` scales the log distance from the background."""
    target = genes["gene"].map(on).to_numpy(dtype=float)
    distance = np.maximum(np.log(target / BACKGROUND), 0) * difficulty.contrast
    return np.where(np.isnan(target), log_rate, np.fmax(log_rate, np.log(BACKGROUND) + distance))


def _shift(genes: pd.DataFrame, shifts: dict[float, str]) -> np.ndarray:
    """Natural-log change of each gene from a table of log2 folds."""
    return genes["gene"].map(levels(shifts)).fillna(0.0).to_numpy() * np.log(2)


def _regulon_loadings(genes: pd.DataFrame) -> np.ndarray:
    loadings = np.zeros((len(REGULONS), len(genes)), dtype=np.float32)
    for row, (factor, targets) in zip(loadings, REGULONS.items(), strict=True):
        row[genes["gene"].isin(targets.split()).to_numpy()] = REGULON_SD
        row[(genes["gene"] == factor).to_numpy()] = 2 * REGULON_SD
    return loadings


def make_sample(
    landscape: Landscape, design: Design, sample: SampleDesign, *, arms: pd.Series
) -> ad.AnnData:
    """Counts of one sample as a sequencing run would give them, with the truth in ``obs``.

    Parameters
    ----------
    landscape
        Mean expression of the cohort's cell states.
    sample
        Which sample, of which group and size.
    arms
        Chromosome arm of each gene, such as ``21q``; same order as the landscape's genes.

    Returns
    -------
    AnnData with integer counts (n_cells, n_genes), CSR. ``obs`` holds ``cell_type``,
    ``subcluster``, ``dormant``, ``kind`` (good, dying, debris, doublet) and ``partner`` (the second
    type of a doublet).
    """
    rng = np.random.default_rng([design.seed, 3, sample.seed])
    group = design.drawn_as(sample.group)
    proportions = draw_proportions(group, proportion_sd=design.difficulty.proportion_sd, rng=rng)
    obs = _draw_cells(sample, group, proportions, design.difficulty, rng)
    states, state_of = _sample_states(landscape, design, sample, group, obs, arms, rng)
    blocks = list(draw_counts(landscape, design.difficulty, states, state_of, obs, rng))
    counts = sparse.vstack(blocks, format="csr", dtype=np.int32)
    counts, obs = _merge_doublets(counts, obs)
    obs.index = pd.Index(draw_barcodes(len(obs), rng), name="barcode")
    order = np.argsort(obs.index.to_numpy(), kind="stable")
    var = landscape.genes.set_index("gene")
    return ad.AnnData(counts[order], obs=obs.iloc[order], var=var)


def _draw_cells(
    sample: SampleDesign,
    group: str,
    proportions: pd.Series,
    difficulty: Difficulty,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """One row a cell to draw: its type, subcluster, fate and depth.

    A doublet is two rows with the same number in ``pair``; they are added up afterwards.
    """
    n_doublets = round(difficulty.doublet_rate * sample.n_cells)
    n_rows = sample.n_cells + n_doublets
    per_type = split_total(n_rows, proportions.to_numpy())
    cell_type = rng.permutation(np.repeat(proportions.index.to_numpy(), per_type))
    obs = pd.DataFrame({"cell_type": cell_type, "subcluster": ""})
    for parent, table in SUBCLUSTERS.items():
        mine = (obs["cell_type"] == parent).to_numpy()
        share = table[group].to_numpy() / table[group].sum()
        obs.loc[mine, "subcluster"] = rng.choice(table.index.to_numpy(), mine.sum(), p=share)
    share = pd.Series(0.0, obs.index)
    for (parent, subcluster), fraction in DORMANT.items():
        share[(obs["cell_type"] == parent) & (obs["subcluster"] == subcluster)] = fraction
    obs["dormant"] = rng.spawn(1)[0].random(n_rows) < share.to_numpy()
    obs["pair"] = np.arange(n_rows)
    obs.loc[n_rows - n_doublets :, "pair"] = np.arange(n_doublets)
    fate = rng.random(n_rows)
    alone = obs["pair"].to_numpy() >= n_doublets
    dying, debris = np.cumsum([difficulty.dying_rate, difficulty.debris_rate])
    obs["kind"] = np.select(
        [alone & (fate < dying), alone & (fate < debris)], ["dying", "debris"], "good"
    )
    depth = difficulty.depth * obs["cell_type"].map(DEPTH) * rng.lognormal(0, 0.35, n_rows)
    factor = obs["kind"].map({"good": 1.0, "dying": 0.35, "debris": 0.08})
    obs["depth"] = (depth * factor).to_numpy()
    return obs


def _sample_states(
    landscape: Landscape,
    design: Design,
    sample: SampleDesign,
    group: str,
    obs: pd.DataFrame,
    arms: pd.Series,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Log rates of this donor's cell states, and each cell's row in them."""
    genes, difficulty = landscape.genes, design.difficulty
    donor = rng.normal(0, difficulty.donor_sd, len(genes))
    absent = FEMALE_GENES if rng.random() < 0.5 else MALE_GENES
    present = MALE_GENES if absent is FEMALE_GENES else FEMALE_GENES
    donor += np.where(genes["gene"].isin(present), np.log(SHIFTED_BASE / BACKGROUND), 0.0)
    donor += np.where(genes["gene"].isin(absent), -20.0, 0.0)
    keys = list(zip(obs["cell_type"], obs["subcluster"], obs["dormant"], strict=True))
    rows: list[np.ndarray] = []
    position: dict[tuple[str, str, bool], int] = {}
    for cell_type, subcluster in sorted({key[:2] for key in keys}):
        log_rate = landscape.log_rates[cell_type, subcluster] + donor
        log_rate = log_rate + rng.normal(0, difficulty.donor_sd / 2, len(genes))
        if group == "NCR":
            for (shifted_type, _), shifts in (*GROUP_SHIFTS.items(), *SIGNATURE_SHIFTS.items()):
                if shifted_type == cell_type:
                    log_rate = log_rate + _shift(genes, shifts)
        altered = COPY_NUMBER.get((sample.sample, cell_type, subcluster), {})
        dosage = arms.map(altered).map({1: np.log(GAIN), -1: np.log(LOSS)}).fillna(0.0)
        log_rate = log_rate + (dosage.to_numpy() if design.group_effects else 0.0)
        for dormant, shift in ((False, {}), (True, DORMANT_SHIFT)):
            position[cell_type, subcluster, dormant] = len(rows)
            rows.append(log_rate + _shift(genes, shift))
    return np.array(rows, dtype=np.float32), np.array([position[key] for key in keys])


def draw_counts(
    landscape: Landscape,
    difficulty: Difficulty,
    states: np.ndarray,
    state_of: np.ndarray,
    obs: pd.DataFrame,
    rng: np.random.Generator,
) -> Iterator[sparse.csr_matrix]:
    """Gamma-Poisson counts of the cells, a chunk at a time."""
    mitochondrial = landscape.genes["gene"].str.startswith("MT-").to_numpy()
    average = np.exp(states)
    average /= average.sum(axis=1, keepdims=True)
    soup = np.bincount(state_of, minlength=len(states)) @ average / len(obs)
    shape = np.float32(1 / difficulty.dispersion)
    for start in range(0, len(obs), CHUNK):
        chunk = obs.iloc[start : start + CHUNK]
        activity = rng.standard_normal((len(chunk), len(landscape.loadings)), dtype=np.float32)
        rate = np.exp(states[state_of[start : start + CHUNK]] + activity @ landscape.loadings)
        rate /= rate.sum(axis=1, keepdims=True)
        kind = chunk["kind"].to_numpy()
        leaking = np.flatnonzero(kind == "dying")
        target = rng.uniform(0.12, 0.6, len(leaking)).astype(np.float32)
        rate[leaking] = _with_share(rate[leaking], mitochondrial, target)
        soupiness = np.where(kind == "debris", 0.9, difficulty.ambient).astype(np.float32)
        rate += soupiness[:, None] * (soup.astype(np.float32) - rate)
        rate *= rng.standard_gamma(shape, rate.shape, dtype=np.float32) / shape
        rate *= chunk["depth"].to_numpy(dtype=np.float32)[:, None]
        yield sparse.csr_matrix(rng.poisson(rate).astype(np.int32))


def _with_share(rate: np.ndarray, chosen: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Rows rescaled so that the chosen genes make up the given share of each."""
    inside = rate[:, chosen].sum(axis=1)
    factor = np.where(
        chosen[None, :], (share / inside)[:, None], ((1 - share) / (1 - inside))[:, None]
    )
    return rate * factor.astype(np.float32)


def _merge_doublets(
    counts: sparse.csr_matrix, obs: pd.DataFrame
) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """Add up the two cells of each pair."""
    second = obs["pair"].duplicated(keep="first").to_numpy()
    first_row = np.flatnonzero(~second)
    row_of_pair = pd.Series(np.arange(len(first_row)), index=obs["pair"].to_numpy()[first_row])
    target = row_of_pair[obs["pair"]].to_numpy()
    adder = sparse.csr_matrix(
        (np.ones(len(obs), dtype=np.int32), (target, np.arange(len(obs)))),
        shape=(len(first_row), len(obs)),
    )
    merged = obs.iloc[first_row].reset_index(drop=True)
    partner = obs.loc[second].set_index("pair")["cell_type"]
    merged["partner"] = merged["pair"].map(partner).fillna("").to_numpy()
    merged.loc[merged["partner"] != "", "kind"] = "doublet"
    return adder @ counts, merged[["cell_type", "subcluster", "dormant", "kind", "partner"]]


def draw_barcodes(n: int, rng: np.random.Generator) -> list[str]:
    """Distinct 16-base barcodes with Cell Ranger's ``-1`` behind them."""
    numbers = rng.choice(4**12, size=n, replace=False) * 4**4 + rng.integers(0, 4**4, n)
    bases = np.array(list("ACGT"))
    digits = (numbers[:, None] // 4 ** np.arange(16)[None, :]) % 4
    return ["".join(row) + "-1" for row in bases[digits]]
