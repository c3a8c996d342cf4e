"""A simulated cell line and its resistant daughter: clusters, a stem-like one, ferroptosis turned down.

After the poster on selinexor resistance of K562, which prints figures and no numbers: one cluster
has the marks of stem cells and grows in the resistant line, and ferroptosis is weaker there. Flasks
under the drug are taken on different days, and both changes go on with time.
"""

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.synth.design import Design, SampleDesign
from helpers.synth.programmes import (
    CELL_TYPES,
    HOUSEKEEPING,
    MITOCHONDRIAL_LEVEL,
    RIBOSOMAL_LEVEL,
    levels,
    type_levels,
)
from helpers.synth.rna import (
    BACKGROUND,
    SHIFTED_BASE,
    Landscape,
    draw_barcodes,
    draw_counts,
    is_ribosomal,
)

LINE = "K562"
STEM_LIKE = "6"
# Percent of each cluster by condition.
CLUSTERS = pd.DataFrame(
    {"parental": [25, 22, 18, 14, 11, 7, 3], "resistant": [17, 14, 18, 14, 10, 7, 20]},
    index=list("0123456"),
)
# Day under the drug -> percent of the stem-like cluster, and how much of the change of genes has
# come about. Over the three days both average to what the tables of a condition say.
COURSE = {30.0: (10.0, 0.75), 60.0: (19.0, 1.0), 90.0: (31.0, 1.25)}
EDGE_SHARE, EDGE_SD = 0.2, 0.45  # random genes that tell a cluster from the others
# Cells lie between their cluster and the next one: how far, in steps, so that states pass over.
NEXT = {"6": "2", "2": "0", "0": "1", "1": "3", "3": "4", "4": "5", "5": "0"}
STEPS = (0.0, 0.15, 0.3, 0.45)
FLATTER = 0.85  # stem-like cells: log levels drawn to their mean, so that more genes are on

ERYTHROID = {
    25.0: "HBG1 HBG2 HBZ GYPA GYPB GYPC",
    6.0: "GATA1 KLF1 TAL1 ALAS2 EPOR LMO2",
}
STEM = {
    1.5: "AVP HLF MECOM MLLT3 CRHBP PROM1 SPINK2 HOPX MEIS1 CD34 THY1 NRIP1 HOXA9 NPR3 "
    "CDKN1B CDKN1C CDKN2D RB1 RBL2 FOXO1 FOXO3 BTG2 CCNG2 YPEL3 YPEL5",
    -1.5: "MKI67 TOP2A CDK1 CCNB1 CCNB2 CCNA2 PCNA MCM2 MCM3 MCM4 MCM5 MCM6 MCM7 TYMS RRM2 BIRC5 UBE2C",
}
CYCLING = {  # clusters in S phase and in G2 or mitosis
    "4": {1.3: "MCM2 MCM3 MCM4 MCM5 MCM6 MCM7 PCNA TYMS RRM1 RRM2 GINS2 FEN1 UNG CDC6 CDC45 CLSPN"},
    "5": {
        1.3: "MKI67 TOP2A CDK1 CCNB1 CCNB2 CCNA2 BIRC5 UBE2C TPX2 CENPF NUSAP1 AURKA AURKB CDC20"
    },
}
# log2 fold of resistant against parental cells.
RESISTANT = {
    ("ferroptosis_drivers", -1): {
        -1.2: "ACSL4 LPCAT3 TFRC NCOA4 ALOX15 ALOX12 ALOX5 SAT1 VDAC2 VDAC3 KEAP1 BECN1 CYBB POR HMOX1 "
        "ATG5 ATG7 SLC39A14 PEBP1 DPP4"
    },
    ("other", 1): {1.4: "ABCB1 ABCG2 BCL2 MCL1 XPO1 NFKB1 AXL TGFB1 ITGB3 SERPINE1"},
}


def line_genes() -> set[str]:
    """Every gene the programmes of the line name."""
    tables = [ERYTHROID, STEM, *CYCLING.values(), *RESISTANT.values()]
    return {gene for table in tables for gene in levels(table)}


