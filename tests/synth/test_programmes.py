"""Gene programmes of the simulation: real genes, sensible trees."""

import pytest

from helpers.io.reference import read_genes
from helpers.synth.design import COMPOSITION
from helpers.synth.programmes import (
    CELL_TYPES,
    DEPTH,
    GROUP_SHIFTS,
    LINEAGE,
    REGULONS,
    SUBCLUSTER_GENES,
    TYPE_GENES,
    levels,
    named_genes,
    type_levels,
)


def test_levels__by_hand():
    assert levels({4.0: "AVP HLF", 0.5: "THY1"}) == {"AVP": 4.0, "HLF": 4.0, "THY1": 0.5}


def test_type_levels__lets_the_later_list_win():
    # SPINK2 is MID among the stem-cell genes and HIGH among those of HSC/MPP
    assert type_levels("HSC/MPP")["SPINK2"] == 12.0
    assert type_levels("Progenitor")["SPINK2"] == 4.0


def test_named_genes__are_all_human_genes_with_a_place():
    assert named_genes() <= set(read_genes()["gene"])


@pytest.mark.parametrize("table", [TYPE_GENES, DEPTH, COMPOSITION.index])
def test_cell_types__are_the_same_in_every_table(table):
    assert set(table) == set(CELL_TYPES)


def test_lineage__leads_from_every_type_to_a_root():
    for cell_type in CELL_TYPES:
        path = [cell_type]
        while LINEAGE[path[-1]][0] is not None:
            path.append(LINEAGE[path[-1]][0])
        assert len(path) == len(set(path)) <= 4
        assert path[-1] in {"T", "B", "stem", "Classical monocytes"}


def test_programmes__list_no_gene_twice_in_one_table():
    tables = [part for parts in TYPE_GENES.values() for part in parts]
    tables += [*SUBCLUSTER_GENES.values(), *GROUP_SHIFTS.values()]
    listed = [[gene for names in table.values() for gene in names.split()] for table in tables]
    listed += [targets.split() for targets in REGULONS.values()]
    assert [genes for genes in listed if len(set(genes)) < len(genes)] == []


def test_type_genes__neighbours_share_most_of_their_genes():
    naive, memory = set(type_levels("Naive CD4+ T")), set(type_levels("Memory CD4+ T"))
    monocytes = set(type_levels("Classical monocytes"))
    assert len(naive & memory) / len(naive | memory) > 0.75
    assert len(naive & monocytes) / len(naive | monocytes) < 0.05
