"""The parameters of every chapter: typed, with defaults that say where they come from."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from helpers.errors import ParamsError
from helpers.project import DEFAULTS, DOWNLOADS, REFERENCE


class Params(BaseModel):
    """Parameters of one chapter; unknown names and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SampleRnaParams(Params):
    """What happens to the RNA of one sample: which cells are kept."""

    min_genes: int = Field(ge=0, description="genes a cell must show")
    max_genes: int = Field(ge=1, description="genes above which a cell is left out")
    min_umis: int = Field(ge=0, description="UMIs a cell must have")
    max_umis: int = Field(ge=1, description="UMIs above which a cell is left out")
    max_pct_mito: float = Field(
        gt=0, le=100, description="percent of UMIs from mitochondrial genes"
    )
    doublet_rate: float = Field(gt=0, lt=0.5, description="fraction of doublets expected")
    doublet_cut: float = Field(gt=0, lt=1, description="score above which a cell is a doublet")
    doublet_pn: float = Field(
        gt=0, lt=1, description="DoubletFinder: artificial share of all cells"
    )
    doublet_pk: float = Field(gt=0, lt=1, description="DoubletFinder: neighbours as share of cells")
    doublet_pcs: int = Field(ge=2, le=100, description="principal components for the neighbours")
    remove_doublets: Literal["either", "both", "scrublet", "doubletfinder", "none"] = Field(
        description="which method's doublets are removed"
    )
    min_cells_doublets: int = Field(ge=20, description="cells a sample needs for doublet calling")
    seed: int = Field(ge=0, description="start of the random numbers")

    @model_validator(mode="after")
    def _ranges_are_open(self) -> "SampleRnaParams":
        pairs = (("min_genes", "max_genes"), ("min_umis", "max_umis"))
        closed = [pair for pair in pairs if getattr(self, pair[0]) >= getattr(self, pair[1])]
        if closed:
            msg = "; ".join(
                f"{low} ({getattr(self, low)}) must be below {high} ({getattr(self, high)})"
                for low, high in closed
            )
            raise ValueError(msg)
        return self


class QualityParams(SampleRnaParams):
    """Parameters of notebooks/quality.ipynb."""


class MapParams(Params):
    """How all samples come onto one map: variable genes, components, donors, clusters."""

    target_sum: int = Field(ge=1, description="UMIs every cell is scaled to before log1p")
    n_variable_genes: int = Field(ge=50, description="variable genes kept for the map")
    n_pcs: int = Field(ge=2, le=100, description="principal components")
    integration: Literal["harmony", "cca", "none"] = Field(description="how donors are aligned")
    n_neighbors: int = Field(ge=2, le=200, description="neighbours of each cell in the graph")
    resolution: float = Field(gt=0, description="Leiden resolution")
    embedding: Literal["umap", "tsne"] = Field(description="the two-dimensional map")
    seed: int = Field(ge=0, description="start of the random numbers")

    @model_validator(mode="after")
    def _components_are_fewer_than_genes(self) -> "MapParams":
        if self.n_pcs >= self.n_variable_genes:
            msg = f"n_pcs ({self.n_pcs}) must be below n_variable_genes ({self.n_variable_genes})"
            raise ValueError(msg)
        return self


class AnnotationParams(Params):
    """How clusters are named by their marker genes."""

    target_sum: int = Field(ge=1, description="UMIs every cell is scaled to before log1p")
    markers: str = Field(description="marker genes, in params/reference/ or an absolute path")
    unknown_below: float = Field(
        ge=0, description="mean score a cluster needs for a label, per cell (ScType)"
    )


class CompositionParams(MapParams, AnnotationParams):
    """Parameters of notebooks/composition.ipynb."""

    transform: Literal["logit", "asin"] = Field(description="transform of the proportions")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")
    markers_shown: int = Field(ge=1, le=10, description="marker genes a type shows in the dot plot")


