"""What a stage is handed: where to read, where to write, and the values to work with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """One job of a stage, its paths made absolute."""

    inputs: tuple[Path, ...]
    """Results of other jobs, in the order the plan names them."""
    outputs: tuple[Path, ...]
    params: dict[str, object]
    design: dict[str, object]
    """What it takes from the cohort file and sheet."""
    data: dict[str, Path]
    """Files from outside, by role."""
