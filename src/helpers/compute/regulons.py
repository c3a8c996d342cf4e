"""Which genes follow which transcription factor, from expression alone: links and modules."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.compute.boosting import Boosting, bin_columns, boost_importances
from helpers.errors import NotPossibleError
from helpers.schema import CELL_TYPE, TARGET, TF

LINK_COLUMNS = (TF, TARGET, "importance", "rho")
TOP = "top {} targets"


def infer_links(
    expression: sparse.csr_matrix,
    genes: pd.Index,
    *,
    factors: Sequence[str],
    targets: Sequence[str],
    settings: Boosting,
    seed: int,
) -> pd.DataFrame:
    """How much each factor tells of each target's expression (GRNBoost2).

    Parameters
    ----------
    expression
        Log-normalised, shape (n_cells, n_genes).
    factors, targets
        Genes of ``genes``; a factor may be a target of others, not of itself.

    Returns
    -------
    ``tf``, ``target``, ``importance`` (above 0) and ``rho``, Pearson's correlation of the two;
    sorted by importance from the highest.

    Raises
    ------
    NotPossibleError
        If there are fewer than two factors or no target.

    References
    ----------
    Moerman et al. (2019) Bioinformatics 35:2159. doi:10.1093/bioinformatics/bty916
    """
    if len(factors) < 2 or len(targets) == 0:
        msg = (
            f"{len(factors)} transcription factors are expressed in enough cells and "
            f"{len(targets)} genes vary; a network needs two factors and one target."
        )
        raise NotPossibleError(msg)
    chosen = expression.tocsc()[:, genes.get_indexer(pd.Index(factors))]
    answer = expression.tocsc()[:, genes.get_indexer(pd.Index(targets))]
    importance = boost_importances(
        bin_columns(chosen),
        answer.T.toarray(),
        pd.Index(factors).get_indexer(pd.Index(targets)),
        settings=settings,
        seed=seed,
    )
    row, column = np.nonzero(importance)
    links = pd.DataFrame(
        {
            TF: np.asarray(factors, dtype=object)[column],
            TARGET: np.asarray(targets, dtype=object)[row],
            "importance": importance[row, column],
            "rho": correlate_columns(answer, chosen)[row, column],
        }
    )
    return links.sort_values(
        ["importance", TF, TARGET], ascending=[False, True, True], ignore_index=True
    )


def correlate_columns(a: sparse.csc_matrix, b: sparse.csc_matrix) -> np.ndarray:
    """Pearson's correlation of every column of ``a`` with every column of ``b``, kept sparse.

    Returns
    -------
    Shape (n_columns_a, n_columns_b); 0 where a column does not vary.
    """
    n = a.shape[0]
    means, deviations = [], []
    for matrix in (a, b):
        mean = np.asarray(matrix.mean(axis=0)).ravel()
        square = np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel()
        means.append(mean)
        deviations.append(np.sqrt(np.maximum(square - mean**2, 0)))
    covariance = (a.T @ b).toarray() / n - np.outer(*means)
    scale = np.outer(*deviations)
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)


def build_modules(
    links: pd.DataFrame,
    *,
    quantiles: Sequence[float],
    top_targets: int,
    top_factors: Sequence[int],
    min_rho: float,
    min_targets: int,
) -> pd.DataFrame:
    """The modules SCENIC makes of a network: several cuts through the links of every factor.

    Parameters
    ----------
    links
        From :func:`infer_links`.
    quantiles
        Links above these quantiles of all importances form a module of their factor each.
    top_targets
        Targets of highest importance of each factor.
    top_factors
        Links to the so many factors of highest importance of each target.
    min_rho
        Correlation above which a factor is taken to turn the target on; other links are left out.
    min_targets
        Targets a module needs.

    Returns
    -------
    ``tf``, ``module`` (the cut), ``target``, ``importance``, ``rho``.

    References
    ----------
    Van de Sande et al. (2020) Nat. Protoc. 15:2247. doi:10.1038/s41596-020-0336-2
    """
    ordered = links.sort_values("importance", ascending=False, kind="stable")
    cuts = {
        f"above quantile {q:g}": ordered["importance"] > links["importance"].quantile(q)
        for q in quantiles
    }
    cuts[TOP.format(top_targets)] = ordered.groupby(TF).cumcount() < top_targets
    place = ordered.groupby(TARGET).cumcount()
    cuts |= {f"top {n} factors": place < n for n in top_factors}
    parts = [ordered[kept].assign(module=name) for name, kept in cuts.items()]
    modules = pd.concat(parts, ignore_index=True)
    modules = modules[modules["rho"] > min_rho]
    size = modules.groupby([TF, "module"])[TARGET].transform("size")
    columns = [TF, "module", TARGET, "importance", "rho"]
    return modules.loc[size >= min_targets, columns].reset_index(drop=True)


def keep_top(modules: pd.DataFrame, *, top_targets: int, min_importance: float) -> pd.DataFrame:
    """Regulons without any evidence of binding: the surest of each factor's top targets.

    Parameters
    ----------
    min_importance
        Importance a link needs. Without it a factor that tells little of any gene has as many
        targets as one that tells much.

    Returns
    -------
    ``tf``, ``target``, ``importance``, ``rho``, ``support`` (0) and ``pruned`` (false).
    """
    is_top = modules["module"] == TOP.format(top_targets)
    top = modules[is_top & (modules["importance"] > min_importance)]
    return top[list(LINK_COLUMNS)].assign(support=0, pruned=False).reset_index(drop=True)


def list_regulons(regulons: pd.DataFrame, *, min_targets: int) -> dict[str, list[str]]:
    """Targets of every factor that has enough of them, itself included, as SCENIC does."""
    return {
        str(factor): [str(factor), *part[TARGET]]
        for factor, part in regulons.groupby(TF, sort=True)
        if len(part) >= min_targets
    }


def count_regulons(regulons: pd.DataFrame, modules: pd.DataFrame) -> pd.DataFrame:
    """One row a factor: ``tf``, ``n_modules``, ``n_candidates``, ``n_targets``, ``pruned``."""
    table = regulons.groupby(TF).agg(n_targets=(TARGET, "size"), pruned=("pruned", "all"))
    grouped = modules.groupby(TF)
    table.insert(0, "n_modules", grouped["module"].nunique())
    table.insert(1, "n_candidates", grouped[TARGET].nunique())
    return table.sort_values("n_targets", ascending=False, kind="stable").reset_index()


def pick_targets(regulons: pd.DataFrame, factors: Sequence[str], *, n: int) -> pd.DataFrame:
    """The ``n`` targets of highest importance of each of some factors."""
    mine = regulons[regulons[TF].isin(factors)]
    ordered = mine.sort_values([TF, "importance"], ascending=[True, False], kind="stable")
    return ordered.groupby(TF, sort=False).head(n).reset_index(drop=True)


def explain_unscored(
    regulons: pd.DataFrame, modules: pd.DataFrame, *, min_targets: int
) -> pd.DataFrame:
    """Factors with a module whose regulon is too small to be scored, as claims look them up.

    Returns
    -------
    ``measure`` (``regulon`` and ``regulon_lead``), ``feature``, ``reason``; no cell type and no
    group, for the reason holds in all of them.
    """
    sizes = regulons.groupby(TF).size().reindex(modules[TF].unique(), fill_value=0)
    few = sizes[sizes < min_targets]
    size = "is too small to be scored (targets kept: {}; needed: {})"
    reasons = [f"the regulon of {tf} {size.format(n, min_targets)}" for tf, n in few.items()]
    rows = pd.DataFrame({"feature": few.index, "reason": reasons}, dtype=object)
    blank = {CELL_TYPE: "", "test_group": "", "reference_group": ""}
    parts = [rows.assign(measure=measure, **blank) for measure in ("regulon", "regulon_lead")]
    return pd.concat(parts, ignore_index=True)


def describe_pruning(regulons: pd.DataFrame, pooled: pd.DataFrame) -> str:
    """What the targets rest on, as a sentence.

    Parameters
    ----------
    pooled
        From :func:`helpers.compute.activity.pool_support`: a motif in a linked peak is evidence
        only where targets hold it more often than other genes do.
    """
    pruned = regulons.groupby(TF)["pruned"].all()
    if not pruned.any():
        return (
            "No motif has a say: targets rest on expression alone, and genes that merely go along with "
            "a factor are among them."
        )
    rest = "" if pruned.all() else f" The other {int((~pruned).sum())} rest on expression alone."
    n, (low, high) = int(pruned.sum()), pooled[["ci_low", "ci_high"]].iloc[0]
    if pd.isna(low):
        return f"Targets of {n} factors are supported by a motif.{rest}"
    more = "more often" if low > 0 else "more seldom" if high < 0 else "not more often"
    return (
        f"Targets of {n} factors hold a motif of their factor in a linked peak ({more} than other "
        f"genes, all factors taken together; panel E).{rest}"
    )


def rate_links(links: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """How well importances rank planted targets above all other genes, factor by factor.

    Parameters
    ----------
    links
        ``tf``, ``target``, ``importance``; pairs without a row have importance 0. The genes that
        stand in ``target`` for any factor are those that were asked about.
    planted
        ``tf`` and ``target``.

    Returns
    -------
    ``tf``, ``n_planted`` (asked about), ``n_genes``, ``auprc`` (average precision), ``random``
    (its value for a random order), ``ratio``; the last row, ``all``, pools the pairs.
    """
    from sklearn.metrics import average_precision_score

    genes = pd.Index(links[TARGET].unique())
    rows, truths, scores = [], [], []
    for factor, part in planted.groupby(TF, sort=False):
        others = genes[genes != factor]
        truth = others.isin(part[TARGET])
        mine = links[links[TF] == factor].set_index(TARGET)["importance"]
        score = mine.reindex(others, fill_value=0.0).to_numpy()
        truths.append(truth)
        scores.append(score)
        rows.append((factor, truth, score))
    if truths:
        rows.append(("all", np.concatenate(truths), np.concatenate(scores)))
    table = [
        {
            TF: name,
            "n_planted": int(truth.sum()),
            "n_genes": len(truth),
            "auprc": average_precision_score(truth, score) if truth.any() else np.nan,
            "random": truth.mean(),
        }
        for name, truth, score in rows
    ]
    rated = pd.DataFrame(table, columns=[TF, "n_planted", "n_genes", "auprc", "random"])
    return rated.assign(ratio=rated["auprc"] / rated["random"])