class CnvParams(Params):
    """How copy number is estimated from expression."""

    reference_types: list[str] = Field(min_length=1, description="cell types that serve as normal")
    reference_roles: list[str] = Field(
        min_length=1, description="roles of the groups whose cells serve as normal"
    )
    min_reference_cells: int = Field(ge=2, description="normal cells needed of a type")
    min_mean_counts: float = Field(ge=0, description="mean UMIs a gene needs in all cells")
    exclude_loci: bool = Field(
        description="leave out HLA, immunoglobulin and T-cell-receptor genes"
    )
    window: int = Field(ge=3, description="genes smoothed over, odd")
    clip: float = Field(gt=0, description="log2 ratios are cut here before smoothing")
    denoise: Literal["none", "cut", "logistic"] = Field(description="inferCNV's noise filter")
    noise_sd: float = Field(gt=0, description="noise threshold in standard deviations of normals")
    min_cells: int = Field(ge=2, description="cells of a type a sample needs to be called")
    min_change: float = Field(ge=0, description="log2 ratio an arm needs to be called")
    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    max_clones: int = Field(ge=1, le=10, description="clones looked for in a sample")
    cells_shown: int = Field(ge=10, description="cells drawn in the heat map")
    windows_compared: list[int] = Field(description="other windows in the sensitivity strip, odd")
    cells_compared: int = Field(ge=100, description="cells the sensitivity strip is made from")
    seed: int = Field(ge=0, description="start of the random numbers")

    @model_validator(mode="after")
    def _windows_are_odd(self) -> "CnvParams":
        for window in (self.window, *self.windows_compared):
            if window % 2 == 0:
                msg = f"a window must be odd to have a gene in its middle, not {window}"
                raise ValueError(msg)
        return self


class CopyNumberParams(CnvParams):
    """Parameters of notebooks/cnv.ipynb."""

    min_cells_subcluster: int = Field(ge=2, description="cells a subcluster needs in a sample")


class SampleAtacParams(Params):
    """What happens to the chromatin of one sample: which nuclei are kept."""

    min_fragments: int = Field(ge=0, description="unique fragments a nucleus must have")
    max_fragments: int = Field(ge=1, description="unique fragments above which it is left out")
    tss_definition: Literal["archr", "signac"] = Field(
        description="whose TSS enrichment the threshold is about"
    )
    min_tss: float = Field(ge=0, description="TSS enrichment a nucleus must have")
    min_frip: float = Field(ge=0, lt=1, description="share of fragments in peaks it must exceed")
    doublet_rate: float = Field(ge=0, lt=0.5, description="fraction of doublets expected")
    doublet_cut: float = Field(
        gt=0, description="enrichment near artificial doublets above which it is one"
    )
    doublet_lsi: int = Field(ge=2, le=100, description="LSI components for its neighbours")
    min_nuclei_doublets: int = Field(ge=20, description="nuclei a sample needs for doublets")
    peak_fdr: float = Field(gt=0, lt=1, description="threshold of peaks called from fragments")
    seed: int = Field(ge=0, description="start of the random numbers")

    @model_validator(mode="after")
    def _range_is_open(self) -> "SampleAtacParams":
        if self.min_fragments >= self.max_fragments:
            msg = f"min_fragments ({self.min_fragments}) must be below max_fragments ({self.max_fragments})"
            raise ValueError(msg)
        return self


class ChromatinMapParams(Params):
    """How the nuclei of all samples come onto one map."""

    max_peak_width: int = Field(ge=100, description="merged peaks wider than this are left out, bp")
    n_lsi_peaks: int = Field(ge=50, description="most counted peaks the components are made of")
    min_nuclei_peak: int = Field(ge=1, description="nuclei a peak must be open in for that")
    tfidf_method: int = Field(ge=1, le=4, description="Signac's method of TF-IDF")
    n_lsi: int = Field(ge=3, le=100, description="LSI components")
    max_depth_correlation: float = Field(
        gt=0, le=1, description="components that follow depth more closely are dropped"
    )
    integration: Literal["harmony", "none"] = Field(description="how donors are aligned")
    n_neighbors: int = Field(ge=2, le=200, description="neighbours of each nucleus in the graph")
    resolution: float = Field(gt=0, description="Leiden resolution")
    upstream: int = Field(ge=0, description="bp before a gene that count to its activity")
    promoter_upstream: int = Field(ge=0, description="bp before a start site that are promoter")
    promoter_downstream: int = Field(ge=0, description="bp behind a start site that are promoter")
    seed: int = Field(ge=0, description="start of the random numbers")


