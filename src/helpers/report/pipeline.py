"""The stage jobs of a cohort: which there are, what they read and with which parameters."""

from typing import TypedDict

from helpers.io.digest import DigestCache, hash_file
from helpers.params import (
    AnnotationParams,
    CnvParams,
    ExpressionParams,
    MapParams,
    Params,
    RegulonParams,
    ResistanceParams,
    SampleRnaParams,
    ScoreParams,
    SignatureParams,
    SubclusterParams,
    gene_set_files,
    marker_file,
    subset,
)
from helpers.project import REFERENCE
from helpers.report.chapters import (
    CHROMATIN_OBJECTS,
    CNV_OBJECTS,
    DISCOVERY_OBJECTS,
    EXPRESSION_TABLES,
    REGULON_OBJECTS,
    RESISTANCE_TABLES,
    RNA_OBJECT,
    SIGNATURE_OBJECTS,
    SUBCLUSTER_KEYS,
    subcluster_objects,
)
from helpers.report.jobs import STAGES, Job
from helpers.report.modules import trace_code
from helpers.schema import Cohort, Sample


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
        threads=2,
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
        threads=2,
        **code_of(STAGES["expression"]),
    )


def subcluster_job(chapter: str, params: dict[str, Params]) -> Job:
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
        threads=2,
        **code_of(STAGES["subclusters"]),
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
        threads=2,
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
        threads=2,
        **code_of(STAGES["resistance"]),
    )


def discovery_job(cohort: Cohort, params: dict[str, Params], digests: DigestCache) -> Job:
    """Learning and freezing a signature: it is handed the training tables and no other."""
    tables = {role: cohort.table(role) for role in ("training_expression", "training_clinical")}
    return Job(
        name="discovery",
        inputs=(),
        outputs=DISCOVERY_OBJECTS,
        params=subset(params["discovery"], SignatureParams),
        design={"scale": cohort.file.bulk.scale if cohort.file.bulk else ""},
        data={role: [str(path), digests.hash(path)] for role, path in tables.items()},
        **code_of(STAGES["discovery"]),
    )


def regulons_job(params: dict[str, Params], made: set[str]) -> Job:
    """The network of all types and its activity, pruned by chromatin where a job makes that."""
    values = subset(params["regulons"], RegulonParams)
    data = {
        role: [str(path), hash_file(path)]
        for role in ("factor_table", "rankings", "motif_factors")
        if (name := str(values[role])) and (path := marker_file(name))
    }
    chromatin = CHROMATIN_OBJECTS if made.issuperset(CHROMATIN_OBJECTS) else ()
    return Job(
        name="regulons",
        inputs=(RNA_OBJECT, *chromatin),
        optional=chromatin,
        outputs=REGULON_OBJECTS,
        params=values,
        data=data,
        threads=2,
        **code_of(STAGES["regulons"]),
    )
