"""What has to run for a cohort, and in which order.

The work folder is that of the cohort's results. `relapse-book build` writes `jobs/plan.json` and
one description a job before it calls this file. A job re-runs when its description or an input
is newer than its outputs; a description is rewritten only when its content changes.
"""

import json
import sys
from pathlib import Path

JOBS = {job["name"]: job for job in json.loads(Path("jobs/plan.json").read_text())["jobs"]}
LONG_WAY = 10  # priority of what leads to the regulons: first, so that not all waits for them at the end
PYTHON = config.get("python", sys.executable)
RUN = f"{PYTHON} -m helpers.report.runner {{input.spec}} > {{log}} 2>&1"


def inputs_of(name):
    """Everything a job reads: results of other jobs."""
    return JOBS.get(name, {}).get("inputs", [])


def threads_of(name):
    """Cores of a job, which depend on how large the cohort is."""
    return JOBS[name]["threads"] if name in JOBS else 1


def samples():
    """Keys of the samples that have RNA."""
    return [name.split("/")[1] for name in JOBS if name.startswith("rna_sample/")]


wildcard_constraints:
    sample=r"[A-Za-z0-9_-]+",
    chapter=r"[a-z0-9_]+",
    key=r"hsc_mpp|pro_b",


localrules:
    all,


rule all:
    input:
        [output for job in JOBS.values() for output in job["outputs"]],


rule rna_sample:
    input:
        spec="jobs/rna_sample/{sample}.json",
    output:
        "objects/samples/{sample}.rna.h5ad",
        "objects/samples/{sample}.rna.csv",
    log:
        "logs/rna_sample.{sample}.log",
    priority: LONG_WAY
    threads: 1
    resources:
        mem_mb=4000,
    shell:
        RUN


rule rna_integrate:
    input:
        expand("objects/samples/{sample}.rna.h5ad", sample=samples()),
        spec="jobs/rna_integrate.json",
    output:
        "objects/rna_integrated.h5ad",
    log:
        "logs/rna_integrate.log",
    priority: LONG_WAY
    threads: threads_of("rna_integrate")
    resources:
        mem_mb=8000,
    shell:
        RUN


rule rna_annotate:
    input:
        "objects/rna_integrated.h5ad",
        spec="jobs/rna_annotate.json",
    output:
        "objects/rna.h5ad",
        "objects/cluster_labels.csv",
    log:
        "logs/rna_annotate.log",
    priority: LONG_WAY
    threads: 1
    resources:
        mem_mb=4000,
    shell:
        RUN


rule expression:
    input:
        "objects/rna.h5ad",
        spec="jobs/expression.json",
    output:
        "objects/expression.csv",
        "objects/expression_tests.csv",
    log:
        "logs/expression.log",
    threads: threads_of("expression")
    resources:
        mem_mb=8000,
    shell:
        RUN


rule subclusters:
    input:
        "objects/rna.h5ad",
        spec="jobs/subclusters/{key}.json",
    output:
        "objects/subclusters_{key}.h5ad",
        "objects/subclusters_{key}.csv",
        "objects/subclusters_{key}_markers.csv",
        "objects/subclusters_{key}_stability.csv",
        "objects/subclusters_{key}_numbers.csv",
    log:
        "logs/subclusters.{key}.log",
    threads: lambda w: threads_of(f"subclusters/{w.key}")
    resources:
        mem_mb=8000,
    shell:
        RUN


rule cnv:
    input:
        "objects/rna.h5ad",
        spec="jobs/cnv.json",
    output:
        "objects/cnv.h5ad",
        "objects/cnv_profiles.h5ad",
        "objects/cnv_segments.csv",
        "objects/cnv_sensitivity.csv",
    log:
        "logs/cnv.log",
    threads: 1
    resources:
        mem_mb=4000,
    shell:
        RUN


rule regulons:
    input:
        lambda w: inputs_of("regulons"),
        spec="jobs/regulons.json",
    output:
        "objects/regulon_links.csv",
        "objects/regulon_modules.csv",
        "objects/regulons.csv",
        "objects/regulon_support.csv",
        "objects/regulon_activity.h5ad",
    log:
        "logs/regulons.log",
    priority: LONG_WAY
    threads: threads_of("regulons")
    resources:
        mem_mb=6000,
    shell:
        RUN


