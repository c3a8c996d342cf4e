"""Preflight: every defect of a cohort at once, before anything is computed."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from helpers.errors import Defect
from helpers.io.cohort import Reading, read_cohort
from helpers.io.inspect import inspect_rna
from helpers.params import CHAPTER_PARAMS, gene_set_file, load_defaults, marker_file, nearest
from helpers.schema import CohortFile, Sample

MAX_NAME = 100


def check_cohort(path: Path, results: Path) -> tuple[Reading, list[Defect]]:
    """Everything wrong with a cohort, in the order of its files.

    Parameters
    ----------
    path
        The cohort file.
    results
        Folder that holds, or will hold, the results of cohorts.
    """
    reading = read_cohort(path)
    found = list(reading.defects)
    sheet = _sheet_name(reading)
    if reading.file is not None:
        found += _check_output(reading, reading.file, results)
        found += _check_genome_files(reading, reading.file)
        found += _check_reference_files(reading, reading.file)
        if reading.samples:
            found += _check_groups(reading, reading.file, sheet)
            found += _check_contrasts(reading, reading.file, sheet)
    found += _check_names(reading.samples, sheet)
    for sample in reading.samples:
        found += _check_files(reading, sample, sheet)
    return reading, found


def _sheet_name(reading: Reading) -> str:
    return Path(reading.file.samples).name if reading.file else "samples.csv"


def _check_output(reading: Reading, file: CohortFile, results: Path) -> Iterator[Defect]:
    folder = results / file.name
    where = reading.spot("name")
    if not folder.resolve().is_relative_to(results.resolve()):
        what = f"results would be written to {folder.resolve()}"
        yield Defect(
            where, what, f"a folder inside {results}", "remove the link or choose another name"
        )
    elif folder.exists() and not folder.is_dir():
        what = f"{folder} is a file"
        yield Defect(where, what, "a folder or nothing there", "move it or choose another name")
    else:
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        if not os.access(existing, os.W_OK):
            yield Defect(
                where, f"{existing} cannot be written to", "a writable folder", "change its rights"
            )


def _check_genome_files(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    for key, name in file.genome.model_dump().items():
        if name is not None and not (reading.path.parent / name).is_file():
            where = reading.spot("genome", key)
            yield Defect(
                where, f"{name} does not exist", "a file", "correct the path or delete the key"
            )


def _check_reference_files(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """Files that parameters name."""
    for chapter in CHAPTER_PARAMS:
        values = load_defaults(chapter) | file.overrides.get(chapter, {})
        name = values.get("markers")
        if isinstance(name, str) and not marker_file(name).is_file():
            where = reading.spot("overrides", chapter, "markers")
            what = f"{marker_file(name)} does not exist"
            yield Defect(
                where, what, "a file in params/reference or an absolute path", "correct the path"
            )
        listed = values.get("gene_sets")
        for item in listed if isinstance(listed, list) else ():
            path = gene_set_file(str(item))
            if not path.is_file():
                yield Defect(
                    reading.spot("overrides", chapter, "gene_sets"),
                    f"{path} does not exist",
                    "a GMT file in params/reference, an absolute path, or a fetched collection",
                    f"correct the path, or run relapse-book fetch {path.stem}",
                )


def _check_groups(reading: Reading, file: CohortFile, sheet: str) -> Iterator[Defect]:
    labels = list(file.groups.values())
    for sample in reading.samples:
        if sample.group not in labels:
            close = nearest(sample.group, labels)
            remedy = f"did you mean {close!r}?" if close else "correct it, or add it under groups"
            what = f"unknown group {sample.group!r}"
            yield Defect(f"{sheet}:{sample.row}/group", what, f"one of {', '.join(labels)}", remedy)
    used = {sample.group for sample in reading.samples}
    for role, label in file.groups.items():
        if label not in used:
            where = reading.spot("groups", role)
            remedy = "add samples, or delete the group"
            yield Defect(where, f"no sample of group {label!r}", "at least one", remedy, "warning")


def _check_contrasts(reading: Reading, file: CohortFile, sheet: str) -> Iterator[Defect]:
    labels = list(file.groups.values())
    for i, contrast in enumerate(file.planned_contrasts()):
        for side, label in (("test", contrast.test), ("reference", contrast.reference)):
            given = file.contrasts is not None
            where = reading.spot("contrasts", str(i), side) if given else reading.spot("groups")
            if label not in labels:
                close = nearest(label, labels)
                remedy = f"did you mean {close!r}?" if close else "add it under groups"
                yield Defect(
                    where, f"unknown group {label!r}", f"one of {', '.join(labels)}", remedy
                )
            elif not any(sample.group == label for sample in reading.samples):
                what = f"no sample of group {label!r}, which this contrast needs"
                yield Defect(
                    where,
                    what,
                    "at least one sample",
                    f"add samples to {sheet}, or delete the contrast",
                )
        if contrast.test == contrast.reference:
            where = reading.spot("contrasts", str(i))
            what = f"compares {contrast.test!r} with itself"
            yield Defect(where, what, "two groups", "name another group")
        yield from _check_batches(reading, contrast.test, contrast.reference, sheet)


def _check_batches(reading: Reading, test: str, reference: str, sheet: str) -> Iterator[Defect]:
    """Two groups none of whose batches they share cannot be told from their batches."""
    mine = [sample for sample in reading.samples if sample.group in (test, reference)]
    batches = {group: {s.batch for s in mine if s.group == group} for group in (test, reference)}
    known = batches[test] | batches[reference]
    if test == reference or None in known or len(known) < 2 or not all(batches.values()):
        return
    if not batches[test] & batches[reference]:
        first = next(s for s in mine if s.group == test)
        what = (
            f"every batch holds only one of {test!r} and {reference!r}, so that the groups cannot be "
            "told from the batches"
        )
        remedy = "add samples that share a batch, or delete the column if it is not technical"
        yield Defect(f"{sheet}:{first.row}/batch", what, "a batch with both groups", remedy)


def _check_names(samples: list[Sample], sheet: str) -> Iterator[Defect]:
    first: dict[str, Sample] = {}
    for sample in samples:
        where = f"{sheet}:{sample.row}/sample"
        folded = sample.sample.casefold()
        if folded in first:
            other = first[folded]
            same = other.sample == sample.sample
            how = "stands twice" if same else f"differs from {other.sample!r} only by case"
            what = f"sample {sample.sample!r} {how} (also in row {other.row})"
            yield Defect(where, what, "each sample once", "rename one, or merge the rows")
        first.setdefault(folded, sample)
        if len(sample.sample) > MAX_NAME:
            what = f"the name has {len(sample.sample)} characters"
            yield Defect(where, what, f"at most {MAX_NAME}", "shorten it")
        if not sample.sample.isprintable():
            what = f"the name {sample.sample!r} holds control characters"
            yield Defect(where, what, "printable text", "type it again")
        if not (sample.rna or sample.fragments):
            yield Defect(
                f"{sheet}:{sample.row}", "neither rna nor fragments", "at least one", "add a path"
            )
    for column in ("rna", "fragments"):
        paths = Counter(p.resolve() for s in samples if (p := getattr(s, column)) is not None)
        for sample in samples:
            path = getattr(sample, column)
            if path is not None and paths[path.resolve()] > 1:
                what = f"{path.name} of this row also stands in another row"
                yield Defect(
                    f"{sheet}:{sample.row}/{column}", what, "a file of its own", "correct the path"
                )


def _check_files(reading: Reading, sample: Sample, sheet: str) -> Iterator[Defect]:
    for column in ("rna", "peaks", "fragments"):
        path: Path | None = getattr(sample, column)
        if path is not None and not path.exists():
            where = f"{sheet}:{sample.row}/{column}"
            remedy = f"correct the path (relative to {reading.path.parent})"
            yield Defect(where, f"{path} does not exist", "a file or folder", remedy)
    if sample.rna is not None and sample.rna.exists():
        assembly = reading.file.assembly if reading.file else "GRCh38"
        where = f"{sheet}:{sample.row}/rna"
        for finding in inspect_rna(sample.rna, assembly=assembly):
            yield Defect(where, finding.what, finding.expected, finding.remedy, finding.severity)
