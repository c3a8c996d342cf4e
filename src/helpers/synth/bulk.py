"""Simulated bulk expression of patients whose survival hangs on planted genes."""

import numpy as np
import pandas as pd

STREAM = 7102  # sets these random numbers apart from those of the cells
N_RISK_GENES = 8
HAZARD = 0.5  # natural-log hazard ratio per standard deviation of a risk gene, its sign alternating
AGE_HAZARD, ADVERSE_HAZARD = 0.02, 0.8  # per year above 55; of adverse against other cytogenetics
SHAPE, SCALE_MONTHS = 0.9, 26.0  # Weibull time of death without any risk
FOLLOW_UP = (12.0, 90.0)  # months, uniform
# Of the blasts that non-responders have more of: in the cells they differ between groups, and the
# more of them in the blood, the earlier an event.
BLAST_GENES = ("CRIM1", "MME", "EBF1", "AKAP12")
N_MODULES = 12  # groups of genes that go up and down together
RISK_CLASSES = {"favourable": 0.2, "intermediate": 0.55, "adverse": 0.25}
# profile -> training patients, validation patients, genes
SIZES = {"bulk": (300, 200, 2000)}
SMALL = (140, 110, 300)


def make_bulk(
    profile: str, seed: int, genes: list[str], *, effects: bool = True
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Training and validation patients, and what was planted.

    Parameters
    ----------
    genes
        Gene symbols to measure; as many as the profile has are drawn. ``BLAST_GENES``, where
        they are among them, are always measured and raise the hazard.
    effects
        Whether expression has to do with survival; age and cytogenetic risk always do.

    Returns
    -------
    ``training_expression``, ``training_clinical``, ``validation_expression``,
    ``validation_clinical`` as a user would hand them in (expression: genes in rows, log2), and
    ``gene``, ``log_hazard``.
    """
    rng = np.random.default_rng([seed, STREAM])
    n_training, n_validation, n_genes = SIZES.get(profile, SMALL)
    chosen = sorted(map(str, rng.choice(genes, min(n_genes, len(genes)), replace=False)))
    hazard = np.zeros(len(chosen))
    planted = rng.choice(len(chosen), N_RISK_GENES, replace=False)
    hazard[planted] = HAZARD * np.where(np.arange(N_RISK_GENES) % 2, -1.0, 1.0)
    chosen = _name_blast_genes(chosen, planted[::2], set(genes))
    level, sd = rng.uniform(3, 11, len(chosen)), rng.uniform(0.5, 1.6, len(chosen))
    module = rng.integers(0, N_MODULES, len(chosen))
    tables: dict[str, pd.DataFrame] = {}
    for part, n, prefix in (("training", n_training, "T"), ("validation", n_validation, "V")):
        names = [f"{prefix}{i + 1:03d}" for i in range(n)]
        z = 0.4 * rng.standard_normal((n, N_MODULES))[:, module]
        z += np.sqrt(1 - 0.4**2) * rng.standard_normal((n, len(chosen)))
        values = (level + sd * z).round(4)
        expression = pd.DataFrame(values.T, index=chosen, columns=names).rename_axis("gene")
        tables[f"{part}_expression"] = expression.reset_index()
        risk = z @ hazard if effects else np.zeros(n)
        tables[f"{part}_clinical"] = _draw_patients(names, risk, rng)
    return tables, pd.DataFrame({"gene": chosen, "log_hazard": hazard * effects})


def _name_blast_genes(chosen: list[str], raising: np.ndarray, genes: set[str]) -> list[str]:
    """The measured genes, those that raise the hazard being named after the blasts' genes."""
    named = list(chosen)
    for i, gene in zip(raising, BLAST_GENES, strict=True):
        if gene in named:
            named[named.index(gene)] = named[i]
        if gene in genes:
            named[i] = gene
    return named


def _draw_patients(names: list[str], risk: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Age, cytogenetic risk, follow-up and response of patients with a genetic log hazard."""
    n = len(names)
    age = np.clip(rng.normal(55, 15, n), 18, 88).round().astype(int)
    classes = rng.choice(list(RISK_CLASSES), n, p=list(RISK_CLASSES.values()))
    total = risk + AGE_HAZARD * (age - 55) + ADVERSE_HAZARD * (classes == "adverse")
    death = SCALE_MONTHS * (rng.exponential(size=n) / np.exp(total)) ** (1 / SHAPE)
    end = rng.uniform(*FOLLOW_UP, n)
    # resistant: the blasts outlive the first courses; the likelier, the higher the hazard
    resistant = rng.random(n) < 1 / (1 + np.exp(-2.4 * risk + 0.4))
    return pd.DataFrame(
        {
            "sample": names,
            "time_months": np.maximum(np.minimum(death, end), 0.1).round(1),
            "event": (death <= end).astype(int),
            "response": np.where(resistant, "resistant", "sensitive"),
            "age": age,
            "cytogenetic_risk": classes,
        }
    )
