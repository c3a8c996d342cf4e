"""The words and tables the parts of the project agree on: columns, cohorts, samples."""

import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

# Columns of every table, spelled once.
SAMPLE = "sample"
DONOR = "donor"
GROUP = "group"
BATCH = "batch"
TIME = "time_days"  # days since the start of treatment
BARCODE = "barcode"
CELL_TYPE = "cell_type"
CLUSTER = "cluster"
SUBCLUSTER = "subcluster"
GENE = "gene"
UNKNOWN = "unknown"
# A regulon is a transcription factor with its targets, and is named after the factor.
TF = "tf"
TARGET = "target"
REGULON = "regulon"
UNASSIGNED = "unassigned"
# In a cohort without RNA: the type whose marker genes are most active in a nucleus's cluster.
RESEMBLES = "resembles"
UNCALLED = (UNKNOWN, UNASSIGNED)  # labels of cells and nuclei whose type is not known
CONTRAST = "contrast"
SIGNATURE = "signature"

# What every comparison of groups says, by sample or by cell.
COMPARED = ("unit", "test", "effect", "ci_low", "ci_high", "pvalue", "padj")

# The columns a results table must have at least (more are fine), by chapter and table.
RESULT_COLUMNS: dict[tuple[str, str], tuple[str, ...]] = {
    ("quality", "cells"): (SAMPLE, "modality", "n_input", "n_kept", "n_doublets"),
    ("fig1_composition", "proportions"): (SAMPLE, GROUP, CELL_TYPE, "n_cells", "fraction"),
    ("fig1_composition", "contrasts"): ("contrast", CELL_TYPE, *COMPARED),
    ("fig2_accessibility", "proportions"): (SAMPLE, GROUP, CELL_TYPE, "n_cells", "fraction"),
    ("fig2_accessibility", "contrasts"): ("contrast", CELL_TYPE, *COMPARED),
    ("fig2_accessibility", "transfer"): (SAMPLE, BARCODE, "predicted", "score"),
    ("fig3_enrichment", "genes"): (CELL_TYPE, CONTRAST, GENE, "log2fc", "pvalue", "padj"),
    ("fig3_enrichment", "terms"): (
        CELL_TYPE,
        CONTRAST,
        "direction",
        "library",
        "term",
        "overlap",
        "odds_ratio",
        "pvalue",
        "padj",
    ),
    **{
        (chapter, table): columns
        for chapter in ("fig4_hsc_mpp", "fig5_pro_b")
        for table, columns in (
            ("subclusters", (BARCODE, SAMPLE, GROUP, SUBCLUSTER)),
            ("markers", (SUBCLUSTER, GENE, "log2fc", "pvalue", "padj")),
            ("pathways", (SUBCLUSTER, "term", "nes", "pvalue", "padj")),
        )
    },
    **{
        (chapter, table): columns
        for chapter in ("fig7_hsc_mpp_motifs", "fig8_pro_b_motifs")
        for table, columns in (
            ("peaks", ("chrom", "start", "end", "log2fc", "pvalue", "padj")),
            (
                "motifs",
                ("contrast", "motif_id", "tf", "fold", "pvalue", "padj", "tf_log2fc", "tf_padj"),
            ),
        )
    },
    ("fig6_cnv", "cells"): (BARCODE, SAMPLE, GROUP, CELL_TYPE, "cnv_score"),
    ("fig6_cnv", "samples"): (SAMPLE, GROUP, CELL_TYPE, "n_cells", "cnv_level"),
    ("fig6_cnv", "segments"): (SAMPLE, "chrom", "start", "end", "state"),
    ("regulons", "regulons"): (TF, TARGET, "importance", "pruned"),
    ("regulons", "activity"): (SAMPLE, GROUP, CELL_TYPE, REGULON, "auc"),
    ("regulons", "specificity"): (REGULON, "level", "label", "rss"),
    ("regulons", "contrasts"): ("contrast", CELL_TYPE, REGULON, *COMPARED),
    ("signatures", "scores"): (SAMPLE, CELL_TYPE, SIGNATURE, "method", "score"),
    ("signatures", "coverage"): (SIGNATURE, "n_genes", "n_present", "missing"),
    ("signatures", "contrasts"): (
        CONTRAST,
        SIGNATURE,
        "unit",
        "effect",
        "ci_low",
        "ci_high",
        "pvalue",
        "padj",
    ),
    ("selinexor", "clusters"): (CLUSTER, "score", "effect", "ci_low", "ci_high", "stem_like"),
    ("selinexor", "genes"): (GENE, "log2fc", "pvalue", "padj"),
    ("selinexor", "course"): (SAMPLE, GROUP, TIME, "feature", "value"),
    ("selinexor", "trends"): ("course", "feature", "n_samples", *COMPARED),
    ("dose_response", "curves"): ("line", "drug", "unit", "ic50", "ci_low", "ci_high", "status"),
    ("dose_response", "resistance"): ("line", "parental", "drug", "unit", "effect", "ci_low"),
    ("dose_response", "synergy"): ("line", "pair", "method", "effect", "ci_low", "ci_high"),
    ("discovery", "genes"): (GENE, "log2fc", "pvalue", "padj"),
    ("discovery", "signature"): (GENE, "weight"),
    ("discovery", "hazards"): ("model", "term", "effect", "ci_low", "ci_high", "pvalue"),
    ("discovery", "proportionality"): ("model", "term", "chi2", "df", "pvalue"),
}
CLAIM_COLUMNS = (
    "id",
    "source",
    "sentence",
    "chapter",
    "panel",
    "unit",
    "n_reference",
    "n_test",
    "effect",
    "ci_low",
    "ci_high",
    "scale",
    "pvalue",
    "padj",
    "verdict",
    "reason",
)
VERDICTS = ("holds", "contradicted", "underpowered", "not testable")