rule signatures:
    input:
        "objects/rna.h5ad",
        spec="jobs/signatures.json",
    output:
        "objects/signatures.h5ad",
        "objects/signatures_coverage.csv",
        "objects/signatures_samples.csv",
        "objects/signatures_contrasts.csv",
        "objects/signatures_frequency.csv",
    log:
        "logs/signatures.log",
    threads: threads_of("signatures")
    resources:
        mem_mb=8000,
    shell:
        RUN


rule resistance:
    input:
        "objects/rna.h5ad",
        "objects/signatures.h5ad",
        spec="jobs/resistance.json",
    output:
        "objects/resistance_cells.csv",
        "objects/resistance_clusters.csv",
        "objects/resistance_genes.csv",
    log:
        "logs/resistance.log",
    threads: threads_of("resistance")
    resources:
        mem_mb=8000,
    shell:
        RUN


rule discovery:
    input:
        lambda w: inputs_of("discovery"),
        spec="jobs/discovery.json",
    output:
        "objects/discovery_signature.json",
        "objects/discovery_genes.csv",
        "objects/discovery_folds.csv",
        "objects/discovery_permutations.csv",
        "objects/discovery_training.csv",
    log:
        "logs/discovery.log",
    threads: 1
    resources:
        mem_mb=8000,
    shell:
        RUN


rule atac_sample:
    input:
        spec="jobs/atac_sample/{sample}.json",
    output:
        "objects/samples/{sample}.atac.csv",
        "objects/samples/{sample}.fragments.h5",
        "objects/samples/{sample}.peaks.csv",
    log:
        "logs/atac_sample.{sample}.log",
    priority: LONG_WAY
    threads: 1
    resources:
        mem_mb=4000,
    shell:
        RUN


rule atac_integrate:
    input:
        lambda w: inputs_of("atac_integrate"),
        spec="jobs/atac_integrate.json",
    output:
        "objects/atac_integrated.h5ad",
        "objects/activity_counts.h5ad",
        "objects/atac_depth.csv",
    log:
        "logs/atac_integrate.log",
    priority: LONG_WAY
    threads: threads_of("atac_integrate")
    resources:
        mem_mb=12000,
    shell:
        RUN


rule atac_annotate:
    input:
        lambda w: inputs_of("atac_annotate"),
        spec="jobs/atac_annotate.json",
    output:
        "objects/atac.h5ad",
        "objects/gene_activity.h5ad",
        "objects/cohort.h5mu",
    log:
        "logs/atac_annotate.log",
    priority: LONG_WAY
    threads: threads_of("atac_annotate")
    resources:
        mem_mb=12000,
    shell:
        RUN


rule motif_scan:
    input:
        "objects/atac.h5ad",
        spec="jobs/motif_scan.json",
    output:
        "objects/motif_matches.h5ad",
        "objects/motif_deviations.h5ad",
    log:
        "logs/motif_scan.log",
    priority: LONG_WAY
    threads: threads_of("motif_scan")
    resources:
        mem_mb=8000,
    shell:
        RUN


rule peak_contrasts:
    input:
        "objects/atac.h5ad",
        spec="jobs/peak_contrasts/{key}.json",
    output:
        "objects/peaks_{key}.csv",
        "objects/tracks_{key}.csv",
        "objects/track_features_{key}.csv",
    log:
        "logs/peak_contrasts.{key}.log",
    threads: 1
    resources:
        mem_mb=8000,
    shell:
        RUN


rule rna_sums:
    input:
        "objects/rna.h5ad",
        spec="jobs/rna_sums.json",
    output:
        "objects/rna_sums.h5ad",
    log:
        "logs/rna_sums.log",
    threads: 1
    resources:
        mem_mb=4000,
    shell:
        RUN


rule chapter:
    input:
        lambda w: inputs_of(f"chapter/{w.chapter}"),
        spec="jobs/chapter/{chapter}.json",
    output:
        "chapters/{chapter}.json",
    log:
        "logs/chapter.{chapter}.log",
    threads: 1
    resources:
        mem_mb=4000,
    shell:
        RUN


rule book:
    input:
        lambda w: inputs_of("book"),
        spec="jobs/book.json",
    output:
        "book/html/index.html",
    log:
        "logs/book.log",
    threads: 1
    shell:
        RUN
