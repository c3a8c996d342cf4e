"""What can go wrong, said so that a user can act on it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class BookError(Exception):
    """Any failure whose message is meant for the user, shown without a traceback."""


class DataError(BookError):
    """Data that a function cannot work with."""


class FileError(DataError):
    """A file that is not what it should be, and the way out.

    Parameters
    ----------
    path
        The file.
    what
        What is wrong, as the rest of a sentence that begins with the file's name.
    expected
        What would have been right.
    remedy
        What to do.
    """

    def __init__(self, path: Path, what: str, *, expected: str, remedy: str) -> None:
        self.path, self.what, self.expected, self.remedy = path, what, expected, remedy
        super().__init__(f"{path} {what}; expected {expected}: {remedy}")


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
        """One line, whatever the texts hold: what cannot be seen is escaped."""
        parts = (self.where, self.what, f"expected {self.expected}", self.remedy)
        return escape_unseen(" — ".join(parts))


def escape_unseen(text: str) -> str:
    """Text of one line in which control and invisible characters are written as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class CohortError(BookError):
    """A cohort that cannot be built, with every defect found."""

    def __init__(self, defects: list[Defect]) -> None:
        self.defects = defects
        super().__init__("\n".join(str(defect) for defect in defects))