ASSEMBLIES = {"GRCh38": "GRCh38", "hg38": "GRCh38", "GRCh37": "GRCh37", "hg19": "GRCh37"}
# What a group is in the study; claims speak of roles, so that labels are the user's own.
ROLES = ("reference", "responder", "non_responder", "parental", "resistant")
NAME_COLUMNS = (SAMPLE, DONOR, GROUP, BATCH)
PATH_COLUMNS = ("rna", "peaks", "fragments")
SHEET_COLUMNS = (*NAME_COLUMNS, *PATH_COLUMNS, TIME)
REQUIRED_SHEET_COLUMNS = (SAMPLE, GROUP)

MAX_NAME = 100  # characters of a sample, donor, group or batch
MAX_TITLE = 200
MAX_DAYS = 36_525  # a hundred years: what is more was meant as a date


def compose(text: str) -> str:
    """Text as it is compared: accents composed (NFC), no space around it."""
    return unicodedata.normalize("NFC", text.strip())


def name_problem(text: str, longest: int = MAX_NAME) -> str:
    """Why a text cannot be a name, as the rest of a sentence; empty if it can."""
    unseen = next((c for c in text if not c.isprintable()), None)
    if not text:
        return "is empty"
    if unseen is not None:
        title = unicodedata.name(unseen, "a control character")
        return f"holds a character that cannot be seen (U+{ord(unseen):04X}, {title})"
    return f"has {len(text)} characters, at most {longest}" if len(text) > longest else ""


def days_problem(text: str) -> str:
    """Why a text cannot be a number of days, as the rest of a sentence; empty if it can."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text):
        return "is not a number"
    if float(text) < 0:
        return "is negative"
    return f"is more than {MAX_DAYS:,} days" if float(text) > MAX_DAYS else ""


def _read_name(text: str, longest: int = MAX_NAME) -> str:
    composed = compose(text)
    problem = name_problem(composed, longest)
    if problem:
        raise ValueError(problem)
    return composed


def _read_assembly(value: object) -> object:
    known = {name.casefold(): assembly for name, assembly in ASSEMBLIES.items()}
    return known.get(value.casefold(), value) if isinstance(value, str) else value


Assembly = Annotated[Literal["GRCh38", "GRCh37"], BeforeValidator(_read_assembly)]
Name = Annotated[str, AfterValidator(_read_name)]
Title = Annotated[str, AfterValidator(lambda text: _read_name(text, longest=MAX_TITLE))]


class Model(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Contrast(Model):
    """Two groups to compare: effects are ``test`` against ``reference``."""

    test: Name = Field(description="label of the group of interest")
    reference: Name = Field(description="label of the group it is compared with")

    @property
    def name(self) -> str:
        return f"{self.test} vs {self.reference}"


@dataclass(frozen=True, eq=False)
class Motif:
    """What a transcription factor binds: how often each letter was seen at each position."""

    id: str
    """Name of the matrix with its version, such as ``MA0139.2``."""
    tf: str
    """The factor, or factors joined by ``::``."""
    counts: np.ndarray
    """Shape (4, width), in the order ACGT."""

    @property
    def factors(self) -> tuple[str, ...]:
        """Gene symbols of the factors that bind together."""
        return tuple(self.tf.split("::"))


class Effect(Model):
    """Which number of a chapter a claim is about; groups are named by their role."""

    measure: str = Field(description="kind of number, such as proportion")
    cell_type: str | None = Field(None, description="cell type it is about, if any")
    subcluster: str | None = Field(None, description="subcluster it is about, if any")
    feature: str | None = Field(None, description="gene, term or drug it is about, if any")
    test: str | None = Field(None, description="role of the group the sentence is about, if any")
    reference: str | None = Field(None, description="role of the group it is compared with")


class Claim(Model):
    """A headline sentence of a source, in our own words, and what would bear it out."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    source: str = Field(description="where the sentence stands: paper, section, panel")
    sentence: str = Field(description="the claim in our own words")
    chapter: str
    panel: str = Field(description="panel of the chapter that shows it")
    effect: Effect
    direction: Literal["up", "down"] = Field(description="sign of the effect that bears it out")