def make_line(
    genes: pd.DataFrame, design: Design, *, markers: frozenset[str] = frozenset()
) -> Landscape:
    """Mean expression of every cluster of the line, parental and resistant.

    Parameters
    ----------
    markers
        Genes by which types of blood cells are told; the line is none of them.

    Returns
    -------
    ``log_rates`` is keyed by condition and cluster.
    """
    rng = np.random.default_rng([design.seed, 11])
    base = _line_base(genes, markers, rng)
    quiet = ~genes["gene"].isin(line_genes() | set(levels(HOUSEKEEPING))).to_numpy()
    rates = {}
    for cluster in CLUSTERS.index:
        changed = quiet & (rng.random(len(genes)) < EDGE_SHARE)
        rate = base + np.where(changed, rng.normal(0, EDGE_SD, len(genes)), 0.0)
        rate = rate + _move(genes, CYCLING.get(cluster, {}))
        if cluster == STEM_LIKE and design.group_effects:
            rate = _flatten(rate, quiet) + _move(genes, STEM)
        rates["parental", cluster] = rate
        resistant = sum(_move(genes, table) for table in RESISTANT.values())
        rates["resistant", cluster] = rate + (resistant if design.group_effects else 0.0)
    return Landscape(genes, rates, np.zeros((0, len(genes))))


def _line_base(
    genes: pd.DataFrame, markers: frozenset[str], rng: np.random.Generator
) -> np.ndarray:
    symbols = genes["gene"]
    rate = rng.lognormal(0, 1.6, len(genes))
    rate *= 6000 / rate.sum()
    # A line of erythroid stamp expresses no markers of the other blood cells.
    foreign = {gene for kind in CELL_TYPES for gene in type_levels(kind)} | markers
    rate[symbols.isin(foreign).to_numpy()] = BACKGROUND
    rate[symbols.isin(line_genes()).to_numpy()] = SHIFTED_BASE
    for table in (ERYTHROID, HOUSEKEEPING):
        known = symbols.map(levels(table)).to_numpy(dtype=float)
        rate = np.where(np.isnan(known), rate, known)
    rate[is_ribosomal(symbols).to_numpy()] = RIBOSOMAL_LEVEL
    rate[symbols.str.startswith("MT-").to_numpy()] = MITOCHONDRIAL_LEVEL
    return np.log(rate)


def _move(genes: pd.DataFrame, table: dict[float, str]) -> np.ndarray:
    """Change of the log rate of every gene, from log2 folds."""
    change = genes["gene"].map(levels(table)).fillna(0.0).to_numpy(dtype=float)
    return np.asarray(change * np.log(2))


def _flatten(rate: np.ndarray, free: np.ndarray) -> np.ndarray:
    middle = rate[free].mean()
    return np.where(free, middle + FLATTER * (rate - middle), rate)


def make_line_sample(landscape: Landscape, design: Design, sample: SampleDesign) -> ad.AnnData:
    """Counts of one sample of the line, with the truth in ``obs``.

    Returns
    -------
    AnnData with integer counts, CSR; ``obs`` as that of the cohort of patients, the cluster as
    ``subcluster``.
    """
    rng = np.random.default_rng([design.seed, 12, sample.seed])
    condition = sample.group if design.group_effects else "parental"
    share = _share(condition, sample.time_days).to_numpy()
    cluster = rng.choice(CLUSTERS.index.to_numpy(), sample.n_cells, p=share)
    flask = rng.normal(0, design.difficulty.donor_sd / 2, len(landscape.genes))
    change = _progress(condition, sample.time_days)
    states = np.array([rate + flask for rate in _between(landscape, condition, change)])
    obs = pd.DataFrame({"cell_type": LINE, "subcluster": cluster, "dormant": False})
    dying = rng.random(len(obs)) < design.difficulty.dying_rate
    obs["kind"] = np.where(dying, "dying", "good")
    obs["partner"] = ""
    depth = 2 * design.difficulty.depth * rng.lognormal(0, 0.35, len(obs))
    drawn = obs.assign(depth=np.where(dying, 0.35, 1.0) * depth)
    step = rng.integers(len(STEPS), size=len(obs))
    state_of = CLUSTERS.index.get_indexer(cluster) * len(STEPS) + step
    blocks = draw_counts(
        landscape, design.difficulty, states.astype(np.float32), state_of, drawn, rng
    )
    counts = sparse.vstack(list(blocks), format="csr", dtype=np.int32)
    obs.index = pd.Index(draw_barcodes(len(obs), rng), name="barcode")
    order = np.argsort(obs.index.to_numpy(), kind="stable")
    return ad.AnnData(counts[order], obs=obs.iloc[order], var=landscape.genes.set_index("gene"))