class TransferParams(Params):
    """How labels come from annotated RNA to chromatin."""

    n_cca: int = Field(ge=2, le=100, description="canonical components")
    k_anchor: int = Field(ge=1, description="neighbours within which cells are paired")
    k_filter: int = Field(ge=1, description="neighbours an anchor must agree within")
    k_score: int = Field(ge=1, description="neighbours anchors are scored by")
    k_weight: int = Field(ge=1, description="anchors that weigh in for a nucleus")
    max_reference: int = Field(ge=100, description="RNA cells the labels are taken from at most")
    min_score: float = Field(ge=0, le=1, description="score below which a nucleus is unassigned")
    seed: int = Field(ge=0, description="start of the random numbers")


class AccessibilityParams(SampleAtacParams, ChromatinMapParams, TransferParams):
    """Parameters of notebooks/accessibility.ipynb."""

    markers: str = Field(description="marker genes, in params/reference/ or an absolute path")
    markers_shown: int = Field(ge=1, le=10, description="marker genes a type shows in the dot plot")
    transform: Literal["logit", "asin"] = Field(description="transform of the proportions")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")


class PseudobulkParams(Params):
    """How counts summed over the cells of a sample are compared between groups."""

    min_cells: int = Field(ge=2, description="cells a sample needs for its sum to be compared")
    pseudobulk: Literal["voom", "deseq2"] = Field(description="model of the sums by sample")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")


class ExpressionParams(PseudobulkParams):
    """How expression is compared between groups inside every cell type."""

    target_sum: int = Field(ge=1, description="UMIs every cell is scaled to before log1p")
    min_cells: int = Field(
        ge=2, description="cells a group needs by cell, and a sample by sample, to be compared"
    )


class GeneSetParams(Params):
    """Which gene sets are asked for, and how."""

    gene_sets: list[str] = Field(
        min_length=1,
        description="GMT files: in params/reference/, absolute, or fetched ones by name",
    )
    min_size: int = Field(ge=2, description="measured genes a set has at least")
    max_size: int = Field(ge=10, description="measured genes a set has at most")
    n_permutations: int = Field(ge=100, description="random sets of each size for GSEA")
    terms_shown: int = Field(ge=1, le=40, description="terms a panel shows")
    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")
    seed: int = Field(ge=0, description="start of the random numbers")


class EnrichmentParams(ExpressionParams, GeneSetParams):
    """Parameters of notebooks/enrichment.ipynb."""

    first_type: str = Field(description="cell type of panels A and B")
    second_type: str = Field(description="cell type of panels C and D")
    hits_by: Literal["cell", "sample"] = Field(
        description="which test calls the genes whose terms are looked for"
    )
    min_log2fc: float = Field(ge=0, description="log2 fold change a called gene has at least")
    similarity: float = Field(
        gt=0, le=1, description="share of genes in common from which two terms are one finding"
    )


class SubclusterParams(Params):
    """How the cells of one type are divided into subclusters."""

    cell_type: str = Field(description="type whose cells are divided")
    n_variable_genes: int = Field(ge=50, description="variable genes kept")
    n_pcs: int = Field(ge=2, le=100, description="principal components")
    regress_donor: Literal["within_subclusters", "everywhere", "no"] = Field(
        description="how donors are regressed out, besides the mitochondrial share"
    )
    integration: Literal["harmony", "none"] = Field(description="how donors are aligned")
    n_neighbors: int = Field(ge=2, le=200, description="neighbours of each cell in the graph")
    n_clusters: int = Field(ge=0, le=50, description="subclusters; 0: by eigengap and stability")
    resolution: float = Field(gt=0, description="resolution of Louvain and Leiden")
    n_draws: int = Field(ge=2, le=1000, description="draws of cells that measure stability")
    max_cells_drawn: int = Field(ge=100, description="cells in a draw at most")
    published: str = Field(description="genes of published subclusters, in params/reference/")
    target_sum: int = Field(ge=1, description="UMIs every cell is scaled to before log1p")
    seed: int = Field(ge=0, description="start of the random numbers")


class SubclustersParams(SubclusterParams, GeneSetParams):
    """Parameters of notebooks/subclusters.ipynb."""

    min_cells: int = Field(ge=2, description="cells a sample needs in a subcluster to count")
    transform: Literal["logit", "asin"] = Field(description="transform of the proportions")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    min_log2fc: float = Field(ge=0, description="log2 fold change a marker gene has at least")
    markers_shown: int = Field(ge=1, le=10, description="marker genes a subcluster shows")


