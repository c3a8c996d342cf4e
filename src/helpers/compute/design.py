"""The design of a cohort: samples, donors, groups."""

import pandas as pd

from helpers.schema import BATCH, DONOR, GROUP, SAMPLE, TIME


def describe_samples(samples: pd.DataFrame) -> pd.DataFrame:
    """The sample sheet as a table to show, with what was measured on each sample.

    Parameters
    ----------
    samples
        ``sample``, ``donor``, ``group``, ``batch``, ``time_days`` and the flags ``rna`` and ``fragments``.
    """
    table = samples[[SAMPLE, DONOR, GROUP]].copy()
    if (samples[BATCH] != "").any():
        table[BATCH] = samples[BATCH]
    if samples[TIME].notna().any():
        table[TIME] = samples[TIME]
    return table.assign(RNA=samples["rna"], chromatin=samples["fragments"])


TABLE_TITLES = {
    "dose_response": "dose series",
    "training_expression": "bulk expression, training patients",
    "training_clinical": "follow-up, training patients",
    "validation_expression": "bulk expression, validation patients",
    "validation_clinical": "follow-up, validation patients",
}


def describe_tables(tables: dict[str, str]) -> pd.DataFrame:
    """Tables of the cohort beside its samples: ``table`` and ``file``."""
    rows = [(TABLE_TITLES[role], name) for role, name in tables.items()]
    return pd.DataFrame(rows, columns=["table", "file"])


def count_groups(
    samples: pd.DataFrame, groups: dict[str, str], *, few_samples: int
) -> pd.DataFrame:
    """Samples and donors of every group, and whether they are few.

    Parameters
    ----------
    samples
        From :func:`describe_samples`.
    groups
        Role to label.
    few_samples
        Number up to which a group's samples are called few.
    """
    rows = []
    for role, label in groups.items():
        mine = samples[samples[GROUP] == label]
        rows.append(
            {
                "role": role,
                GROUP: label,
                "n_samples": len(mine),
                "n_donors": mine[DONOR].nunique(),
                "RNA": int(mine["RNA"].sum()),
                "chromatin": int(mine["chromatin"].sum()),
                "few": len(mine) <= few_samples,
            }
        )
    return pd.DataFrame(rows)
