"""The stage jobs of a cohort: which there are, what they read and with which parameters."""

from pathlib import Path
from typing import Literal, TypedDict

from helpers.io.cohort import expand_home
from helpers.io.digest import DigestCache, hash_file
from helpers.io.reference import GENES
from helpers.params import (
    AnnotationParams,
    ChromatinMapParams,
    CnvParams,
    ExpressionParams,
    MapParams,
    MotifScanParams,
    Params,
    PeakContrastParams,
    RegulonParams,
    ResistanceParams,
    SampleAtacParams,
    SampleRnaParams,
    ScoreParams,
    SignatureParams,
    SubclusterParams,
    TransferParams,
    gene_set_files,
    marker_file,
    subset,
)
from helpers.project import REFERENCE
from helpers.report.chapters import (
    ACTIVITY_OBJECT,
    ATAC_OBJECT,
    CHROMATIN_OBJECTS,
    CNV_OBJECTS,
    DEPTH_TABLE,
    DISCOVERY_OBJECTS,
    EXPRESSION_TABLES,
    MOTIF_KEYS,
    MOTIF_OBJECTS,
    PAIR_OBJECT,
    REGULON_OBJECTS,
    RESISTANCE_TABLES,
    RNA_OBJECT,
    RNA_SUMS,
    SIGNATURE_OBJECTS,
    SUBCLUSTER_KEYS,
    peak_tables,
    subcluster_objects,
)
from helpers.report.jobs import STAGES, Job
from helpers.report.modules import trace_code
from helpers.schema import Cohort, Sample

SMALL_BYTES = {"rna": 64e6, "fragments": 512e6}  # of all samples: some 30,000 cells


class Code(TypedDict):
    """The parts of a job that say which code it runs."""

    code: dict[str, str]
    versions: dict[str, str]


def code_of(*roots: tuple[str, str], more: dict[str, str] | None = None) -> Code:
    """What some definitions of the project reach, ready for a job."""
    reached = trace_code(roots)
    return {"code": (more or {}) | reached.digests, "versions": reached.versions}


def sample_row(sample: Sample) -> dict[str, object]:
    """What the sheet says of a sample, as plain data."""
    return {
        "sample": sample.sample,
        "donor": sample.donor,
        "group": sample.group,
        "batch": sample.batch or "",
    }


def cores_for(cohort: Cohort, role: Literal["rna", "fragments"]) -> int:
    """Cores of a job on all cells: one in a small cohort, where other jobs make better use of the second."""
    named = (getattr(sample, role) for sample in cohort.samples)
    size = sum(_size(path) for path in named if path is not None)
    return 1 if size < SMALL_BYTES[role] else 2


def _size(path: Path) -> int:
    """Bytes of a file, or of a folder's files."""
    files = path.iterdir() if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files)


def rna_jobs(cohort: Cohort, params: dict[str, Params], digests: DigestCache) -> list[Job]:
    """Cells kept of every sample, one map of all, names of the clusters."""
    code = code_of(STAGES["rna_sample"])
    jobs = [
        Job(
            name=f"rna_sample/{sample.key}",
            inputs=(),
            outputs=(
                f"objects/samples/{sample.key}.rna.h5ad",
                f"objects/samples/{sample.key}.rna.csv",
            ),
            params=subset(params["quality"], SampleRnaParams),
            design=sample_row(sample),
            data={"rna": [str(sample.rna), digests.hash(sample.rna)]},
            **code,
        )
        for sample in cohort.samples
        if sample.rna is not None
    ]
    integrate = Job(
        name="rna_integrate",
        inputs=tuple(job.outputs[0] for job in jobs),
        outputs=("objects/rna_integrated.h5ad",),
        params=subset(params["fig1_composition"], MapParams),
        threads=cores_for(cohort, "rna"),
        **code_of(STAGES["rna_integrate"]),
    )
    naming = subset(params["fig1_composition"], AnnotationParams)
    markers = marker_file(str(naming["markers"]))
    annotate = Job(
        name="rna_annotate",
        inputs=integrate.outputs,
        outputs=(RNA_OBJECT, "objects/cluster_labels.csv"),
        params=naming,
        data={"markers": [str(markers), hash_file(markers)]},
        **code_of(STAGES["rna_annotate"]),
    )
    return [*jobs, integrate, annotate]


def genome_data(cohort: Cohort, digests: DigestCache) -> dict[str, list[str]]:
    """Files of the genome with their digests; the project's own genes where none are named."""
    named = {
        role: cohort.path.parent / expand_home(name)
        for role, name in cohort.file.genome.model_dump().items()
        if name is not None
    }
    files = {"annotation": GENES} | named
    return {role: [str(path), digests.hash(path)] for role, path in files.items()}


