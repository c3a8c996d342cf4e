"""Preflight: every defect of a cohort at once, before anything is computed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers.errors import DataError, Defect
from helpers.io.bulk import inspect_bulk, read_clinical
from helpers.io.cohort import Reading, access_problem, expand_home, read_cohort
from helpers.io.dose_response import inspect_dose_response
from helpers.io.gene_sets import read_gene_sets, read_published
from helpers.io.genome import read_lengths
from helpers.io.inspect import (
    Finding,
    inspect_annotation,
    inspect_fragments,
    inspect_gzip,
    inspect_regions,
    inspect_rna,
)
from helpers.io.objects import read_markers
from helpers.io.rankings import check_rankings, read_factors, read_motif_factors
from helpers.io.reference import chromosome_lengths
from helpers.io.signatures import read_registry
from helpers.params import (
    CHAPTER_PARAMS,
    gene_set_file,
    load_defaults,
    marker_file,
    nearest,
    scan_problems,
)
from helpers.schema import PATH_COLUMNS, ROLES, TIME, BulkTables, CohortFile, Sample

# Parameters that name files: what such a file is, where it is sought, and how it is read.
REFERENCE_FILES: tuple[tuple[str, str, Callable[[str], Path], Callable[[Path], object]], ...] = (
    ("markers", "a YAML file", marker_file, read_markers),
    ("published", "a YAML file", marker_file, read_published),
    ("registry", "a YAML file", marker_file, read_registry),
    ("factor_table", "a table of factors", marker_file, read_factors),
    ("rankings", "rankings of genes by motif", marker_file, check_rankings),
    ("motif_factors", "a table of motifs and factors", marker_file, read_motif_factors),
    ("gene_sets", "a GMT file", gene_set_file, lambda path: read_gene_sets([path])),
)
SECONDS = 3.0  # to spend on matrix folders, which only show at their end whether they are whole


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
    if reading.file is not None:
        found += _check_file(reading, reading.file, results)
        found += _check_sheet(reading, reading.file)
    return reading, found


def _check_file(reading: Reading, file: CohortFile, results: Path) -> Iterator[Defect]:
    """What the cohort file says; keys that could not be read are not judged again."""
    if "name" not in reading.faulty:
        yield from _check_output(reading, results.absolute(), file.name)
    yield from _check_genome_files(reading, file)
    yield from _check_reference_files(reading, file)
    yield from _check_tables(reading, file)
    yield from _check_motif_scan(reading, file)
    if "groups" not in reading.faulty:
        yield from _check_roles(reading, file)
        if "contrasts" not in reading.faulty:
            yield from _check_contrasts(reading, file)
            yield from _check_candidates(reading, file)


def _check_sheet(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    sheet = Path(file.samples).name
    if "groups" not in reading.faulty:
        yield from _check_groups(reading, file, sheet)
    yield from _check_repeats(reading.samples, sheet)
    yield from _check_donors(reading, file, sheet)
    yield from _check_times(reading.samples, sheet)
    n_folders = sum(s.rna is not None and os.path.isdir(s.rna) for s in reading.samples)
    assembly = None if "assembly" in reading.faulty else file.assembly
    lengths = _genome_lengths(reading, file)
    for sample in reading.samples:
        yield from _check_paths(reading, sample, sheet, lengths)
        if sample.rna is not None and not access_problem(sample.rna, folder=True):
            seconds = SECONDS / max(1, n_folders)
            found = inspect_rna(sample.rna, assembly=assembly, seconds=seconds)
            yield from _at(f"{sheet}:{sample.row}/rna", found)
        if sample.fragments is not None and not access_problem(sample.fragments):
            found = inspect_fragments(sample.fragments, lengths=lengths)
            yield from _at(f"{sheet}:{sample.row}/fragments", found)


def _genome_lengths(reading: Reading, file: CohortFile) -> dict[str, int]:
    """Lengths of the chromosomes: of the sequence the cohort names, or of its assembly, if told."""
    if "assembly" in reading.faulty:
        return {}
    fasta = file.genome.fasta
    own = read_lengths(reading.path.parent / expand_home(fasta)) if fasta else {}
    return own or chromosome_lengths(file.assembly)


def _at(where: str, findings: list[Finding]) -> Iterator[Defect]:
    for finding in findings:
        yield Defect(where, finding.what, finding.expected, finding.remedy, finding.severity)


def _check_output(reading: Reading, results: Path, name: str) -> Iterator[Defect]:
    """Nothing may be written outside the results folder, nor over something else."""
    folder = results / name
    where = reading.spot("name")
    top = os.path.realpath(results)
    parts = [folder, *(folder.iterdir() if folder.is_dir() and os.access(folder, os.R_OK) else ())]
    for path in parts:
        real = os.path.realpath(path)
        if path.is_symlink() and os.path.commonpath([top, real]) != top:
            what = f"results would be written to {real}, where {path} leads"
            remedy = "remove the link or choose another name"
            yield Defect(where, what, f"a folder inside {results}", remedy)
            return
    existing = next(p for p in (folder, *folder.parents) if os.path.lexists(p))
    if not existing.is_dir():
        what = f"{existing} is not a folder"
        yield Defect(where, what, "a folder or nothing there", "move it or choose another name")
    elif not os.access(existing, os.W_OK | os.X_OK):
        what = f"{existing} cannot be written to"
        yield Defect(where, what, "a writable folder", "change its rights, or give --results")


def _check_genome_files(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    lengths = _genome_lengths(reading, file)
    for key, name in file.genome.model_dump().items():
        if name is not None:
            path = reading.path.parent / expand_home(name)
            where = reading.spot("genome", key)
            found = [*_check_plain_file(where, path)]
            yield from found or _at(where, _inspect_genome_file(key, path, lengths))


def _inspect_genome_file(key: str, path: Path, lengths: dict[str, int]) -> list[Finding]:
    if key == "annotation":
        return inspect_annotation(path, lengths=lengths)
    if key == "blacklist":
        return inspect_regions(path, lengths=lengths, kind="region")
    if key == "fasta" and not os.path.exists(f"{path}.fai"):
        remedy = f"run samtools faidx {path.name}"
        return [Finding(f"{path} has no index (.fai)", "an index beside it", remedy)]
    return []


def _check_plain_file(where: str, path: Path) -> Iterator[Defect]:
    """A file must be there and, if it is gzipped, be whole as far as can be told in no time."""
    problem = access_problem(path)
    if problem:
        yield Defect(where, f"{path} {problem}", "a file", "correct the path or delete it")
    elif path.suffix == ".gz":
        yield from _at(where, inspect_gzip(path))


def _check_motif_scan(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """Chapters that show motifs share one scan."""
    for chapter, parameter, what in scan_problems(file.overrides):
        where = reading.spot("overrides", chapter, parameter)
        remedy = "give both chapters the same value under overrides"
        yield Defect(where, what, "one way to find motifs for all chapters", remedy)


def _check_reference_files(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """Marker tables, subclusters and gene sets that parameters name."""
    for chapter in CHAPTER_PARAMS:
        values = load_defaults(chapter) | file.overrides.get(chapter, {})
        for parameter, kind, find, read in REFERENCE_FILES:
            named = values.get(parameter)
            for name in named if isinstance(named, list) else [named]:
                if isinstance(name, str) and name:
                    where = reading.spot("overrides", chapter, parameter)
                    yield from _check_reference_file(where, find(name), kind, read)


def _check_reference_file(
    where: str, path: Path, kind: str, read: Callable[[Path], object]
) -> Iterator[Defect]:
    problem = access_problem(path)
    expected = f"{kind} in params/reference, or an absolute path to one"
    if problem:
        yield Defect(where, f"{path} {problem}", expected, "correct the path")
        return
    try:
        read(path)
    except DataError as error:
        yield Defect(where, str(error), expected, "correct it after params/reference")


def _check_tables(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """Dose series and bulk tables, each row and field."""
    folder = reading.path.parent
    if file.dose_response is not None and "dose_response" not in reading.faulty:
        path = folder / expand_home(file.dose_response)
        yield from inspect_dose_response(path, reading.spot("dose_response"))
    for part in ("training", "validation") if file.bulk and "bulk" not in reading.faulty else ():
        tables: BulkTables = getattr(file.bulk, part)
        expression, clinical = (
            folder / expand_home(name) for name in (tables.expression, tables.clinical)
        )
        yield from inspect_bulk(expression, clinical, reading.spot("bulk", part))


def _check_roles(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """A role that is nearly one the claims know was probably meant to be it."""
    free = [role for role in ROLES if role not in file.groups]
    for role in file.groups:
        close = nearest(role, free, likeness=0.75)
        if role not in ROLES and close:
            what = f"role {role!r} is not one the claims of the studies know"
            expected = f"one of {', '.join(ROLES)} to have them tested"
            where = reading.spot("groups", role)
            yield Defect(where, what, expected, f"did you mean {close!r}?", "warning")


def _check_candidates(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """Candidate genes of a signature that are to come from cells need a contrast, and cells."""
    values = load_defaults("discovery") | file.overrides.get("discovery", {})
    if values["candidates_from"] != "pseudobulk":
        return
    planned = {contrast.name: contrast for contrast in file.planned_contrasts()}
    wanted = values["candidates_contrast"] or next(iter(planned), "")
    where = reading.spot("overrides", "discovery", "candidates_contrast")
    if wanted not in planned:
        close = nearest(str(wanted), planned)
        what = f"unknown contrast {wanted!r}" if wanted else "the cohort has no contrast"
        remedy = f"did you mean {close!r}?" if close else "name one under contrasts"
        yield Defect(where, what, f"one of {', '.join(planned) or 'two groups'}", remedy)
        return
    counted = {sample.group for sample in reading.samples if sample.rna is not None}
    where = reading.spot("overrides", "discovery", "candidates_from")
    for label in (planned[wanted].test, planned[wanted].reference):
        if label not in counted and not reading.lost_rows:
            what = f"pseudobulk of {wanted}, and no sample of group {label!r} has RNA counts"
            expected = "RNA counts of both groups, or the chapter is skipped"
            remedy = "add them (column rna), or write candidates_from: bulk"
            yield Defect(where, what, expected, remedy, "warning")
    yield from _check_donors_of_candidates(reading, file)


def _check_donors_of_candidates(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """Those whose cells tell the candidate genes are none of the patients, whose fates are judged."""
    names = {name for s in reading.samples if s.rna is not None for name in (s.sample, s.donor)}
    for part in ("training", "validation") if file.bulk and "bulk" not in reading.faulty else ():
        tables: BulkTables = getattr(file.bulk, part)
        try:
            patients = read_clinical(reading.path.parent / expand_home(tables.clinical)).index
        except DataError:
            continue  # told with row and field by _check_tables
        both = sorted(names & set(patients))
        if both:
            what = f"{len(both)} {part} patients gave cells, too ({', '.join(both[:3])})"
            expected = "others, where the cells tell which genes are candidates"
            remedy = "take them out of the table, or write candidates_from: bulk"
            yield Defect(reading.spot("bulk", part, "clinical"), what, expected, remedy)


def _unknown_group(where: str, label: str, labels: list[str]) -> Defect:
    close = nearest(label, labels)
    remedy = f"did you mean {close!r}?" if close else "correct it, or add it under groups"
    return Defect(where, f"unknown group {label!r}", f"one of {', '.join(labels)}", remedy)


def _check_groups(reading: Reading, file: CohortFile, sheet: str) -> Iterator[Defect]:
    """Groups of the sheet against those of the file; what is empty matters if all was read."""
    if not file.groups and reading.samples:
        expected = "role -> label of every group in the sheet"
        yield Defect(reading.spot("groups"), "is missing", expected, "name the groups")
        return
    labels = list(file.groups.values())
    for sample in reading.samples:
        if sample.group not in labels:
            yield _unknown_group(f"{sheet}:{sample.row}/group", sample.group, labels)
    used = {sample.group for sample in reading.samples}
    if not reading.samples or reading.lost_rows:
        return
    planned = () if "contrasts" in reading.faulty else file.planned_contrasts()
    for i, contrast in enumerate(planned):
        for side, label in (("test", contrast.test), ("reference", contrast.reference)):
            if label in labels and label not in used:
                what = f"no sample of group {label!r}, which this contrast needs"
                remedy = f"add samples to {sheet}, or delete the contrast"
                yield Defect(_side(reading, i, side), what, "at least one sample", remedy)
        yield from _check_batches(reading, contrast.test, contrast.reference, sheet)
    needed = {label for contrast in planned for label in (contrast.test, contrast.reference)}
    for role, label in file.groups.items():
        if label not in used | needed:
            where, remedy = reading.spot("groups", role), "add samples, or delete the group"
            yield Defect(where, f"no sample of group {label!r}", "at least one", remedy, "warning")


def _side(reading: Reading, number: int, side: str) -> str:
    """Where one side of a contrast stands; those not written down come from the groups."""
    if reading.file is None or reading.file.contrasts is None:
        return reading.spot("groups")
    return reading.spot("contrasts", str(number), side)


def _check_contrasts(reading: Reading, file: CohortFile) -> Iterator[Defect]:
    """Contrasts by themselves: known labels, two of them, each pair once."""
    labels = list(file.groups.values())
    first: dict[tuple[str, str], int] = {}
    for i, contrast in enumerate(file.planned_contrasts()):
        for side, label in (("test", contrast.test), ("reference", contrast.reference)):
            if label not in labels:
                yield _unknown_group(_side(reading, i, side), label, labels)
        where = reading.spot("contrasts", str(i))
        if contrast.test == contrast.reference:
            what = f"compares {contrast.test!r} with itself"
            yield Defect(where, what, "two groups", "name another group")
        if first.setdefault((contrast.test, contrast.reference), i) != i:
            what = f"the contrast {contrast.name} stands twice"
            yield Defect(where, what, "each contrast once", "delete one of them")


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


def _check_repeats(samples: list[Sample], sheet: str) -> Iterator[Defect]:
    """Every sample once, and every file once."""
    first: dict[str, Sample] = {}
    owner: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        other = first.setdefault(sample.sample.casefold(), sample)
        if other is not sample:
            same = other.sample == sample.sample
            how = "stands twice" if same else f"differs from {other.sample!r} only by case"
            what = f"sample {sample.sample!r} {how} (also in row {other.row})"
            where = f"{sheet}:{sample.row}/sample"
            yield Defect(where, what, "each sample once", "rename one, or merge the rows")
        for column in ("rna", "fragments"):
            path: Path | None = getattr(sample, column)
            if path is None:
                continue
            other = owner.setdefault((column, os.path.realpath(path)), sample)
            if other is not sample:
                what = f"{path.name} is also that of row {other.row} ({other.sample!r})"
                where = f"{sheet}:{sample.row}/{column}"
                yield Defect(where, what, "a file of its own", "correct the path")


def _check_donors(reading: Reading, file: CohortFile, sheet: str) -> Iterator[Defect]:
    """Samples of one donor are no independent observations, unless groups are paired by donor."""
    first: dict[tuple[str, str], Sample] = {}
    donors: dict[str, set[str]] = {}
    for sample in reading.samples:
        other = first.setdefault((sample.donor, sample.group), sample)
        donors.setdefault(sample.group, set()).add(sample.donor)
        if other is not sample:
            what = f"donor {sample.donor!r} has two samples in group {sample.group!r} (row {other.row})"
            expected = "one sample a donor and group: tests take samples for independent"
            remedy = "keep one, or read the intervals as too narrow"
            yield Defect(f"{sheet}:{sample.row}/donor", what, expected, remedy, "warning")
    planned = () if "contrasts" in reading.faulty else file.planned_contrasts()
    for i, contrast in enumerate(planned):
        test, reference = (donors.get(g, set()) for g in (contrast.test, contrast.reference))
        if test & reference and test != reference:
            shared, single = (", ".join(sorted(s)) for s in (test & reference, test ^ reference))
            what = f"donors in both groups: {shared}; in one: {single}"
            expected = "all or none, for all samples to be compared within donors"
            many = len(test & reference) > len(test ^ reference)
            remedy = (
                "nothing, if samples of the latter may be left out of the comparison"
                if many
                else "leave the others out, or read the comparison as one of unrelated samples"
            )
            yield Defect(_side(reading, i, "test"), what, expected, remedy, "warning")


def _check_times(samples: list[Sample], sheet: str) -> Iterator[Defect]:
    """A group is a time course or it is none: every sample has its day, or no sample has one."""
    timed = {sample.group for sample in samples if sample.time_days is not None}
    for sample in samples:
        if sample.group in timed and sample.time_days is None:
            what = (
                f"sample {sample.sample!r} has no time, others of group {sample.group!r} have one"
            )
            expected = "days for every sample of a group, or for none"
            remedy = "fill it in (0 before treatment), or empty the column for the group"
            yield Defect(f"{sheet}:{sample.row}/{TIME}", what, expected, remedy)


def _check_paths(
    reading: Reading, sample: Sample, sheet: str, lengths: dict[str, int]
) -> Iterator[Defect]:
    """The files of a row are there; only counts may be a folder."""
    if not (sample.rna or sample.fragments):
        where = f"{sheet}:{sample.row}"
        yield Defect(where, "neither rna nor fragments", "at least one", "add a path")
    for column in PATH_COLUMNS:
        path: Path | None = getattr(sample, column)
        if path is None:
            continue
        problem = access_problem(path, folder=column == "rna")
        where = f"{sheet}:{sample.row}/{column}"
        if problem:
            slashes = "write / between folders; " if "\\" in str(path) else ""
            remedy = f"{slashes}correct the path (relative to {reading.path.parent})"
            expected = "a file or folder" if column == "rna" else "a file"
            yield Defect(where, f"{path} {problem}", expected, remedy)
        elif column == "peaks":
            found = [*_check_plain_file(where, path)]
            yield from found or _at(where, inspect_regions(path, lengths=lengths, kind="peak"))
