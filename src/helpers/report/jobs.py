"""A job: one thing to run, with all that decides what comes out."""

from dataclasses import dataclass, field
from pathlib import Path

from helpers.io.tables import read_json

# Kind of a stage's job -> the function that runs it.
STAGES: dict[str, tuple[str, str]] = {
    "rna_sample": ("helpers.stages.rna", "run_rna_sample"),
    "rna_integrate": ("helpers.stages.rna", "run_rna_integrate"),
    "rna_annotate": ("helpers.stages.rna", "run_rna_annotate"),
    "atac_sample": ("helpers.stages.atac", "run_atac_sample"),
    "atac_integrate": ("helpers.stages.atac", "run_atac_integrate"),
    "atac_annotate": ("helpers.stages.atac", "run_atac_annotate"),
    "motif_scan": ("helpers.stages.motifs", "run_motif_scan"),
    "peak_contrasts": ("helpers.stages.motifs", "run_peak_contrasts"),
    "rna_sums": ("helpers.stages.motifs", "run_rna_sums"),
    "cnv": ("helpers.stages.cnv", "run_cnv"),
    "expression": ("helpers.stages.expression", "run_expression"),
    "regulons": ("helpers.stages.regulons", "run_regulons"),
    "subclusters": ("helpers.stages.subclusters", "run_subclusters"),
}


@dataclass(frozen=True)
class Job:
    """One thing to run. Two equal jobs give the same results."""

    name: str
    """Its kind and, behind a slash, what of: ``rna_sample/CK1``, ``chapter/quality``."""
    inputs: tuple[str, ...]
    """Results of other jobs it reads, relative to the results folder."""
    outputs: tuple[str, ...]
    params: dict[str, object] = field(default_factory=dict)
    design: dict[str, object] = field(default_factory=dict)
    """What it takes from the cohort file and sheet."""
    data: dict[str, list[str]] = field(default_factory=dict)
    """Files from outside: role -> path and SHA-256."""
    code: dict[str, str] = field(default_factory=dict)
    """Project module -> digest."""
    versions: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    optional: tuple[str, ...] = ()
    """Inputs it can do without: that they could not be made does not hinder it."""

    @property
    def kind(self) -> str:
        return self.name.split("/")[0]

    @property
    def subject(self) -> str:
        return self.name.partition("/")[2]

    @property
    def spec(self) -> str:
        """Its description on disk, relative to the results folder."""
        return f"jobs/{self.name}.json"

    @property
    def log(self) -> str:
        return f"logs/{self.name.replace('/', '.')}.log"


def read_job(path: Path) -> Job:
    """A job from its description."""
    record = read_json(path)
    record["inputs"] = tuple(record["inputs"])  # type: ignore[arg-type]
    record["outputs"] = tuple(record["outputs"])  # type: ignore[arg-type]
    record["optional"] = tuple(record["optional"])  # type: ignore[arg-type]
    return Job(**record)  # type: ignore[arg-type]
