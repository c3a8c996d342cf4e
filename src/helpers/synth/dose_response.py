"""Simulated dose series: parental and resistant lines, and two drugs that help each other."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

STREAM = 7101  # sets these random numbers apart from those of the cells
WELL_SD, PLATE_SD = 0.05, 0.08  # noise of a well; spread of log2 IC50 between plates
SIGNAL = 12_000.0  # luminescence of an untreated well at the end; at the start a quarter of it
PLATES, REPLICATES = 3, 3
SELINEXOR_NM = (0, 10, 30, 100, 300, 1000, 3000, 10_000)
CYTARABINE_NM = (0, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
MATRIX_SELINEXOR_NM = (0, 30, 100, 300, 1000, 3000)
MATRIX_RSL3_NM = (0, 10, 30, 100, 300, 1000)


@dataclass(frozen=True)
class Potency:
    """How a drug acts on a line."""

    ic50_nm: float
    slope: float
    bottom: float

    def leave(self, dose_nm: np.ndarray, shift: float = 1.0) -> np.ndarray:
        """Share of cells left at each dose; ``shift`` multiplies the IC50."""
        ratio = (np.asarray(dose_nm, dtype=float) / (self.ic50_nm * shift)) ** self.slope
        return self.bottom + (1 - self.bottom) / (1 + ratio)


# Line -> parental line and what each drug does to it. K562 after the poster on selinexor resistance
# (it prints figures, not numbers); HL60 with cytarabine after doi:10.21873/cgp.20533.
LINES: dict[str, tuple[str, dict[str, Potency]]] = {
    "K562": ("", {"selinexor": Potency(120, 1.4, 0.06), "RSL3": Potency(400, 1.3, 0.08)}),
    "K562-SR": ("K562", {"selinexor": Potency(1100, 1.2, 0.1), "RSL3": Potency(350, 1.3, 0.08)}),
    "HL60": ("", {"cytarabine": Potency(60, 1.1, 0.05)}),
    "HL60-R": ("HL60", {"cytarabine": Potency(2400, 1.0, 0.1)}),
}
# How many times RSL3 at full effect lowers the IC50 of selinexor, beyond killing by itself.
POTENTIATION = {"K562": 1.0, "K562-SR": 6.0}
FLAT_DRUG = "vehicle"  # a drug that does nothing: no IC50 must be reported for it


def make_dose_series(seed: int, *, effects: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Wells of a dose series, and what was planted.

    Parameters
    ----------
    effects
        Whether resistant lines are resistant and the drugs help each other.

    Returns
    -------
    Wells as a user would hand them in, and one row a line and drug: ``line``, ``parental``,
    ``drug``, ``ic50_um``, ``slope``, ``bottom``, ``potentiation``.
    """
    rng = np.random.default_rng([seed, STREAM])
    parts, truth = [], []
    for line, (parental, _) in LINES.items():
        potencies = LINES[line if effects or not parental else parental][1]
        shifts = {drug: np.exp2(rng.normal(0, PLATE_SD, PLATES)) for drug in potencies}
        help_ = POTENTIATION.get(line, 1.0) if effects else 1.0
        for drug, potency in potencies.items():
            row: dict[str, object] = {"line": line, "parental": parental, "drug": drug}
            row |= {"ic50_um": potency.ic50_nm / 1000, "slope": potency.slope}
            truth.append(row | {"bottom": potency.bottom, "potentiation": help_})
        for plate in range(PLATES):
            wells = _list_wells(line, potencies)
            wells["left"] = _leave(wells, potencies, shifts, plate, help_)
            parts.append(_read_out(wells, line, parental, plate, rng))
    return pd.concat(parts, ignore_index=True), pd.DataFrame(truth)


def _list_wells(line: str, potencies: dict[str, Potency]) -> pd.DataFrame:
    """Doses of one plate: a series of the first drug, one that does nothing, a matrix if there are two."""
    first = next(iter(potencies))
    doses = SELINEXOR_NM if first == "selinexor" else CYTARABINE_NM
    rows = [(first, dose, "", 0, n) for dose in doses for n in range(1, REPLICATES + 1)]
    if not line.startswith("K562"):
        rows += [(FLAT_DRUG, dose, "", 0, 1) for dose in doses[1:]]
    if len(potencies) > 1:
        rows += [
            (first, dose, "RSL3", other, 1)
            for dose in MATRIX_SELINEXOR_NM
            for other in MATRIX_RSL3_NM
            if dose or other
        ]
    return pd.DataFrame(rows, columns=["drug", "dose", "drug_2", "dose_2", "replicate"])


def _leave(
    wells: pd.DataFrame,
    potencies: dict[str, Potency],
    shifts: dict[str, np.ndarray],
    plate: int,
    potentiation: float,
) -> np.ndarray:
    """Share of cells left in each well: independent action, the first drug made stronger by the second."""
    first = next(iter(potencies))
    left = np.ones(len(wells))
    second = np.ones(len(wells))
    if len(potencies) > 1:
        second = potencies["RSL3"].leave(wells["dose_2"].to_numpy(), shifts["RSL3"][plate])
    # the lowest tenth of RSL3's effect already sensitises fully: ferroptosis is primed before it kills
    primed = np.clip((1 - second) / 0.1, 0, 1)
    shift = shifts[first][plate] / potentiation**primed
    mine = (wells["drug"] == first).to_numpy()
    left[mine] = potencies[first].leave(wells["dose"].to_numpy()[mine], 1.0 * shift[mine])
    return left * second


def _read_out(
    wells: pd.DataFrame, line: str, parental: str, plate: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Wells as a plate reader gives them."""
    level = SIGNAL * rng.lognormal(0, 0.15)
    noisy = wells["left"] + rng.normal(0, WELL_SD, len(wells))
    two = wells["drug_2"] != ""
    return pd.DataFrame(
        {
            "line": line,
            "parental": parental,
            "plate": f"{line}-{plate + 1}",
            "replicate": wells["replicate"],
            "drug": wells["drug"],
            "dose": wells["dose"],
            "unit": "nM",
            "drug_2": wells["drug_2"],
            "dose_2": wells["dose_2"].where(two, ""),
            "unit_2": np.where(two, "nM", ""),
            "response": (level * np.maximum(noisy, 0.002)).round(1),
            "start": round(level / 4, 1),
        }
    )
