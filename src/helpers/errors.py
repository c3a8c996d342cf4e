"""What can go wrong, said so that a user can act on it."""

from dataclasses import dataclass
from typing import Literal


class BookError(Exception):
    """Any failure whose message is meant for the user, shown without a traceback."""


class DataError(BookError):
    """Data that a function cannot work with."""


class ParamsError(BookError):
    """A parameter that does not exist or has an impossible value."""


class NotPossibleError(BookError):
    """An analysis this cohort does not allow: the chapter is skipped with this sentence."""


@dataclass(frozen=True, order=True)
class Defect:
    """One thing wrong with a cohort, and the way out.

    Parameters
    ----------
    where
        File with row or field, such as ``samples.csv:3/group``.
    what
        What is wrong, naming the value found.
    expected
        What would have been right.
    remedy
        What to do.
    severity
        ``error`` stops a build; ``warning`` is told and passes.
    """

    where: str
    what: str
    expected: str
    remedy: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.where} — {self.what} — expected {self.expected} — {self.remedy}"


class CohortError(BookError):
    """A cohort that cannot be built, with every defect found."""

    def __init__(self, defects: list[Defect]) -> None:
        self.defects = defects
        super().__init__("\n".join(str(defect) for defect in defects))