def _share(condition: str, day: float | None) -> pd.Series:
    """Share of each cluster in a condition, the stem-like one as on the day."""
    percent = CLUSTERS[condition].astype(float)
    if condition == "resistant" and day in COURSE:
        rest = percent.drop(STEM_LIKE)
        percent = rest * (100 - COURSE[day][0]) / rest.sum()
        percent[STEM_LIKE] = COURSE[day][0]
    return percent / percent.sum()


def _progress(condition: str, day: float | None) -> float:
    """How much of the change of a condition's genes has come about on a day."""
    return COURSE[day][1] if condition == "resistant" and day in COURSE else 1.0


def _between(landscape: Landscape, condition: str, change: float) -> list[np.ndarray]:
    """Log rates of every cluster and step towards the next."""
    start = {name: landscape.log_rates["parental", name] for name in CLUSTERS.index}
    rates = {
        name: rate + change * (landscape.log_rates[condition, name] - rate)
        for name, rate in start.items()
    }
    return [
        (1 - step) * rates[name] + step * rates[NEXT[name]]
        for name in CLUSTERS.index
        for step in STEPS
    ]


def make_line_truth(design: Design) -> dict[str, pd.DataFrame]:
    """What is planted: clusters by condition with the stem-like one, and signatures that move."""
    drawn = {c: CLUSTERS[c if design.group_effects else "parental"] for c in CLUSTERS}
    table = (pd.DataFrame(drawn) / 100).rename_axis("cluster").reset_index()
    clusters = table.melt("cluster", var_name="group", value_name="fraction")
    clusters["stem_like"] = (clusters["cluster"] == STEM_LIKE) & design.group_effects
    rows = [
        ("all cells", "", "resistant vs parental", signature, direction, gene, log2fc, np.nan)
        for (signature, direction), moved in RESISTANT.items()
        for gene, log2fc in levels(moved).items()
        if design.group_effects
    ]
    columns = [
        "cell_type", "subcluster", "contrast", "signature", "direction", "gene", "log2fc", "fraction",
    ]  # fmt: skip
    return {
        "clusters": clusters,
        "signatures": pd.DataFrame(rows, columns=columns),
        "course": _course_truth(design),
    }


def _course_truth(design: Design) -> pd.DataFrame:
    """What is planted over days: a flask's percent of stem-like cells and change of genes."""
    rows = []
    for sample in design.samples:
        condition = sample.group if design.group_effects else "parental"
        share, day = _share(condition, sample.time_days)[STEM_LIKE], sample.time_days
        rows.append((sample.sample, sample.group, day, "stem-like cluster", 1, share))
        drivers = levels(RESISTANT["ferroptosis_drivers", -1]).values()
        change = _progress(condition, day) if condition == "resistant" else 0.0
        fold = float(np.mean(list(drivers))) * change + 0.0  # no minus before a zero
        rows.append((sample.sample, sample.group, day, "ferroptosis_drivers", -1, fold))
    columns = ["sample", "group", "time_days", "feature", "direction", "value"]
    table = pd.DataFrame(rows, columns=columns)
    return table if design.group_effects else table.assign(direction=0)
