"""Transcription factors and motif rankings in the formats they come in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from helpers.errors import DataError
from helpers.io.rankings import check_rankings, read_factors, read_motif_factors, read_rankings
from helpers.io.reference import read_genes
from helpers.params import marker_file

TABLE = {
    "A": np.array([0, 2], dtype=np.int16),
    "B": np.array([1, 0], dtype=np.int16),
    "motifs": ["m1", "m2"],
}


def test_read_factors__of_the_project_are_genes_with_a_motif():
    factors = read_factors(marker_file("factors.tsv"))
    assert len(factors) == len(set(factors)) == 877
    assert {"EBF1", "FOSL2", "TCF4", "ERG", "SP1", "ZNF148", "RUNX1", "SPI1"} <= set(factors)
    assert set(factors) <= set(read_genes()["gene"])


def test_read_factors__refuses_a_table_without_them(tmp_path: Path):
    path = tmp_path / "factors.tsv"
    path.write_text("gene\nEBF1\n", encoding="utf-8")
    with pytest.raises(DataError, match="needs a column 'tf'"):
        read_factors(path)


@pytest.mark.parametrize("motif_column", ["motifs", "features"])
@pytest.mark.parametrize("suffix", ["feather", "parquet"])
def test_read_rankings__reads_both_formats_and_versions(
    tmp_path: Path, suffix: str, motif_column: str
):
    table = pa.table(
        {**{k: v for k, v in TABLE.items() if k != "motifs"}, motif_column: TABLE["motifs"]}
    )
    path = tmp_path / f"rankings.{suffix}"
    write = feather.write_feather if suffix == "feather" else parquet.write_table
    write(table, str(path))
    rankings = read_rankings(path)
    assert rankings.index.tolist() == ["m1", "m2"]
    assert rankings.columns.tolist() == ["A", "B"]
    assert rankings.to_numpy().tolist() == [[0, 1], [2, 0]]


def test_read_rankings__refuses_scores_and_tables_without_motifs(tmp_path: Path):
    path = tmp_path / "scores.feather"
    feather.write_feather(pa.table({"A": [0.5], "motifs": ["m1"]}), str(path))
    with pytest.raises(DataError, match="places of gene 'A' are no whole numbers"):
        read_rankings(path)
    feather.write_feather(pa.table({"A": [1]}), str(path))
    with pytest.raises(DataError, match="no column motifs or features"):
        read_rankings(path)


def test_check_rankings__refuses_what_is_neither_format(tmp_path: Path):
    path = tmp_path / "r.feather"
    path.write_text("motifs,A\nm1,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="is neither feather nor parquet"):
        check_rankings(path)


def test_read_motif_factors__takes_pairs_that_are_alike_enough(tmp_path: Path):
    path = tmp_path / "motifs.tbl"
    columns = ["#motif_id", "gene_name", "motif_similarity_qvalue"]
    rows = [("m1", "F", 0.0), ("m1", "F", 0.0005), ("m2", "G", 0.01), ("m2", "F", np.nan)]
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)
    pairs = read_motif_factors(path)
    assert pairs.to_numpy().tolist() == [["m1", "F"], ["m2", "F"]]
    path.write_text("motif\tgene\n", encoding="utf-8")
    with pytest.raises(DataError, match="lacks #motif_id, gene_name"):
        read_motif_factors(path)
