"""Reference tables: genes in their order, arms by the middle of a gene."""

import pandas as pd

from helpers.io.reference import arm_of_genes, read_arms, read_genes, symbol_of_id

# Cytogenetic bands from HGNC (genenames.org).
BANDS = {
    "TP53": "17p",
    "BCR": "22q",
    "ABL1": "9q",
    "CDKN2A": "9p",
    "IKZF1": "7p",
    "ETV6": "12p",
    "RUNX1": "21q",
    "CD79A": "19q",
    "XIST": "Xq",
    "MT-CO1": "",
}


def test_arm_of_genes__by_hand():
    # 1p ends with the centromere's middle, where its row in the table ends
    end = int(read_arms().set_index("arm").loc["1p", "end"])
    genes = pd.DataFrame(
        {
            "chrom": ["chr1", "chr1", "chr1", "chr1", "chrM", "GL000220.1"],
            "start": [0, end - 10, end - 5, end, 0, 0],
            "end": [10, end + 8, end + 5, end + 9, 10, 10],
        }
    )
    assert arm_of_genes(genes).tolist() == ["1p", "1p", "1q", "1q", "", ""]


def test_arm_of_genes__agrees_with_known_bands():
    genes = read_genes().drop_duplicates("gene").set_index("gene").loc[list(BANDS)]
    assert arm_of_genes(genes).to_dict() == BANDS


def test_read_arms__meet_without_a_gap():
    arms = read_arms().set_index("arm")
    chroms = [*map(str, range(1, 23)), "X", "Y"]
    assert sorted(arms.index) == sorted(f"{c}{side}" for c in chroms for side in "pq")
    for chrom in chroms:
        assert arms.loc[f"{chrom}p", "start"] == 0
        assert arms.loc[f"{chrom}p", "end"] == arms.loc[f"{chrom}q", "start"]
        assert arms.loc[f"{chrom}q", "chrom"] == f"chr{chrom}"


def test_read_genes__are_in_genomic_order():
    genes = read_genes()
    assert genes["gene_id"].is_unique
    assert (genes["start"] < genes["end"]).all()
    for _, rows in genes.groupby("chrom", sort=False):
        assert rows["start"].is_monotonic_increasing
    assert set(genes["strand"]) <= {"+", "-", "."}


def test_symbol_of_id__knows_genes():
    known = symbol_of_id()
    # from Ensembl 110
    expected = {"ENSG00000141510": "TP53", "ENSG00000198851": "CD3E", "ENSG00000204287": "HLA-DRA"}
    assert {gene_id: known[gene_id] for gene_id in expected} == expected
