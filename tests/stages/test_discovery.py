"""Learning a signature from files: planted truth, chance, and a real cohort."""

import json
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.compute.discovery import describe_genes, open_validation, summarise_validation
from helpers.compute.learning import (
    join_patients,
    log2_expression,
    pool_folds,
    summarise_training,
    thaw_signature,
)
from helpers.errors import DataError, NotPossibleError
from helpers.io.bulk import read_clinical, read_expression
from helpers.io.objects import write_object
from helpers.io.tables import read_table
from helpers.params import SignatureParams, load_defaults
from helpers.stages.discovery import choose_contrast, read_training, run_discovery
from helpers.stages.simulate_tables import write_tables
from helpers.stages.task import Task
from helpers.synth.design import make_design

pytestmark = pytest.mark.xdist_group("discovery")  # what they share is made once
OUTPUTS = ("signature.json", "genes.csv", "folds.csv", "permutations.csv", "scores.csv")


def params(**changes: object) -> SignatureParams:
    fields = SignatureParams.model_fields
    values = {k: v for k, v in load_defaults("discovery").items() if k in fields}
    return SignatureParams.model_validate(values | {"n_permutations": 3} | changes)


def learn(folder: Path, out: str = "out", *, scale: str = "log2", **changes: object) -> Path:
    """Run the job on the tables of a folder; the folder of what it wrote."""
    tables = {
        f"training_{kind}": folder / "bulk" / f"training_{kind}.csv"
        for kind in ("expression", "clinical")
    }
    cells = folder / "rna.h5ad"
    task = Task(
        inputs=(cells,) if cells.exists() else (),
        outputs=tuple(folder / out / name for name in OUTPUTS),
        params=params(**changes).model_dump(),
        design={"scale": scale, "contrasts": [{"test": "NCR", "reference": "CR"}]},
        data=tables,
    )
    run_discovery(task)
    return folder / out


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Folder of the demonstration cohort's tables, the signature learnt from them in ``out``."""
    folder = tmp_path_factory.mktemp("demo")
    write_tables(folder, make_design("demo", n_cells=90))
    learn(folder, n_permutations=10)
    return folder


def validate(folder: Path):
    signature = thaw_signature(json.loads((folder / "out" / "signature.json").read_text()))
    parts = [folder / "bulk" / f"validation_{kind}.csv" for kind in ("expression", "clinical")]
    return open_validation(
        signature, *join_patients(read_expression(parts[0]), read_clinical(parts[1]), min_events=10)
    )


def test_stage_discovery__finds_what_was_planted(demo):
    found = summarise_validation(validate(demo), confidence=0.95).set_index("measure")
    genes = read_table(demo / "out" / "genes.csv")
    planted = set(read_table(demo / "truth" / "bulk.csv").query("log_hazard != 0")["gene"])
    called = set(genes.loc[genes["padj"] < 0.05, "gene"])
    assert found.loc["C-index", "ci_low"] > 0.55
    assert len(called & planted) >= 2
    # genes of a planted gene's module differ with it, less than it does
    assert genes["gene"][0] in planted


def test_stage_discovery__finds_nothing_in_a_null(tmp_path):
    write_tables(tmp_path, make_design("null", n_cells=90))
    with pytest.raises(NotPossibleError, match="No signature"):
        learn(tmp_path)
    assert not (tmp_path / "out").exists()


def test_stage_discovery__shuffled_fates_give_a_c_index_of_one_half(demo):
    drawn = read_table(demo / "out" / "permutations.csv")
    assert len(drawn) == 10
    assert drawn["c_index"].mean() == pytest.approx(0.5, abs=0.02)


def test_stage_discovery__writes_the_same_bytes_for_the_same_seed(demo):
    fast = {"n_permutations": 1, "outer_folds": 2, "inner_folds": 2}
    one, other = (learn(demo, name, **fast) for name in ("one", "other"))
    assert [(one / n).read_bytes() for n in OUTPUTS] == [(other / n).read_bytes() for n in OUTPUTS]


def test_stage_discovery__its_patients_are_refused_as_validation(demo):
    signature = thaw_signature(json.loads((demo / "out" / "signature.json").read_text()))
    expression = read_expression(demo / "bulk" / "training_expression.csv")
    clinical = read_clinical(demo / "bulk" / "training_clinical.csv")
    with pytest.raises(DataError, match="140 patients of the validation tables are training"):
        open_validation(signature, expression, clinical)


def test_read_training__needs_events(demo):
    folder = demo / "bulk"
    with pytest.raises(NotPossibleError, match="A signature needs 5000 events"):
        read_training(
            folder / "training_expression.csv",
            folder / "training_clinical.csv",
            scale="log2",
            params=params(min_events=5000),
        )


# Candidate genes from the cohort's own cells

OTHERS = [f"OTHER{i}" for i in range(200)]  # genes in the cells that the bulk tables lack