class RegulonParams(Params):
    """How regulons are inferred, pruned and scored in cells."""

    factor_table: str = Field(description="transcription factors, in params/reference/ or absolute")
    target_sum: int = Field(ge=1, description="UMIs every cell is scaled to before log1p")
    cells_per_type: int = Field(ge=10, description="cells of a type the network is inferred from")
    n_variable_genes: int = Field(ge=50, description="variable genes that can be targets")
    min_detected: float = Field(
        ge=0, lt=1, description="share of the cells a factor must be seen in"
    )
    learning_rate: float = Field(gt=0, le=1, description="step of each tree of the boosting")
    max_rounds: int = Field(ge=25, description="trees of a target at most")
    factor_share: float = Field(gt=0, le=1, description="share of the factors a split draws from")
    cell_share: float = Field(gt=0, lt=1, description="share of the cells a tree is grown on")
    quantiles: list[float] = Field(description="links above these quantiles make modules")
    top_targets: int = Field(ge=1, description="targets of a factor in its top module")
    top_factors: list[int] = Field(description="factors of a target in modules by target")
    min_rho: float = Field(ge=0, lt=1, description="correlation above which a link turns on")
    min_targets: int = Field(ge=1, description="targets a module needs")
    unpruned_quantile: float = Field(
        ge=0, lt=1, description="links above this quantile make regulons that no motif speaks for"
    )
    min_regulon: int = Field(ge=1, description="targets a regulon needs to be scored")
    link_distance_bp: int = Field(ge=0, description="base pairs from a start to a linked peak")
    rankings: str = Field(
        description="cisTarget rankings of genes, feather or parquet; empty: none"
    )
    motif_factors: str = Field(description="cisTarget table of motifs and factors; empty: none")
    ranking_share: float = Field(gt=0, lt=1, description="share of a ranking searched for targets")
    min_nes: float = Field(gt=0, description="normalised enrichment score a motif needs")
    auc_share: float = Field(gt=0, lt=1, description="share of a cell's genes that AUCell looks at")
    seed: int = Field(ge=0, description="start of the random numbers")

    @model_validator(mode="after")
    def _rankings_come_with_their_motifs(self) -> "RegulonParams":
        if bool(self.rankings) != bool(self.motif_factors):
            msg = "rankings and motif_factors come together: give both or neither"
            raise ValueError(msg)
        return self


class ScoreParams(Params):
    """Which signatures are scored, how, and what makes a cell dormant and relapse-inducing."""

    registry: str = Field(description="signatures, in params/reference/ or an absolute path")
    gene_sets: list[str] = Field(
        min_length=1, description="GMT files that stand for processes, as in fig3_enrichment"
    )
    lists_folder: str = Field(
        description="folder of lists that may not come with the project, absolute; empty: none"
    )
    target_sum: int = Field(ge=1, description="UMIs every cell is scaled to before log1p")
    min_coverage: float = Field(gt=0, le=1, description="share of its genes a signature needs")
    min_genes: int = Field(ge=1, description="measured genes a signature needs in any case")
    n_random: int = Field(ge=10, description="random sets beside every signature")
    ucell_max_rank: int = Field(ge=10, description="UCell: ranks beyond it are as good as last")
    aucell_top: float = Field(gt=0, lt=1, description="AUCell: share of genes that counts")
    min_cells: int = Field(ge=2, description="cells of a type a sample needs to count")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    dormancy: list[str] = Field(min_length=1, description="signatures of dormancy")
    resistance: list[str] = Field(min_length=1, description="signatures of resistance")
    stemness: list[str] = Field(min_length=1, description="signatures of stemness")
    min_excess: float = Field(
        gt=0, description="deviations of random sets over their mean a cell needs on every axis"
    )
    sure: float = Field(gt=0.5, le=1, description="share of draws of genes that makes a call")
    n_draws: int = Field(ge=20, description="draws of genes behind the uncertainty of a call")
    seed: int = Field(ge=0, description="start of the random numbers")


class SignaturesParams(ScoreParams):
    """Parameters of notebooks/signatures.ipynb."""

    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")
    shown: list[str] = Field(min_length=1, description="signatures drawn on the map")


