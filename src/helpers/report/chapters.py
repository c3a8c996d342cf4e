"""The chapters of the book: what each asks, shows and needs."""

from dataclasses import dataclass, replace

from helpers.params import DiscoveryParams, Params
from helpers.schema import Cohort

RNA_OBJECT = "objects/rna.h5ad"
DISCOVERY_OBJECTS = (
    "objects/discovery_signature.json",
    "objects/discovery_genes.csv",
    "objects/discovery_folds.csv",
    "objects/discovery_permutations.csv",
    "objects/discovery_training.csv",
)
ATAC_OBJECT = "objects/atac.h5ad"
ACTIVITY_OBJECT = "objects/gene_activity.h5ad"
PAIR_OBJECT = "objects/cohort.h5mu"
DEPTH_TABLE = "objects/atac_depth.csv"
CNV_OBJECTS = (
    "objects/cnv.h5ad",
    "objects/cnv_profiles.h5ad",
    "objects/cnv_segments.csv",
    "objects/cnv_sensitivity.csv",
)
EXPRESSION_TABLES = ("objects/expression.csv", "objects/expression_tests.csv")
SIGNATURE_OBJECTS = (
    "objects/signatures.h5ad",
    "objects/signatures_coverage.csv",
    "objects/signatures_samples.csv",
    "objects/signatures_contrasts.csv",
    "objects/signatures_frequency.csv",
)
RESISTANCE_TABLES = (
    "objects/resistance_cells.csv",
    "objects/resistance_clusters.csv",
    "objects/resistance_genes.csv",
)
# Chapter that shows the subclusters of a type -> name of the type in files.
SUBCLUSTER_KEYS = {"fig4_hsc_mpp": "hsc_mpp", "fig5_pro_b": "pro_b"}
REGULON_OBJECTS = (
    "objects/regulon_links.csv",
    "objects/regulon_modules.csv",
    "objects/regulons.csv",
    "objects/regulon_support.csv",
    "objects/regulon_activity.h5ad",
)
# Peaks of the cohort and the motifs in them, by which regulons are pruned where there are any.
CHROMATIN_OBJECTS = ("objects/atac.h5ad", "objects/motif_matches.h5ad")
# Cells of each subcluster, which panels 6B and 6C show.
SUBCLUSTER_TABLES = tuple(f"objects/subclusters_{key}.csv" for key in SUBCLUSTER_KEYS.values())


def subcluster_objects(key: str) -> tuple[str, ...]:
    """What the stage ``subclusters`` writes for a type: cells and tables."""
    stem = f"objects/subclusters_{key}"
    return (
        f"{stem}.h5ad",
        f"{stem}.csv",
        *(f"{stem}_{name}.csv" for name in ("markers", "stability", "numbers")),
    )


MOTIF_OBJECTS = ("objects/motif_matches.h5ad", "objects/motif_deviations.h5ad")
RNA_SUMS = "objects/rna_sums.h5ad"
# Chapter that shows peaks and motifs of a type -> name of the type in files.
MOTIF_KEYS = {"fig7_hsc_mpp_motifs": "hsc_mpp", "fig8_pro_b_motifs": "pro_b"}


def peak_tables(key: str) -> tuple[str, ...]:
    """What the stage ``peak_contrasts`` writes for a type."""
    return tuple(f"objects/{name}_{key}.csv" for name in ("peaks", "tracks", "track_features"))


@dataclass(frozen=True)
class Chapter:
    """One page of the book."""

    id: str
    notebook: str
    title: str
    source: str
    """Which figure of which source it re-makes."""
    question: str
    needs: tuple[str, ...] = ()
    """Columns of the sample sheet without which there is nothing to show."""
    also: tuple[str, ...] = ()
    """Columns of the sample sheet whose barcodes it shows, too, where there are any."""
    roles: tuple[str, ...] = ()
    """Roles of groups without which there is nothing to compare."""
    tables: tuple[str, ...] = ()
    """Tables named in the cohort file without which there is nothing to show."""
    objects: tuple[str, ...] = ()
    """Results of stages it reads, relative to the results folder."""
    optional: tuple[str, ...] = ()
    """Results it reads where there are any; it is shown without them, too."""
    truth: tuple[str, ...] = ("cells",)
    """Tables of what was planted that it compares with, in simulated cohorts."""
    genome: tuple[str, ...] = ()
    """Files of the genome it needs, as the cohort file names them."""
    times: bool = False
    """Whether it reads when samples were taken."""
    otherwise: str = ""
    """A sentence on how it can do without what it needs, where it can."""