def atac_sample_jobs(cohort: Cohort, params: dict[str, Params], digests: DigestCache) -> list[Job]:
    """Nuclei of every sample that has fragments: measured, and kept or not."""
    chapter = params["fig2_accessibility"]
    annotation = genome_data(cohort, digests)["annotation"]
    code = code_of(STAGES["atac_sample"])
    jobs = []
    for sample in cohort.samples:
        if sample.fragments is None:
            continue
        files = {"fragments": sample.fragments, "peaks": sample.peaks}
        data = {
            role: [str(path), digests.hash(path)]
            for role, path in files.items()
            if path is not None
        }
        stem = f"objects/samples/{sample.key}"
        jobs.append(
            Job(
                name=f"atac_sample/{sample.key}",
                inputs=(),
                outputs=(f"{stem}.atac.csv", f"{stem}.fragments.h5", f"{stem}.peaks.csv"),
                params=subset(chapter, SampleAtacParams),
                design=sample_row(sample),
                data=data | {"annotation": annotation},
                **code,
            )
        )
    return jobs


def atac_jobs(cohort: Cohort, params: dict[str, Params], digests: DigestCache) -> list[Job]:
    """Nuclei kept of every sample, one map of all, labels from RNA where there is any."""
    chapter = params["fig2_accessibility"]
    genome = genome_data(cohort, digests)
    jobs = atac_sample_jobs(cohort, params, digests)
    integrate = Job(
        name="atac_integrate",
        inputs=tuple(output for job in jobs for output in job.outputs),
        outputs=("objects/atac_integrated.h5ad", "objects/activity_counts.h5ad", DEPTH_TABLE),
        params=subset(chapter, ChromatinMapParams),
        data={role: file for role, file in genome.items() if role != "fasta"},
        threads=cores_for(cohort, "fragments"),
        **code_of(STAGES["atac_integrate"]),
    )
    rna = (RNA_OBJECT,) if any(sample.rna for sample in cohort.samples) else ()
    markers = marker_file(str(chapter.model_dump()["markers"]))
    annotate = Job(
        name="atac_annotate",
        inputs=(*integrate.outputs[:2], *rna),
        optional=rna,
        outputs=(ATAC_OBJECT, ACTIVITY_OBJECT, PAIR_OBJECT),
        params=subset(chapter, TransferParams),
        data={"markers": [str(markers), hash_file(markers)]},
        threads=cores_for(cohort, "fragments"),
        **code_of(STAGES["atac_annotate"]),
    )
    return [*jobs, integrate, annotate]


def cnv_job(cohort: Cohort, params: dict[str, Params]) -> Job:
    """Copy number of all annotated cells."""
    tables = {name: REFERENCE / name for name in ("genes_grch38.tsv.gz", "arms_grch38.tsv")}
    return Job(
        name="cnv",
        inputs=(RNA_OBJECT,),
        outputs=CNV_OBJECTS,
        params=subset(params["fig6_cnv"], CnvParams),
        design={"groups": cohort.file.groups},
        data={name: [str(path), hash_file(path)] for name, path in tables.items()},
        **code_of(STAGES["cnv"]),
    )


def expression_job(cohort: Cohort, params: dict[str, Params]) -> Job:
    """Every gene compared between the groups of each contrast, inside every cell type."""
    return Job(
        name="expression",
        inputs=(RNA_OBJECT,),
        outputs=EXPRESSION_TABLES,
        params=subset(params["fig3_enrichment"], ExpressionParams),
        design={"contrasts": [c.model_dump() for c in cohort.file.planned_contrasts()]},
        threads=cores_for(cohort, "rna"),
        **code_of(STAGES["expression"]),
    )


def subcluster_job(chapter: str, cohort: Cohort, params: dict[str, Params]) -> Job:
    """Cells of one type divided into subclusters, with their markers."""
    values = subset(params[chapter], SubclusterParams)
    published = marker_file(str(values["published"]))
    key = SUBCLUSTER_KEYS[chapter]
    return Job(
        name=f"subclusters/{key}",
        inputs=(RNA_OBJECT,),
        outputs=subcluster_objects(key),
        params=values,
        data={"published": [str(published), hash_file(published)]},
        threads=cores_for(cohort, "rna"),
        **code_of(STAGES["subclusters"]),
    )


def regulons_job(
    cohort: Cohort, params: dict[str, Params], others: list[Job], digests: DigestCache
) -> Job:
    """The network of all types and its activity, pruned by chromatin where another job makes that."""
    values = subset(params["regulons"], RegulonParams)
    data = {
        role: [str(path), hash_file(path)]
        for role in ("factor_table", "rankings", "motif_factors")
        if (name := str(values[role])) and (path := marker_file(name))
    }
    made = {output for job in others for output in job.outputs}
    chromatin = CHROMATIN_OBJECTS if made.issuperset(CHROMATIN_OBJECTS) else ()
    if chromatin:
        data["annotation"] = genome_data(cohort, digests)["annotation"]
    return Job(
        name="regulons",
        inputs=(RNA_OBJECT, *chromatin),
        optional=chromatin,
        outputs=REGULON_OBJECTS,
        params=values,
        data=data,
        threads=cores_for(cohort, "rna"),
        **code_of(STAGES["regulons"]),
    )