class DoseResponseParams(Params):
    """Parameters of notebooks/dose_response.ipynb."""

    model: Literal["LL.3", "LL.4", "LL.5", "W1.4"] = Field(
        description="curve: log-logistic of 3, 4 or 5 parameters, or Weibull"
    )
    ic50: Literal["relative", "absolute"] = Field(
        description="dose halfway between the plateaus, or dose that leaves half of the control"
    )
    bottom_max: float = Field(
        ge=0, lt=1, description="highest share of the control the lower plateau may have"
    )
    top_min: float = Field(gt=0, le=1, description="lowest share the upper plateau may have")
    top_max: float = Field(ge=1, description="highest share the upper plateau may have")
    slope_min: float = Field(gt=0, description="flattest slope (Hill coefficient)")
    slope_max: float = Field(gt=0, description="steepest slope (Hill coefficient)")
    min_doses: int = Field(ge=3, description="doses above 0 a curve needs")
    min_effect: float = Field(
        gt=0, lt=1, description="share of the control that must be lost for an IC50"
    )
    alpha: float = Field(gt=0, lt=1, description="p-value a curve needs against a flat line")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    max_own_effect: float = Field(
        gt=0, lt=1, description="share the second drug may cost by itself where it is added"
    )

    @model_validator(mode="after")
    def _slopes_are_ordered(self) -> "DoseResponseParams":
        if self.slope_min >= self.slope_max:
            msg = f"slope_min ({self.slope_min}) must be below slope_max ({self.slope_max})"
            raise ValueError(msg)
        return self


class RegulonsParams(RegulonParams):
    """Parameters of notebooks/regulons.ipynb."""

    min_cells: int = Field(ge=2, description="cells of a type a sample needs to have a mean")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")
    types_shown: list[str] = Field(min_length=1, description="cell types looked at closely")
    regulons_shown: int = Field(ge=1, le=10, description="regulons shown of each type")
    targets_shown: int = Field(ge=1, le=30, description="targets of a factor in the network")


class SignatureParams(PseudobulkParams):
    """How a signature is learnt from the training patients."""

    candidates_from: Literal["bulk", "pseudobulk"] = Field(
        description="where candidate genes are sought: in the training patients, or in the cohort's cells"
    )
    candidates_cell_type: str = Field(
        description="cell type whose cells are summed for pseudobulk; empty: all cells of a sample"
    )
    candidates_contrast: str = Field(
        description="contrast of the pseudobulk, as in NCR vs CR; empty: the cohort's first"
    )
    resistant_within: float = Field(
        gt=0, description="months within which an event makes resistant, where no response is given"
    )
    sensitive_beyond: float = Field(
        gt=0, description="months beyond which none makes sensitive, where no response is given"
    )
    max_genes: int = Field(ge=10, description="most variable genes that are tested")
    n_candidates: int = Field(ge=2, description="genes by p-value that enter the hazard model")
    l1_ratio: float = Field(gt=0, le=1, description="elastic net: 1 is the lasso")
    n_penalties: int = Field(ge=5, description="penalties tried")
    outer_folds: int = Field(ge=2, le=20, description="folds that judge the whole recipe")
    inner_folds: int = Field(ge=2, le=20, description="folds that choose the penalty")
    n_permutations: int = Field(ge=0, description="times the fates are shuffled")
    min_events: int = Field(ge=10, description="events the training patients must have")
    seed: int = Field(ge=0, description="start of the random numbers")


class DiscoveryParams(SignatureParams):
    """Parameters of notebooks/discovery.ipynb."""

    min_events_validation: int = Field(ge=5, description="events the validation patients must have")
    horizons: list[float] = Field(min_length=1, description="months at which AUC is measured")
    n_groups: int = Field(ge=2, le=10, description="groups of like prediction in the calibration")
    n_draws: int = Field(ge=50, description="bootstrap draws for the intervals of the AUC")
    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")
    genes_shown: int = Field(ge=1, le=60, description="genes named in the figures")