CHAPTERS: tuple[Chapter, ...] = (
    Chapter(
        "cohort",
        "cohort",
        "The cohort",
        "study design",
        "Who was sampled, and what was measured on whom?",
        times=True,
    ),
    Chapter(
        "quality",
        "quality",
        "Quality of the cells",
        "Supplementary Figure S1",
        "Which cells are kept, and why are the others not?",
        needs=("rna",),
        also=("fragments",),
    ),
    Chapter(
        "fig1_composition",
        "composition",
        "Cell types and their proportions",
        "Figure 1A–E",
        "Which cell types are there, and which change in abundance?",
        needs=("rna",),
        objects=(RNA_OBJECT, "objects/cluster_labels.csv"),
    ),
    Chapter(
        "fig2_accessibility",
        "accessibility",
        "Open chromatin",
        "Figure 2A–E",
        "Do open-chromatin profiles show the same types and the same shift?",
        needs=("fragments",),
        objects=(ATAC_OBJECT, ACTIVITY_OBJECT, DEPTH_TABLE),
        optional=(RNA_OBJECT,),
        truth=("nuclei", "composition"),
    ),
    Chapter(
        "fig3_enrichment",
        "enrichment",
        "Genes and processes",
        "Figure 3A–D",
        "Which genes and processes differ between groups (non-remission and remission) in HSC/MPP and Pro-B?",
        needs=("rna",),
        objects=(RNA_OBJECT, *EXPRESSION_TABLES),
        truth=("pathways",),
    ),
    Chapter(
        "fig4_hsc_mpp",
        "subclusters",
        "Subclusters of HSC/MPP",
        "Figure 4A–E",
        "Which HSC/MPP subclusters belong to which group, and what marks them?",
        needs=("rna",),
        objects=subcluster_objects("hsc_mpp"),
        truth=("cells", "pathways"),
    ),
    Chapter(
        "fig5_pro_b",
        "subclusters",
        "Subclusters of Pro-B",
        "Figure 5A–E",
        "Which Pro-B subclusters belong to which group, and what marks them?",
        needs=("rna",),
        objects=subcluster_objects("pro_b"),
        truth=("cells", "pathways"),
    ),
    Chapter(
        "fig6_cnv",
        "cnv",
        "Copy number from expression",
        "Figure 6A–C",
        "Which cell types, groups and subclusters carry copy-number changes?",
        needs=("rna",),
        objects=(RNA_OBJECT, *CNV_OBJECTS),
        optional=SUBCLUSTER_TABLES,
        truth=("cells", "copy_number"),
    ),
    Chapter(
        "fig7_hsc_mpp_motifs",
        "motifs",
        "Peaks and motifs of HSC/MPP",
        "Figure 7A–D",
        "Which peaks and motifs of transcription factors are open in HSC/MPP, and are the factors expressed?",
        needs=("fragments",),
        objects=(*MOTIF_OBJECTS, *peak_tables("hsc_mpp")),
        optional=(RNA_SUMS,),
        truth=("motifs",),
        genome=("fasta",),
    ),
    Chapter(
        "fig8_pro_b_motifs",
        "motifs",
        "Peaks and motifs of Pro-B",
        "Figure 8A–G",
        "Which peaks and motifs are open in Pro-B or differ between groups, and are the factors expressed?",
        needs=("fragments",),
        objects=(*MOTIF_OBJECTS, *peak_tables("pro_b")),
        optional=(RNA_SUMS,),
        truth=("motifs",),
        genome=("fasta",),
    ),
    Chapter(
        "regulons",
        "regulons",
        "Regulons",
        "Methods, SCENIC",
        "Which transcription factors and targets make up the programmes of the resistant cells?",
        needs=("rna",),
        objects=REGULON_OBJECTS,
        optional=SUBCLUSTER_TABLES,
        truth=("cells", "regulons"),
    ),
    Chapter(
        "signatures",
        "signatures",
        "Published signatures and dormant cells",
        "cytarabine signatures; dormancy",
        "Which published resistance programmes are active, in which cells and samples?",
        needs=("rna",),
        objects=SIGNATURE_OBJECTS,
        optional=SUBCLUSTER_TABLES,
        truth=("cells", "signatures"),
    ),
    Chapter(
        "selinexor",
        "resistance",
        "Resistant against parental cells",
        "K562 poster, Figures 1–4",
        "What sets resistant cells apart, is there a stem-like cluster, and is ferroptosis weaker?",
        needs=("rna",),
        roles=("parental", "resistant"),
        objects=(*SIGNATURE_OBJECTS, *RESISTANCE_TABLES),
        truth=("cells", "clusters", "signatures", "course"),
        times=True,
    ),
    Chapter(
        "dose_response",
        "dose_response",
        "Dose response and drug pairs",
        "K562 poster, Figure 5",
        "How much more drug do resistant cells tolerate, and do two drugs help each other?",
        tables=("dose_response",),
        truth=("dose_response",),
    ),
    Chapter(
        "discovery",
        "discovery",
        "A signature of one's own",
        "cytarabine overview, Develop your own signature",
        "Does a signature learnt from resistant and sensitive patients tell the fate of others?",
        # The training tables are read by the stage that learns; this chapter never sees them.
        tables=("validation_expression", "validation_clinical"),
        objects=DISCOVERY_OBJECTS,
        truth=("bulk",),
    ),
    Chapter(
        "claims",
        "claims",
        "Claims",
        "every headline sentence",
        "Which sentences of the sources hold in this cohort?",
    ),
)
BY_ID = {chapter.id: chapter for chapter in CHAPTERS}
NEED_NAMES = {
    "rna": "RNA counts",
    "fragments": "chromatin fragments",
}
TABLE_NAMES = {
    "dose_response": ("a dose series", "dose_response"),
    "validation_expression": ("bulk expression and follow-up of patients", "bulk"),
    "validation_clinical": ("bulk expression and follow-up of patients", "bulk"),
}