def write_cells(
    folder: Path, changed: pd.Series, *, n_each: int = 4, names: tuple[str, ...] = (), seed: int = 0
) -> None:
    """Cells of samples of two groups; genes of ``changed`` differ between them by that log2 ratio.

    In Pro-B cells all of them do, in B cells none; a sample's genes vary by a tenth around its
    group's.
    """
    rng = np.random.default_rng(seed)
    measured = read_expression(folder / "bulk" / "training_expression.csv").columns
    genes = pd.Index([*measured, *OTHERS])
    base = rng.gamma(2.0, 1.0, len(genes)) + 1.0
    shift = changed.reindex(genes).fillna(0.0).to_numpy()
    parts, rows = [], []
    for i in range(2 * n_each):
        group = ("CR", "NCR")[i % 2]
        name = names[i] if i < len(names) else f"{group}{i}"
        for kind in ("Pro-B", "B"):
            log2 = shift if (group, kind) == ("NCR", "Pro-B") else 0.0
            rate = base * 2.0**log2 * np.exp(rng.normal(0, 0.1, len(genes)))
            parts.append(rng.poisson(rate, (15, len(genes))))
            rows += [{"sample": name, "donor": name, "group": group, "cell_type": kind}] * 15
    counts = sparse.csr_matrix(np.vstack(parts).astype(np.float32))
    obs = pd.DataFrame(rows, index=[f"cell{i}" for i in range(len(rows))])
    write_object(ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes)), folder / "rna.h5ad")


def copy_tables(demo: Path, folder: Path) -> pd.Series:
    """The tables of the demonstration cohort in another folder; planted log hazards by gene."""
    for part in ("bulk", "truth"):
        shutil.copytree(demo / part, folder / part)
    return read_table(folder / "truth" / "bulk.csv").set_index("gene")["log_hazard"]


CELLS = {"candidates_from": "pseudobulk", "candidates_cell_type": "Pro-B"}
FAST = {"n_permutations": 0, "outer_folds": 2}


@pytest.fixture
def planted(demo, tmp_path) -> Path:
    """Cells in which the bulk tables' risk genes, 20 others of these and 20 elsewhere differ."""
    hazard = copy_tables(demo, tmp_path)
    risk, bare = hazard[hazard != 0], hazard[hazard == 0].head(20)
    changed = pd.concat([2 * np.sign(risk), 0 * bare + 1.5, pd.Series(1.5, OTHERS[:20])])
    write_cells(tmp_path, changed)
    return tmp_path


def test_run_discovery__finds_genes_planted_in_cells_and_in_fates(planted):
    out = learn(planted, **CELLS, n_candidates=28, n_permutations=5)
    genes = read_table(out / "genes.csv").set_index("gene")
    hazard = read_table(planted / "truth" / "bulk.csv").set_index("gene")["log_hazard"]
    risk = hazard[hazard != 0]
    signature = thaw_signature(json.loads((out / "signature.json").read_text()))
    weights = pd.Series(signature.weights, signature.genes)
    # all that were planted in the cells are called, and those the patients have are candidates
    assert (genes.loc[[*risk.index, *OTHERS[:20]], "padj"] < 0.05).all()
    assert (genes.loc[risk.index, "log2fc"] * risk > 0).all()
    assert genes.loc[risk.index, "candidate"].all()
    assert not genes.loc[OTHERS, ["measured", "candidate"]].to_numpy().any()
    assert genes["candidate"].sum() == 28
    # the patients' fates find the risk genes among them, each with its sign
    assert (weights.reindex(risk.index) * risk > 0).all()
    assert set(weights.abs().nlargest(8).index) == set(risk.index)
    assert pool_folds(read_table(out / "folds.csv")).c_index > 0.65
    found = summarise_validation(validate(planted), confidence=0.95).set_index("measure")
    assert found.loc["C-index", "ci_low"] > 0.6
    assert read_table(out / "permutations.csv")["c_index"].mean() == pytest.approx(0.5, abs=0.05)


def test_run_discovery__says_what_it_compared(planted):
    genes = read_table(learn(planted, **CELLS, **FAST) / "genes.csv")
    row = genes.iloc[0]
    assert (row["unit"], row["contrast"], row["cell_type"]) == ("sample", "NCR vs CR", "Pro-B")
    assert (row["n_test"], row["n_reference"]) == (4, 4)
    assert genes["pvalue"].is_monotonic_increasing
    assert "counts summed over Pro-B cells of every sample" in describe_genes(genes, fdr=0.05)
    every = read_table(
        learn(planted, "all", **(CELLS | {"candidates_cell_type": ""}), **FAST) / "genes.csv"
    )
    assert "counts summed over all cells of every sample" in describe_genes(every, fdr=0.05)


