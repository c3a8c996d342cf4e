"""What differs between the results of two or more runs or cohorts."""

from pathlib import Path

import pandas as pd

from helpers.errors import DataError
from helpers.io.tables import read_json, read_table


def compare_results(folders: list[Path]) -> pd.DataFrame:
    """Parameters, versions, effects and verdicts that are not the same in all results.

    Parameters
    ----------
    folders
        Results of cohorts, each with a ``run.json``.

    Returns
    -------
    ``what`` (parameter, version, verdict, effect), ``name`` and one column a folder; only rows
    in which the folders differ.

    Raises
    ------
    DataError
        If a folder holds no results.
    """
    columns = {}
    for folder in folders:
        if not (folder / "run.json").exists():
            msg = f"{folder} holds no run.json: name the results folder of a cohort that was built"
            raise DataError(msg)
        columns[str(folder)] = _facts(folder)
    table = pd.DataFrame(columns)
    table.index = pd.MultiIndex.from_tuples(table.index, names=["what", "name"])
    differs = table.apply(lambda row: len({str(value) for value in row}) > 1, axis=1)
    return table[differs].sort_index().reset_index()


def _facts(folder: Path) -> pd.Series:
    record = read_json(folder / "run.json")
    facts: dict[tuple[str, str], object] = {}
    for job, details in dict(record["jobs"]).items():  # type: ignore[call-overload]
        if job.startswith("chapter/"):
            for name, value in details["parameters"].items():
                facts["parameter", f"{job.partition('/')[2]}.{name}"] = value
    for name, version in dict(record["versions"]).items():  # type: ignore[call-overload]
        facts["version", name] = version
    facts["version", "python"] = record["python"]
    for chapter, reason in dict(record["skipped"]).items():  # type: ignore[call-overload]
        facts["skipped", chapter] = reason
    claims = folder / "claims.csv"
    if claims.exists():
        for row in read_table(claims).itertuples():
            facts["verdict", str(row.id)] = row.verdict
            facts["effect", str(row.id)] = f"{row.effect:.3g}" if pd.notna(row.effect) else ""
    return pd.Series(facts, dtype=object)