class ResistanceParams(ExpressionParams):
    """How a resistant line is compared with its parental one."""

    stemness: list[str] = Field(min_length=1, description="signatures of stemness")
    quiescence: list[str] = Field(min_length=1, description="signatures of quiescence")
    n_neighbors: int = Field(ge=2, le=200, description="neighbours of each cell in the graph")
    n_diffusion: int = Field(ge=2, le=50, description="diffusion components behind pseudotime")
    min_difference: float = Field(
        gt=0, description="deviations by which a stem-like cluster stands out on every score"
    )
    seed: int = Field(ge=0, description="start of the random numbers")


class SelinexorParams(ResistanceParams, GeneSetParams):
    """Parameters of notebooks/resistance.ipynb."""

    min_log2fc: float = Field(ge=0, description="log2 fold change a called gene has at least")
    transform: Literal["logit", "asin"] = Field(description="transform of the proportions")
    genes_shown: int = Field(ge=1, le=40, description="genes named in the volcano plot, each way")


class MotifScanParams(Params):
    """How motifs are found in peaks and followed in nuclei; the same for all chapters."""

    jaspar_release: str = Field(description="release of JASPAR, such as JASPAR2024, or newest")
    species: Literal["human", "vertebrates"] = Field(description="whose motifs of JASPAR CORE")
    match_pvalue: float = Field(
        gt=0, lt=0.01, description="probability of a match at one place of random sequence"
    )
    background_draws: int = Field(
        ge=0, description="background peaks drawn for deviations; 0: the limit of infinitely many"
    )
    seed: int = Field(ge=0, description="start of the random numbers")


class PeakContrastParams(Params):
    """How the peaks of a cell type are compared, and which gene's surroundings are drawn."""

    cell_type: str = Field(description="cell type whose peaks are compared")
    min_share: float = Field(
        gt=0, lt=1, description="share of nuclei of either side a peak must be open in"
    )
    min_nuclei: int = Field(ge=2, description="nuclei (or cells) a sample needs on a side")
    confidence: float = Field(gt=0.5, lt=1, description="coverage of the intervals")
    track_gene: str = Field(description="gene whose surroundings are drawn")
    track_flank_bp: int = Field(ge=0, description="bp shown on either side of the gene")


class MotifsParams(MotifScanParams, PeakContrastParams):
    """Parameters of notebooks/motifs.ipynb."""

    factors: list[str] = Field(min_length=1, description="factors that are shown and judged")
    min_log2fc: float = Field(ge=0, description="log2 fold change a peak needs to be called")
    n_background: int = Field(ge=100, description="background peaks wanted for enrichment")
    min_peaks: int = Field(ge=2, description="peaks needed to look for motifs in them")
    motifs_shown: int = Field(ge=1, le=40, description="groups of motifs shown in a panel")
    labels_shown: int = Field(ge=0, le=40, description="peaks named in a volcano plot")
    fdr: float = Field(gt=0, lt=1, description="Benjamini-Hochberg threshold")


class CohortParams(Params):
    """Parameters of notebooks/cohort.ipynb."""

    few_samples: int = Field(ge=2, description="samples a group has at most to be called few")


class ClaimsParams(Params):
    """Parameters of notebooks/claims.ipynb: none, it only collects verdicts."""