def signatures_job(cohort: Cohort, params: dict[str, Params], digests: DigestCache) -> Job:
    """Published signatures scored in all cells and samples, and dormant cells called."""
    values = subset(params["signatures"], ScoreParams)
    registry = marker_file(str(values["registry"]))
    files = {"registry": registry}
    files |= {path.name: path for path in gene_set_files(list(values["gene_sets"]))}  # type: ignore[call-overload]
    folder = marker_file(str(values["lists_folder"]))
    if values["lists_folder"] and folder.is_dir():
        files |= {f"lists/{path.name}": path for path in sorted(folder.iterdir()) if path.is_file()}
    return Job(
        name="signatures",
        inputs=(RNA_OBJECT,),
        outputs=SIGNATURE_OBJECTS,
        params=values,
        design={"contrasts": [c.model_dump() for c in cohort.file.planned_contrasts()]},
        data={role: [str(path), digests.hash(path)] for role, path in files.items()},
        threads=cores_for(cohort, "rna"),
        **code_of(STAGES["signatures"]),
    )


def resistance_job(cohort: Cohort, params: dict[str, Params]) -> Job:
    """Resistant against parental cells: genes, stem-like cluster, order of the cells."""
    groups = cohort.file.groups
    return Job(
        name="resistance",
        inputs=(RNA_OBJECT, SIGNATURE_OBJECTS[0]),
        outputs=RESISTANCE_TABLES,
        params=subset(params["selinexor"], ResistanceParams),
        design={"contrast": {"test": groups["resistant"], "reference": groups["parental"]}},
        threads=cores_for(cohort, "rna"),
        **code_of(STAGES["resistance"]),
    )


def discovery_job(cohort: Cohort, params: dict[str, Params], digests: DigestCache) -> Job:
    """Learning and freezing a signature: it is handed no validation table.

    The cohort's cells are read only where candidate genes are to come from them.
    """
    values = subset(params["discovery"], SignatureParams)
    design: dict[str, object] = {"scale": cohort.file.bulk.scale if cohort.file.bulk else ""}
    cells = values["candidates_from"] == "pseudobulk"
    if cells:
        design["contrasts"] = [c.model_dump() for c in cohort.file.planned_contrasts()]
    tables = {role: cohort.table(role) for role in ("training_expression", "training_clinical")}
    return Job(
        name="discovery",
        inputs=(RNA_OBJECT,) if cells else (),
        outputs=DISCOVERY_OBJECTS,
        params=values,
        design=design,
        data={role: [str(path), digests.hash(path)] for role, path in tables.items()},
        **code_of(STAGES["discovery"]),
    )


def motif_jobs(
    chapters: list[str], cohort: Cohort, params: dict[str, Params], digests: DigestCache
) -> list[Job]:
    """Motifs of all peaks, the peaks of each chapter's type, and the RNA of the factors."""
    genome = genome_data(cohort, digests)
    scan = Job(
        name="motif_scan",
        inputs=(ATAC_OBJECT,),
        outputs=MOTIF_OBJECTS,
        params=subset(params[chapters[0]], MotifScanParams),
        data={"fasta": genome["fasta"]},
        threads=cores_for(cohort, "fragments"),
        **code_of(STAGES["motif_scan"]),
    )
    jobs = [scan, *(_contrast_job(c, cohort, params, genome, digests) for c in chapters)]
    if any(sample.rna for sample in cohort.samples):
        jobs.append(
            Job(
                name="rna_sums",
                inputs=(RNA_OBJECT,),
                outputs=(RNA_SUMS,),
                **code_of(STAGES["rna_sums"]),
            )
        )
    return jobs


def _contrast_job(
    chapter: str,
    cohort: Cohort,
    params: dict[str, Params],
    genome: dict[str, list[str]],
    digests: DigestCache,
) -> Job:
    key = MOTIF_KEYS[chapter]
    used = [sample for sample in cohort.samples if sample.fragments is not None]
    data = {
        f"fragments_{sample.key}": [str(sample.fragments), digests.hash(sample.fragments)]
        for sample in used
        if sample.fragments is not None
    }
    return Job(
        name=f"peak_contrasts/{key}",
        inputs=(ATAC_OBJECT,),
        outputs=peak_tables(key),
        params=subset(params[chapter], PeakContrastParams),
        design={
            "contrasts": [c.model_dump() for c in cohort.file.planned_contrasts()],
            "samples": {sample.sample: sample.key for sample in used},
        },
        data=data | {"annotation": genome["annotation"]},
        **code_of(STAGES["peak_contrasts"]),
    )