class GeneColumn(Model):
    """A file of genes: one a line, or a column of a table with the rows to keep."""

    file: str = Field(min_length=1, description="name in the folder of lists")
    column: str | None = Field(None, description="column of the genes; left out: one gene a line")
    where: dict[str, str] = Field(default_factory=dict, description="column -> value of rows kept")


class PublishedEffect(Model):
    """What a source reports of a signature, such as a hazard ratio with its interval."""

    outcome: str
    cohort: str
    hazard_ratio: float = Field(gt=0)
    ci_low: float = Field(gt=0)
    ci_high: float = Field(gt=0)

    @model_validator(mode="after")
    def _interval_holds_the_ratio(self) -> "PublishedEffect":
        if not self.ci_low <= self.hazard_ratio <= self.ci_high:
            msg = f"hazard ratio {self.hazard_ratio} lies outside {self.ci_low} to {self.ci_high}"
            raise ValueError(msg)
        return self


class SignatureEntry(Model):
    """A signature of the registry: where its genes come from and how far they can be trusted."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    name: str = Field(min_length=1)
    topic: Literal["resistance", "dormancy", "stemness", "cell cycle", "ferroptosis", "other"]
    up: tuple[str, ...] = Field((), description="genes that speak for it")
    down: tuple[str, ...] = Field((), description="genes that speak against it")
    weights: dict[str, float] = Field(
        default_factory=dict, description="gene -> weight of a published linear score"
    )
    sets: tuple[str, ...] = Field((), description="library: term, the first found is taken")
    files: dict[Literal["up", "down"], GeneColumn] = Field(
        default_factory=dict, description="lists that may not come with the project"
    )
    source: str = Field(min_length=1, description="paper, and what its cells were")
    doi: str | None = Field(None, pattern=r"^10\.\d{4,}/\S+$")
    table: str | None = Field(None, description="table, figure or section that holds the genes")
    species: Literal["human", "mouse"] = "human"
    disease: str = Field(min_length=1, description="disease or cell line it was found in")
    status: Literal["exact", "partial", "proxy", "pending"]
    note: str = Field("", description="why its list is not here, where it is pending")
    published: tuple[PublishedEffect, ...] = ()

    @model_validator(mode="after")
    def _genes_come_from_one_place(self) -> "SignatureEntry":
        given = [bool(self.up or self.down), bool(self.weights), bool(self.sets), bool(self.files)]
        wanted = 0 if self.status == "pending" else 1
        if sum(given) != wanted:
            msg = (
                "genes come from one of up and down, weights, sets or files; "
                f"with status {self.status} {wanted} of them is given, not {sum(given)}"
            )
            raise ValueError(msg)
        if self.status == "pending" and not self.note:
            msg = "a pending signature says in its note why its list is not here"
            raise ValueError(msg)
        both = sorted(set(self.up) & set(self.down))
        if both:
            msg = f"gene {both[0]} stands under up and under down"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class Signature:
    """A signature ready to be scored."""

    id: str
    name: str
    topic: str
    weights: dict[str, float]
    """Gene -> weight: its sign says whether the gene speaks for the signature or against it."""
    linear: bool
    """Whether the weights are those of a published linear score, not just signs."""
    status: str
    source: str
    reason: str = ""
    """Why there are no genes, if so."""

    @property
    def up(self) -> list[str]:
        return [gene for gene, weight in self.weights.items() if weight > 0]

    @property
    def down(self) -> list[str]:
        return [gene for gene, weight in self.weights.items() if weight < 0]


class Genome(Model):
    """Files of the genome the data were aligned to; only chromatin needs them."""

    fasta: str | None = Field(None, description="sequence, .fa or bgzipped .fa.gz")
    annotation: str | None = Field(
        None, description="genes: .gtf.gz or a table of chrom, start, end, strand, gene"
    )
    blacklist: str | None = Field(None, description="regions to leave out, .bed or .bed.gz")


class BulkTables(Model):
    """Bulk expression of patients and what became of them."""

    expression: str = Field(description="CSV: column gene, then one column a patient")
    clinical: str = Field(
        description="CSV: sample, time_months, event; also response, age, cytogenetic_risk"
    )


class Bulk(Model):
    """Patients to learn a signature from, and others to try it on."""

    scale: Literal["counts", "linear", "log2"] = Field(
        "log2", description="what the expression tables hold: counts, linear or log2"
    )
    training: BulkTables = Field(description="tables of the patients to learn from")
    validation: BulkTables = Field(description="tables of other patients, who take no part in it")


class CohortFile(Model):
    """A cohort as its user writes it (``cohort.yml``)."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="short name, also that of the results folder: letters, digits, - and _",
    )
    title: Title = Field(description="title of the book, one line")
    assembly: Assembly = Field(description="GRCh38 (hg38) or GRCh37 (hg19)")
    genome: Genome = Field(Genome(), description="sequence, annotation and blacklist files")
    samples: str = Field("samples.csv", description="sample sheet, relative to this file")
    dose_response: str | None = Field(None, description="dose series, CSV relative to this file")
    bulk: Bulk | None = Field(None, description="bulk expression and clinical tables")
    groups: dict[Name, Name] = Field(
        default_factory=dict,
        validate_default=True,
        description="role -> label in the sheet; roles the claims know: " + ", ".join(ROLES),
    )
    contrasts: tuple[Contrast, ...] | None = Field(
        None, description="pairs of groups to compare; left out: chosen from the roles"
    )
    chapters: tuple[str, ...] | None = Field(
        None, min_length=1, description="a list of chapters to build; left out: all"
    )
    overrides: dict[str, dict[str, object]] = Field(
        default_factory=dict, description="chapter -> parameter -> value"
    )
    simulated: bool = Field(
        default=False, description="true: every page says that the data are made up"
    )

    @field_validator("groups")
    @classmethod
    def _groups_are_named(cls, groups: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """Only a cohort without samples can do without groups."""
        others = [info.data.get(key, "unreadable") for key in ("dose_response", "bulk")]
        if not groups and others == [None, None]:
            raise PydanticCustomError("missing", "at least 1 item is needed")
        return groups

    @field_validator("groups")
    @classmethod
    def _labels_differ(cls, groups: dict[str, str]) -> dict[str, str]:
        labels = list(groups.values())
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if repeated:
            msg = f"the label {repeated[0]!r} stands for two roles; each role needs its own"
            raise ValueError(msg)
        return groups

    @property
    def has_tables(self) -> bool:
        """Whether there is something to show without a single sample."""
        return self.dose_response is not None or self.bulk is not None

    def tables(self) -> dict[str, str]:
        """Tables of the cohort beside its samples: role to path as it was written."""
        found = {} if self.dose_response is None else {"dose_response": self.dose_response}
        for part in ("training", "validation") if self.bulk is not None else ():
            pair: BulkTables = getattr(self.bulk, part)
            found |= {f"{part}_{kind}": path for kind, path in pair.model_dump().items()}
        return found

    def planned_contrasts(self) -> tuple[Contrast, ...]:
        """The contrasts asked for, or those the roles suggest.

        Non-responder against responder where both exist, else every group against the
        reference, else every later group against the first.
        """
        if self.contrasts is not None:
            return self.contrasts
        responder, failed = self.groups.get("responder"), self.groups.get("non_responder")
        if responder and failed:
            return (Contrast(test=failed, reference=responder),)
        labels = list(self.groups.values())
        if not labels:
            return ()
        reference = self.groups.get("reference", labels[0])
        return tuple(Contrast(test=x, reference=reference) for x in labels if x != reference)


class Sample(Model):
    """One row of the sample sheet, its paths resolved."""

    sample: str
    donor: str
    group: str
    batch: str | None = None
    rna: Path | None = None
    peaks: Path | None = None
    fragments: Path | None = None
    time_days: float | None = None
    """Days since the start of treatment; 0 for cells that were not treated yet."""
    row: int = Field(description="line of the sheet the sample was read from")

    @property
    def key(self) -> str:
        return file_key(self.sample)


class Cohort(Model):
    """A cohort ready to be planned: the file, the sheet, and where they lie."""

    path: Path
    file: CohortFile
    samples: tuple[Sample, ...]

    def table(self, role: str) -> Path:
        """Where a table of the cohort lies."""
        return self.path.parent / Path(self.file.tables()[role]).expanduser()

    @property
    def labels(self) -> tuple[str, ...]:
        """Group labels in the order of the roles."""
        return tuple(self.file.groups.values())


def file_key(name: str) -> str:
    """A file name for any text a user may type, different for different texts.

    Plain names stay as they are; others keep their readable part and gain eight hex digits of
    their SHA-256, so that ``a/b`` and ``a b`` do not meet and nothing can leave its folder.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        return name
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", ascii_name).strip("-_")[:40]
    digest = sha256(name.encode()).hexdigest()[:8]
    return f"{readable or 'sample'}-{digest}"