CHAPTER_PARAMS: dict[str, type[Params]] = {
    "cohort": CohortParams,
    "quality": QualityParams,
    "fig1_composition": CompositionParams,
    "fig2_accessibility": AccessibilityParams,
    "fig3_enrichment": EnrichmentParams,
    "fig4_hsc_mpp": SubclustersParams,
    "fig5_pro_b": SubclustersParams,
    "fig6_cnv": CopyNumberParams,
    "regulons": RegulonsParams,
    "signatures": SignaturesParams,
    "selinexor": SelinexorParams,
    "dose_response": DoseResponseParams,
    "discovery": DiscoveryParams,
    "fig7_hsc_mpp_motifs": MotifsParams,
    "fig8_pro_b_motifs": MotifsParams,
    "claims": ClaimsParams,
}


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known name a user most likely meant, if any is close; case does not matter."""
    folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=likeness)
    return folded[found[0]] if found else None


def defaults_file(chapter: str) -> Path:
    """Where the defaults of a chapter are written."""
    return DEFAULTS / f"{chapter}.yml"


def load_defaults(chapter: str) -> dict[str, object]:
    """The default of every parameter of a chapter.

    Raises
    ------
    ParamsError
        If the chapter has no parameters.
    """
    if chapter not in CHAPTER_PARAMS:
        close = nearest(chapter, CHAPTER_PARAMS)
        hint = f"did you mean {close!r}?" if close else f"chapters: {', '.join(CHAPTER_PARAMS)}"
        msg = f"there is no chapter {chapter!r}; {hint}"
        raise ParamsError(msg)
    values = yaml.safe_load(defaults_file(chapter).read_text(encoding="utf-8"))
    return dict(values or {})


def load_params(chapter: str, overrides: dict[str, object] | None = None) -> Params:
    """The parameters of a chapter: its defaults with a cohort's overrides.

    Raises
    ------
    ParamsError
        If a name is unknown (naming the nearest) or a value impossible, one sentence each.
    """
    values = load_defaults(chapter)
    problems = list(override_problems(chapter, overrides or {}))
    if problems:
        raise ParamsError("; ".join(text for _, text in problems))
    model = CHAPTER_PARAMS[chapter]
    return model.model_validate(values | (overrides or {}))


def override_problems(chapter: str, overrides: dict[str, object]) -> list[tuple[str, str]]:
    """What is wrong with a chapter's overrides, as (parameter, sentence) pairs.

    Rules about several parameters are not judged where a name is unknown: it may stand for one.
    """
    values = load_defaults(chapter)
    model = CHAPTER_PARAMS[chapter]
    problems: list[tuple[str, str]] = []
    for name in sorted(set(overrides) - set(model.model_fields)):
        close = nearest(name, model.model_fields)
        known = ", ".join(model.model_fields) or "none"
        hint = f"did you mean {close!r}?" if close else f"it has {known}"
        problems.append((name, f"{chapter} has no parameter {name!r}; {hint}"))
    given = {name: value for name, value in overrides.items() if name in model.model_fields}
    try:
        model.model_validate(values | given)
    except ValidationError as error:
        for item in error.errors():
            if not item["loc"] and problems:
                continue
            text = plain_message(item["msg"])
            # a rule about several parameters names them; the first one overridden is the place
            named = [name for name in given if re.search(rf"\b{name}\b", text)]
            name = str(item["loc"][0]) if item["loc"] else named[0]
            subject = f".{name} = {shorten(item['input'])}" if item["loc"] else ""
            problems.append((name, f"{chapter}{subject}: {text}"))
    return problems


def scan_problems(overrides: dict[str, dict[str, object]]) -> list[tuple[str, str, str]]:
    """Where chapters would have motifs found in different ways, which is done once for all.

    Returns
    -------
    Chapter, parameter and a sentence for each value that differs from the first chapter's.
    """
    first, *others = (
        name for name, model in CHAPTER_PARAMS.items() if issubclass(model, MotifScanParams)
    )
    values = {name: load_defaults(name) | overrides.get(name, {}) for name in (first, *others)}
    return [
        (
            other,
            key,
            f"{other}.{key} is {values[other][key]!r}, {first}.{key} {values[first][key]!r}",
        )
        for other in others
        for key in MotifScanParams.model_fields
        if values[other][key] != values[first][key]
    ]


def plain_message(message: str) -> str:
    """A message of pydantic in the voice of the others: a small letter, no prefix."""
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def shorten(value: object, width: int = 60) -> str:
    """A value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def subset(params: Params, model: type[Params]) -> dict[str, object]:
    """Only the values that ``model`` names, so that a stage re-runs for its own alone."""
    return {name: getattr(params, name) for name in model.model_fields}


def origins(chapter: str) -> dict[str, str]:
    """Where each default of a chapter comes from: the comment behind its value."""
    found = {}
    for line in defaults_file(chapter).read_text(encoding="utf-8").splitlines():
        match = re.match(r"^(\w+):\s*[^#]*#\s*(.+)$", line)
        if match:
            found[match[1]] = match[2].strip()
    return found


def marker_file(name: str) -> Path:
    """The marker table a parameter names."""
    return REFERENCE / name


def gene_set_file(name: str) -> Path:
    """The GMT file a parameter names: in the reference folder, absolute, or a fetched one."""
    return REFERENCE / name if Path(name).suffix else DOWNLOADS / f"{name}.gmt"


def gene_set_files(names: list[str]) -> list[Path]:
    """The GMT files a parameter names."""
    return [gene_set_file(name) for name in names]
