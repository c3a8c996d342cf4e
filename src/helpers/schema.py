"""The words and tables the parts of the project agree on: columns, cohorts, samples."""

import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

# Columns of every table, spelled once.
SAMPLE = "sample"
DONOR = "donor"
GROUP = "group"
BATCH = "batch"
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
UNCALLED = (UNKNOWN, UNASSIGNED)  # labels of cells and nuclei whose type is not known
CONTRAST = "contrast"

# The columns a results table must have at least (more are fine), by chapter and table.
RESULT_COLUMNS: dict[tuple[str, str], tuple[str, ...]] = {
    ("quality", "cells"): (SAMPLE, "modality", "n_input", "n_kept", "n_doublets"),
    ("fig1_composition", "proportions"): (SAMPLE, GROUP, CELL_TYPE, "n_cells", "fraction"),
    ("fig1_composition", "contrasts"): (
        "contrast",
        CELL_TYPE,
        "unit",
        "test",
        "effect",
        "ci_low",
        "ci_high",
        "pvalue",
        "padj",
    ),
    ("fig2_accessibility", "proportions"): (SAMPLE, GROUP, CELL_TYPE, "n_cells", "fraction"),
    ("fig2_accessibility", "contrasts"): (
        "contrast",
        CELL_TYPE,
        "unit",
        "test",
        "effect",
        "ci_low",
        "ci_high",
        "pvalue",
        "padj",
    ),
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
    ("regulons", "contrasts"): (
        "contrast",
        CELL_TYPE,
        REGULON,
        "unit",
        "test",
        "effect",
        "ci_low",
        "ci_high",
        "pvalue",
        "padj",
    ),
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
    "pvalue",
    "verdict",
    "reason",
)
VERDICTS = ("holds", "contradicted", "underpowered", "not testable")

ASSEMBLIES = {"GRCh38": "GRCh38", "hg38": "GRCh38", "GRCh37": "GRCh37", "hg19": "GRCh37"}
# What a group is in the study; claims speak of roles, so that labels are the user's own.
ROLES = ("reference", "responder", "non_responder")
NAME_COLUMNS = (SAMPLE, DONOR, GROUP, BATCH)
PATH_COLUMNS = ("rna", "peaks", "fragments")
SHEET_COLUMNS = (*NAME_COLUMNS, *PATH_COLUMNS)
REQUIRED_SHEET_COLUMNS = (SAMPLE, GROUP)

MAX_NAME = 100  # characters of a sample, donor, group or batch
MAX_TITLE = 200


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
    feature: str | None = Field(None, description="gene or term it is about, if any")
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


class Genome(Model):
    """Files of the genome the data were aligned to; only chromatin needs them."""

    fasta: str | None = Field(None, description="sequence, .fa or bgzipped .fa.gz")
    annotation: str | None = Field(
        None, description="genes: .gtf.gz or a table of chrom, start, end, strand, gene"
    )
    blacklist: str | None = Field(None, description="regions to leave out, .bed or .bed.gz")


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
    groups: dict[Name, Name] = Field(
        min_length=1,
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
    def _labels_differ(cls, groups: dict[str, str]) -> dict[str, str]:
        labels = list(groups.values())
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if repeated:
            msg = f"the label {repeated[0]!r} stands for two roles; each role needs its own"
            raise ValueError(msg)
        return groups

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
    row: int = Field(description="line of the sheet the sample was read from")

    @property
    def key(self) -> str:
        return file_key(self.sample)


class Cohort(Model):
    """A cohort ready to be planned: the file, the sheet, and where they lie."""

    path: Path
    file: CohortFile
    samples: tuple[Sample, ...]

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
