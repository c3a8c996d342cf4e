"""The cohort file and sample sheet a user starts from."""

import os
import shlex
from pathlib import Path

from helpers.errors import DataError
from helpers.io.atomic import write_text
from helpers.params import CHAPTER_PARAMS
from helpers.schema import file_key

COHORT = """\
# A cohort: who was sampled, in which groups, and what to compare.
# Fill in the lines below, list the samples in samples.csv, then run
#   relapse-book check {cohort}
#   relapse-book build {cohort}

# Short name, also that of the results folder: letters, digits, - and _.
name: {name}

# Title of the book.
title: "My cohort"

# Genome the data were aligned to: GRCh38 (hg38) or GRCh37 (hg19).
assembly: GRCh38

# Sample sheet, relative to this file. A column time_days (days since the start of treatment, 0 before
# it; for every sample of a group or for none) makes a course of samples taken on different days.
samples: samples.csv

# Groups: role -> label as in the column group of the sheet. The roles reference, responder and
# non_responder are those of the B-ALL relapse study, and its claims are tested on them. Other
# roles are free; one group is enough.
groups:
  reference: CK
  responder: CR
  non_responder: NCR

# What to compare: effects are test against reference. Leave it out to compare the
# non-responders with the responders or, without those roles, every group with the reference.
contrasts:
  - test: NCR
    reference: CR

# Wells with one drug or two, for curves, resistance and synergy: columns line, drug, dose, unit,
# response; optional parental (line it comes from), plate, replicate, drug_2, dose_2, unit_2, start.
# dose_response: dose_response.csv

# Bulk expression (column gene, then one a patient) and follow-up (sample, time_months, event;
# optional response, age, cytogenetic_risk) of patients to learn from, and of others to validate in.
# bulk:
#   scale: log2            # or counts, or linear
#   training:
#     expression: bulk/training_expression.csv
#     clinical: bulk/training_clinical.csv
#   validation:
#     expression: bulk/validation_expression.csv
#     clinical: bulk/validation_clinical.csv

# Only some chapters (all if left out): {chapters}.
# chapters: [{chapters}]

# Parameters that differ from params/defaults/<chapter>.yml, where each is explained.
# overrides:
#   quality:
#     max_pct_mito: 15.0
#   fig1_composition:
#     resolution: 1.0

# Genome files, needed for chromatin only.
# genome:
#   fasta: genome.fa.gz
#   annotation: genes.gtf.gz
#   blacklist: blacklist.bed.gz

# true only for data made by relapse-book simulate: every page then says so.
simulated: false
"""

SHEET = """\
sample,donor,group,batch,rna,fragments
CK1,donor1,CK,run1,CK1/filtered_feature_bc_matrix.h5,CK1/fragments.tsv.gz
CR1,donor2,CR,run1,CR1/filtered_feature_bc_matrix.h5,CR1/fragments.tsv.gz
NCR1,donor3,NCR,run1,NCR1/filtered_feature_bc_matrix.h5,NCR1/fragments.tsv.gz
"""


def write_template(folder: Path) -> list[Path]:
    """Write a commented cohort file and sample sheet.

    Raises
    ------
    DataError
        If one of them is there already.
    """
    files = {folder / "cohort.yml": COHORT, folder / "samples.csv": SHEET}
    if not str(folder).isprintable():
        msg = f"{str(folder)!r} holds characters that cannot be seen; choose another name"
        raise DataError(msg)
    for path in files:
        if os.path.lexists(path):
            msg = f"{path} is there already; choose another folder or move it away"
            raise DataError(msg)
    name = file_key(folder.resolve().name)
    chapters = ", ".join(CHAPTER_PARAMS)
    cohort = shlex.quote(str(folder / "cohort.yml"))
    for path, text in files.items():
        write_text(path, text.format(name=name, cohort=cohort, chapters=chapters))
    return list(files)