def with_params(chapter: Chapter, params: Params) -> Chapter:
    """The chapter with what its parameters make it need besides."""
    if isinstance(params, DiscoveryParams) and params.candidates_from == "pseudobulk":
        otherwise = " With candidates_from: bulk under overrides.discovery it needs none."
        return replace(chapter, needs=("rna", *chapter.needs), otherwise=otherwise)
    return chapter


def skip_reason(chapter: Chapter, cohort: Cohort) -> str:
    """Why a cohort cannot have a chapter, as a sentence; empty if it can."""
    for need in chapter.needs:
        if not any(getattr(sample, need) for sample in cohort.samples):
            name = NEED_NAMES[need]
            return (
                f"This chapter needs {name}, and no sample of the cohort has them "
                f"(column {need} of the sample sheet).{chapter.otherwise}"
            )
    lacking = [role for role in chapter.roles if role not in cohort.file.groups]
    if lacking:
        return (
            f"This chapter compares groups in the roles {' and '.join(chapter.roles)}; the cohort file "
            f"has none in the role {' or '.join(lacking)} (key groups)."
        )
    for table in chapter.tables:
        if table not in cohort.file.tables():
            name, key = TABLE_NAMES[table]
            return f"This chapter needs {name}, and the cohort file names none (key {key})."
    for name in chapter.genome:
        if getattr(cohort.file.genome, name) is None:
            return (
                f"This chapter needs the genome's {name}, and the cohort file does not name it "
                f"(genome: {name})."
            )
    named = cohort.file.genome.annotation is not None
    if "fragments" in chapter.needs and cohort.file.assembly != "GRCh38" and not named:
        return (
            f"This chapter needs the genes of {cohort.file.assembly}, and the cohort file names none "
            "(genome: annotation:)."
        )
    return ""