def test_run_discovery__calls_no_gene_of_cells_without_a_difference(planted):
    genes = read_table(
        learn(planted, **(CELLS | {"candidates_cell_type": "B"}), **FAST) / "genes.csv"
    )
    assert (genes["padj"] < 0.05).sum() == 0
    assert (genes["pvalue"] < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_run_discovery__learns_nothing_from_cells_where_fates_hang_on_no_gene(tmp_path):
    write_tables(tmp_path, make_design("null", n_cells=90))
    write_cells(tmp_path, pd.Series(dtype=float))
    with pytest.raises(NotPossibleError, match="No signature"):
        learn(tmp_path, **CELLS)


def test_run_discovery__looks_at_no_response_where_cells_tell_the_candidates(planted):
    clinical = planted / "bulk" / "training_clinical.csv"
    table = read_table(clinical)
    one = learn(planted, "one", **CELLS, **FAST)
    turned = {"resistant": "sensitive", "sensitive": "resistant"}
    table.assign(response=table["response"].map(turned)).to_csv(clinical, index=False)
    other = learn(planted, "other", **CELLS, **FAST)
    assert [(one / n).read_bytes() for n in OUTPUTS] == [(other / n).read_bytes() for n in OUTPUTS]


def test_run_discovery__refuses_patients_who_gave_the_cells(demo, tmp_path):
    hazard = copy_tables(demo, tmp_path)
    write_cells(tmp_path, 2 * np.sign(hazard), names=("T001", "V001"))
    with pytest.raises(
        DataError, match=r"1 training patients gave cells, too \(T001\): their fates"
    ):
        learn(tmp_path, **CELLS)
    write_cells(tmp_path, 2 * np.sign(hazard), names=("V001", "V002"))
    learn(tmp_path, **CELLS, **FAST)
    with pytest.raises(
        DataError, match=r"2 patients .* are donors of the cells, too \(V001, V002\)"
    ):
        validate(tmp_path)


def test_run_discovery__says_what_candidates_from_cells_lack(planted, demo, tmp_path):
    with pytest.raises(NotPossibleError, match=r"from HSC cells, .*; the cohort has B, Pro-B"):
        learn(planted, **(CELLS | {"candidates_cell_type": "HSC"}))
    with pytest.raises(
        NotPossibleError, match="need the contrast CK vs CR; the cohort has NCR vs CR"
    ):
        learn(planted, **CELLS, candidates_contrast="CK vs CR")
    with pytest.raises(NotPossibleError, match="contrast of two groups; the cohort has none"):
        choose_contrast([], "")
    with pytest.raises(NotPossibleError, match=r"NCR vs CR.*: no sample of group"):
        learn(planted, **CELLS, min_cells=500)
    write_cells(planted, pd.Series(dtype=float), n_each=1)
    with pytest.raises(NotPossibleError, match=r"NCR vs CR.*: a group needs two samples"):
        learn(planted, **CELLS)


def test_run_discovery__needs_genes_named_alike_in_cells_and_patients(planted):
    table = planted / "bulk" / "training_expression.csv"
    renamed = read_table(table)
    renamed.assign(gene="ENSG" + renamed["gene"]).to_csv(table, index=False)
    with pytest.raises(
        NotPossibleError, match=r"0 are in the expression table .* Name genes alike"
    ):
        learn(planted, **CELLS)


@pytest.fixture(scope="module")
def laml(real_data, tmp_path_factory) -> Path:
    """TCGA-LAML in the project's tables: every third patient is kept for validation."""
    folder = tmp_path_factory.mktemp("laml")
    clinical = pd.read_csv(real_data / "bulk" / "tcga_laml_clinical_170.csv", index_col=0)
    expression = pd.read_csv(real_data / "bulk" / "tcga_laml_expr_170x500.csv", index_col=0)
    table = pd.DataFrame(
        {
            "sample": clinical.index,
            "time_months": clinical["OS_MONTHS"].clip(lower=0.05),
            "event": clinical["OS_STATUS"].astype(int),
            "age": clinical["AGE"],
            "cytogenetic_risk": clinical["RISK_CYTO"].replace("N.D.", ""),
        }
    )
    (folder / "bulk").mkdir()
    held = np.arange(len(table)) % 3 == 0
    for part, rows in (("training", ~held), ("validation", held)):
        names = table.index[rows]
        values = expression.loc[names].T.rename_axis("gene").reset_index()
        values.to_csv(folder / "bulk" / f"{part}_expression.csv", index=False)
        table[rows].to_csv(folder / "bulk" / f"{part}_clinical.csv", index=False)
    return folder


@pytest.mark.slow
def test_stage_discovery__real_patients_of_tcga_laml(laml):
    out = learn(laml, scale="linear", n_permutations=20)
    drawn = read_table(out / "permutations.csv")
    trained = summarise_training(read_table(out / "folds.csv"), drawn, confidence=0.95)
    assert drawn["c_index"].mean() == pytest.approx(0.5, abs=0.02)
    signature = thaw_signature(json.loads((out / "signature.json").read_text()))
    values = read_expression(laml / "bulk" / "validation_expression.csv")
    clinical = read_clinical(laml / "bulk" / "validation_clinical.csv")
    validation = open_validation(
        signature,
        *join_patients(log2_expression(values, scale="linear"), clinical, min_events=10),
    )
    found = summarise_validation(validation, confidence=0.95).set_index("measure")
    # 113 training and 57 validation patients: what is found is told, not wished for
    assert trained["value"][0] > 0.55
    assert found.loc["C-index", "value"] > 0.5
    assert found.loc["C-index", "n"] == 57
