"""What every count matrix has, whatever its file: barcodes, features, whole numbers."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.errors import FileError
from helpers.io.reference import symbol_of_id

if TYPE_CHECKING:
    import anndata as ad  # takes a second: imported where it is used

GENE_EXPRESSION = "Gene Expression"
LARGEST = np.iinfo(np.int32).max
# Names that are no symbols: Ensembl ids of any species, with or without version, and bare numbers.
NO_SYMBOL = re.compile(r"(ENS[A-Z]*G\d{11}(\.\d+)?|\d+)$")


@dataclass(frozen=True)
class Features:
    """What a matrix measures; all arrays have one entry a feature."""

    ids: np.ndarray
    names: np.ndarray
    kinds: np.ndarray
    genome: str
    """Genomes named in the file, joined by commas; empty if none."""

    def of_genes(self) -> np.ndarray:
        """Positions of the features that are genes."""
        return np.flatnonzero(self.kinds == GENE_EXPRESSION)


def is_count(values: np.ndarray) -> bool:
    """Whether numbers can be raw counts: whole, not negative, and of a size to be one."""
    return bool(np.all((values >= 0) & (values <= LARGEST) & (values == np.floor(values))))


def not_a_count(values: np.ndarray) -> str:
    """The first of some numbers that cannot be a raw count, for a message."""
    wrong = ~((values >= 0) & (values <= LARGEST) & (values == np.floor(values)))
    return f"{values[wrong][0]:.4g}"


def as_anndata(
    path: Path, counts: sparse.csr_matrix, barcodes: np.ndarray, features: Features
) -> "ad.AnnData":
    """Raw counts of the genes, indexed by barcode and unique symbol.

    Parameters
    ----------
    path
        Where they were read from, for messages.
    counts
        Shape (n_barcodes, n_features).

    Raises
    ------
    FileError
        If they are no counts, no feature is a gene, or a barcode stands twice.
    """
    import anndata as ad

    genes = features.of_genes()
    if len(genes) == 0:
        raise no_genes(path, features)
    if not is_count(counts.data):
        what = f"holds {not_a_count(counts.data)}: normalised, not raw, counts"
        raise FileError(path, what, expected="whole numbers of UMIs", remedy="pass raw counts")
    repeated = repeated_name(barcodes)
    if repeated is not None:
        what = f"has the barcode {repeated!r} twice"
        raise FileError(path, what, expected="each once", remedy="export one matrix a sample")
    kept = counts if len(genes) == counts.shape[1] else counts[:, genes]
    names = unique_names(symbols_for(features.names[genes], features.ids[genes]))
    var = pd.DataFrame({"gene_id": features.ids[genes]}, index=pd.Index(names, name="gene"))
    obs = pd.DataFrame(index=pd.Index(barcodes, name="barcode"))
    return ad.AnnData(kept.astype(np.int32, copy=False), obs=obs, var=var)


def no_genes(path: Path, features: Features) -> FileError:
    """The error that a matrix measures something else than genes."""
    kinds = ", ".join(sorted({str(kind) for kind in features.kinds})) or "none"
    what = f"has no gene expression (feature types: {kinds})"
    return FileError(path, what, expected=GENE_EXPRESSION, remedy="pass the RNA matrix")


def repeated_name(names: np.ndarray) -> str | None:
    """A name that stands more than once, if one does."""
    index = pd.Index(names)
    return None if index.is_unique else str(index[index.duplicated()][0])


def symbols_for(names: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Gene symbols for names: Ensembl ids are translated where known, an empty name is its id."""
    known = symbol_of_id()
    texts = [str(name) or str(own) for name, own in zip(names, ids, strict=True)]
    return np.array([known.get(text.split(".")[0], text) for text in texts], dtype=object)


def unique_names(names: np.ndarray) -> np.ndarray:
    """Names of which each stands once: the second of a name gains ``-1``, the third ``-2``."""
    taken, used = set(names), Counter[str]()
    result = []
    seen: set[str] = set()
    for name in names:
        new = name
        while new in seen or (new != name and new in taken):
            used[name] += 1
            new = f"{name}-{used[name]}"
        seen.add(new)
        result.append(new)
    return np.array(result, dtype=object)
