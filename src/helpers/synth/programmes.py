"""What the simulated cells express: gene programmes of types, subclusters and groups.

Levels are mean UMIs per 10,000 in a cell where the gene is on. They were set by hand to the
orders of magnitude seen in blood; which gene belongs where is textbook haematology and, for the
subclusters, Liu et al. 2025 (doi:10.3389/fimmu.2025.1645546), Figures 4C and 5C.
"""

HIGH, MID, LOW, FAINT = 12.0, 4.0, 1.5, 0.5

CELL_TYPES = (
    "CD8+ NKT-like",
    "Classical monocytes",
    "HSC/MPP",
    "Memory CD4+ T",
    "Naive B",
    "Naive CD4+ T",
    "Naive CD8+ T",
    "Pre-B",
    "Pro-B",
    "Progenitor",
)

# The tree along which types diverge: each edge changes random genes on top of the named ones.
# (parent, share of genes that change, standard deviation of their log fold)
LINEAGE: dict[str, tuple[str | None, float, float]] = {
    "T": (None, 0.08, 0.7),
    "B": (None, 0.08, 0.7),
    "stem": (None, 0.08, 0.7),
    "Classical monocytes": (None, 0.12, 0.8),
    "CD4": ("T", 0.02, 0.4),
    "CD8": ("T", 0.02, 0.4),
    "Naive CD4+ T": ("CD4", 0.02, 0.4),
    "Memory CD4+ T": ("CD4", 0.03, 0.5),
    "Naive CD8+ T": ("CD8", 0.02, 0.4),
    "CD8+ NKT-like": ("CD8", 0.06, 0.7),
    "Naive B": ("B", 0.05, 0.6),
    "early B": ("B", 0.04, 0.5),
    "Pre-B": ("early B", 0.04, 0.5),
    "Pro-B": ("early B", 0.04, 0.5),
    "HSC/MPP": ("stem", 0.04, 0.5),
    "Progenitor": ("stem", 0.05, 0.6),
}

T_CELL = {
    11.0: "CD3D",
    7.5: "CD3E",
    5.0: "TRAC TRBC2 TRBC1",
    3.5: "LCK CD2 CD7",
    2.0: "CD247 CD3G LAT",
    0.8: "CD6 SKAP1 BCL11B CD5 ITK ZAP70",
    0.4: "THEMIS",
}
B_CELL = {
    100.0: "CD74 HLA-DRA",
    25.0: "CD37 HLA-DRB1 HLA-DPA1 HLA-DPB1",
    15.0: "CD79A CD79B",
    10.0: "HLA-DQA1 HLA-DQB1",
    LOW: "CD19 CD22 BLNK BLK FCRLA",
    FAINT: "PAX5 SYK",
}
STEM = {
    MID: "CD34 SOX4 SPINK2 PRSS57",
    LOW: "KIT FLT3 MYB CD99 ERG LMO2 GATA2 ANGPT1 SMIM24 EGFL7 STMN1",
}

# Levels of T subsets, monocytes and naive B are rounded from the 10x PBMC 3k data (CC-BY):
# subsets share most markers and differ by small factors, as they do in blood.
TYPE_GENES: dict[str, list[dict[float, str]]] = {
    "Naive CD4+ T": [
        T_CELL,
        {
            20.0: "LTB",
            13.5: "LDHB",
            10.0: "IL32",
            6.0: "NOSIP IL7R S100A4",
            5.0: "SELL",
            3.0: "CCR7 PIK3IP1 ANXA1",
            2.2: "LEF1 TCF7 MAL",
            1.2: "FHIT AQP3 TRABD2A CRIP1",
            0.9: "RCAN3 LINC00861 CD40LG GPR183",
            0.5: "TSHZ2 CD4 ACTN1 GATA3",
            0.25: "AK5 TNFRSF4 ITGB1 KLRB1",
        },
    ],
    "Memory CD4+ T": [
        T_CELL,
        {
            34.0: "LTB",
            25.0: "S100A4",
            18.0: "IL32",
            13.5: "LDHB",
            9.0: "ANXA1 IL7R",
            5.0: "NOSIP",
            3.5: "CRIP1 AQP3 SELL",
            2.0: "TCF7 PIK3IP1 TIMP1",
            1.3: "CCR7 LEF1 MAL CD40LG TNFRSF4 GPR183 RORA",
            0.8: "TRABD2A RCAN3 CD4 GATA3 ITGB1 TNFRSF25",
            0.5: "FHIT KLRB1 CXCR3 LINC00861 CCR6",
            0.3: "TSHZ2 ACTN1 MAF",
        },
    ],
    "Naive CD8+ T": [
        T_CELL,
        {
            16.0: "LTB",
            12.0: "LDHB",
            10.0: "IL32",
            6.0: "CD8B S100A4",
            5.0: "NOSIP SELL IL7R",
            3.5: "CD8A",
            2.8: "CCR7 PIK3IP1 LINC02446 ANXA1",
            2.2: "LEF1 TCF7",
            1.3: "NELL2 OXNAD1 MAL",
            0.8: "S100B RGS10 TRABD2A RCAN3 LINC00861 CRIP1",
            0.4: "CRTAM ACTN1 ABLIM1 FHIT",
        },
    ],
    "CD8+ NKT-like": [
        T_CELL,
        {
            50.0: "NKG7 CCL5",
            28.0: "S100A4",
            22.0: "IL32 GNLY",
            12.0: "GZMA CST7 CTSW GZMH",
            8.0: "GZMB PRF1 GZMK LTB",
            7.0: "FGFBP2 LDHB",
            4.5: "CD8A HOPX KLRG1 CCL4 IL7R",
            3.5: "CD8B ANXA1",
            2.2: "FCGR3A KLRD1 NOSIP SELL",
            1.0: "KLRB1 SPON2 S1PR5 MATK PIK3IP1 TCF7 TRGC2",
            0.6: "TBX21 EOMES CX3CR1 PRSS23 ADGRG1 EFHD2",
            0.2: "KLRF1 CCR7 LEF1",
        },
    ],
    "Classical monocytes": [
        {
            180.0: "LYZ",
            135.0: "S100A9 FTL",
            80.0: "S100A8",
            50.0: "CST3 TYROBP",
            38.0: "LGALS1 HLA-DRA CD74",
            22.0: "FCN1 CTSS LST1 AIF1 FCER1G",
            7.0: "CD14 MS4A6A GRN CD68 SERPINA1 CEBPD SPI1",
            2.7: "S100A12 MNDA G0S2 CSF3R IL1B VCAN",
            1.2: "CSTA CD36 CYBB CLEC7A",
            0.5: "CLEC12A TLR2 CXCL8",
        }
    ],
    "Naive B": [
        B_CELL,
        {
            30.0: "IGHM IGKC",
            12.0: "MS4A1 TCL1A IGHD",
            5.0: "LINC00926 BANK1 VPREB3",
            3.0: "FCER2 CD24",
            1.4: "IL4R RALGPS2 CD72 FCMR SPIB YBX3 FCRL1",
            FAINT: "TNFRSF13C CXCR5 CR2 CD200 IGLC3 BACH2",
        },
    ],
    "Pre-B": [
        B_CELL,
        {
            HIGH: "IGLL5 VPREB3",
            MID: "CD24 CD9 IGHM PCDH9 SOX4 TCL1A",
            LOW: "MME CD38 IGLL1 RAG1 ACSM3 VPREB1 NSMCE1 MYLK CCDC191 HMGB1 CD72",
            FAINT: "RAG2 MS4A1 BACH2 LEF1 TCF4",
        },
    ],
    "Pro-B": [
        B_CELL,
        {
            HIGH: "VPREB1 IGLL1",
            MID: "DNTT EBF1 SOX4 CD99 CD9 MME ARPP21 AKAP12",
            LOW: "RAG1 RAG2 TCF3 ERG ADA CD34 STMN1 VPREB3 ZNF148 CD38 TCF4 ZCCHC7 SSBP2 LEF1",
            FAINT: "CYGB SOCS2 NPY TP53INP1 IL7R CD24",
        },
    ],
    "HSC/MPP": [
        STEM,
        {
            HIGH: "SPINK2",
            MID: "AVP MLLT3 FAM30A MSI2",
            LOW: "CRHBP HLF MEIS1 HOPX NRIP1 PROM1 HOXA9 NPR3 MECOM BEX3 FOSL2 TFPI SELENOP NPDC1",
            FAINT: "EMCN HOXA5 THY1 PRDM16 KIAA0087 RBPMS",
        },
    ],
    "Progenitor": [
        STEM,
        {
            HIGH: "MPO AZU1",
            MID: "PRTN3 ELANE CTSG CPA3 IGLL1",
            LOW: "CEBPA GATA1 TYMS PCLAF HBD CNRIP1 CALR CSF3R NUCB2 TUBA1B H2AZ1 MKI67 RNASE2",
            FAINT: "KLF1 TOP2A CLEC11A SRGN CEBPE",
        },
    ],
}

# Genes every cell expresses strongly (level per 10,000 UMIs); ribosomal and mitochondrial
# genes are added by their symbols.
HOUSEKEEPING = {
    120.0: "MALAT1 B2M",
    60.0: "TMSB4X EEF1A1 FTL",
    40.0: "TPT1 ACTB FTH1 TMSB10 FAU",
    20.0: "PTMA NACA UBA52 HLA-B HLA-A HLA-C MT-CO1 H3-3B PFN1 RACK1",
    8.0: "OAZ1 ACTG1 COX4I1 EIF1 CFL1 SERF2 ATP5F1E YBX1 HSP90AB1 GAPDH ARPC1B CORO1A PTPRC "
    "MYL6 MYL12A UBC BTG1 JUNB FOS JUN DUSP1 HNRNPA2B1 TOMM7 COX7C NPM1 EEF1B2 EEF1D EIF3E "
    "SRSF7 DDX5 ZFP36 CD44 CD48 LAPTM5 ARHGDIB RAC2 CALM1 GSTP1 VIM S100A6 ENO1 TXNIP KLF2 "
    "CXCR4 SARAF LIMD2 PABPC1 HMGB1",
}
RIBOSOMAL_LEVEL, MITOCHONDRIAL_LEVEL = 26.0, 28.0

SUBCLUSTER_GENES: dict[tuple[str, str], dict[float, str]] = {
    ("HSC/MPP", "0"): {MID: "TCF4 EBF1 ERG AL589693.1 CRIM1"},
    ("HSC/MPP", "1"): {},
    ("HSC/MPP", "2"): {MID: "RASA3 CD247 EML4 SKAP1 ANKRD44"},
    ("Pro-B", "0"): {MID: "NEIL1 AC007384.1 CRIM1"},
    ("Pro-B", "1"): {},
    ("Pro-B", "2"): {HIGH: "HMGB2 TUBA1B", MID: "SKAP1"},
    ("Pro-B", "3"): {LOW: "TYMS PCLAF MKI67 CENPF"},
    ("Pro-B", "4"): {HIGH: "PPBP PF4", MID: "GP1BB NRGN"},
}
# Genes on everywhere that a subcluster turns up: log2 fold.
SUBCLUSTER_SHIFTS: dict[tuple[str, str], dict[float, str]] = {
    ("HSC/MPP", "1"): {1.7: "RPS27 RPL41 RPS15A RPS18 RPL13"},
    ("Pro-B", "0"): {1.6: "RPS29 B2M RPL41 RPS21"},
    ("Pro-B", "1"): {2.8: "RPS29 B2M RPL41 RPS21"},
    ("Pro-B", "2"): {2.0: "PTPRC"},
    ("Pro-B", "4"): {2.5: "OAZ1"},
}
SUBCLUSTERED = ("HSC/MPP", "Pro-B")
# Every subcluster also changes random genes, as the edges of the lineage do.
SUBCLUSTER_EDGE = (0.2, 0.4)

# Members of pathways, textbook knowledge; those that name a cell type when clusters are labelled
# (CD3D, CD79A) are left out, so that a shift does not rename the cells.
ANTIGEN_RECEPTOR_B = (
    "CD79B CD19 CD22 BLNK BTK SYK LYN PLCG2 PIK3CD PIK3AP1 VAV3 BLK DAPP1 CR2 CD72 GRB2 SOS1 CARD11 "
    "NFATC3 PIK3CG"
)
ANTIGEN_RECEPTOR_T = (
    "CD247 LCK ZAP70 LAT ITK LCP2 FYB1 SKAP1 THEMIS TRAT1 PTPN22 NFATC2 GRAP2 RASGRP1 PLCG1 VAV1 "
    "CARD11 MALT1 TEC CD28"
)
NOTCH = (
    "NOTCH1 NOTCH2 NOTCH3 JAG1 JAG2 DLL1 DLL4 HES1 HES5 HEY1 HEYL MAML1 MAML2 MAML3 RBPJ ADAM17 "
    "NCSTN APH1A PSEN2 LFNG MFNG RFNG DTX1 DTX3 NUMBL"
)
ALLOGRAFT = (
    "HLA-DMA HLA-DMB HLA-DOA HLA-DOB HLA-E HLA-G TAP1 TAP2 TAPBP B2M IL2RG IL2RB IL7 IL10 IL15 IL18 "
    "IFNGR1 IFNGR2 STAT1 STAT4 JAK2 IRF4 IRF8 CD40 CD80 CD86 FAS TGFB1 CCR2 ICOSLG GBP2 UBE2N CD1D"
)
TNF_NFKB = (
    "NFKB1 NFKB2 NFKBIA NFKBIE REL RELA RELB TNFAIP2 TNFAIP3 TNFAIP8 TNIP1 TRAF1 BIRC3 ICAM1 "
    "ATF3 IER2 IER3 IER5 EGR1 EGR2 EGR3 DUSP2 DUSP4 DUSP5 KLF4 KLF6 KLF10 NR4A1 NR4A2 NR4A3 MYC MCL1 "
    "BCL3 GADD45A GADD45B CD69 CD83 CCL20 CXCL2 CXCL3 PTGS2 SOD2 SGK1 IL6"
)
REPLICATION = (
    "MCM2 MCM3 MCM4 MCM5 MCM6 MCM7 PCNA RPA1 RPA2 RPA3 RFC1 RFC2 RFC3 RFC4 RFC5 POLA1 POLA2 POLD1 "
    "POLD2 POLD3 POLE POLE2 PRIM1 PRIM2 LIG1 FEN1 RNASEH2A GINS2 DNA2"
)
CELL_CYCLE = (
    "CDK1 CCNA2 CCNB1 CCNB2 CCNE2 CDC6 CDC20 CDC25A CDC25C CDC45 CDC7 ORC1 ORC6 DBF4 CHEK1 CHEK2 "
    "BUB1 BUB1B MAD2L1 PLK1 PTTG1 ESPL1 TTK E2F1 E2F2 SKP2 PKMYT1 WEE1 CDK2 CDK4 RBL1 TFDP1"
)
MISMATCH_REPAIR = (
    "MSH2 MSH6 MSH3 MLH1 MLH3 PMS2 EXO1 PCNA RFC1 RFC2 RFC3 RFC4 RFC5 RPA1 RPA2 RPA3 LIG1 POLD1 POLD2 "
    "POLD3 SSBP1"
)

# Pathways a subcluster turns up or down (Liu et al. 2025, Figures 4D and 5D): log2 fold.
SUBCLUSTER_PATHWAYS: dict[tuple[str, str, str], dict[float, str]] = {
    ("HSC/MPP", "0", "Allograft rejection"): {1.3: ALLOGRAFT},
    ("HSC/MPP", "0", "Notch signaling pathway"): {1.3: NOTCH},
    ("HSC/MPP", "2", "TNF-alpha signaling via NF-kB"): {1.0: TNF_NFKB},
    ("HSC/MPP", "2", "T cell receptor signaling pathway"): {1.0: ANTIGEN_RECEPTOR_T},
    ("Pro-B", "0", "B cell receptor signaling pathway"): {1.2: ANTIGEN_RECEPTOR_B},
    ("Pro-B", "2", "mitotic cell cycle"): {1.4: CELL_CYCLE},
    ("Pro-B", "2", "DNA replication"): {1.4: REPLICATION},
    ("Pro-B", "2", "mismatch repair"): {1.4: MISMATCH_REPAIR},
    ("Pro-B", "3", "mitotic cell cycle"): {1.6: CELL_CYCLE},
    ("Pro-B", "3", "DNA replication"): {1.6: REPLICATION},
    ("Pro-B", "3", "mismatch repair"): {1.6: MISMATCH_REPAIR},
}

# Processes that differ between non-remission and remission inside a type: log2 fold in NCR.
GROUP_SHIFTS: dict[tuple[str, str], dict[float, str]] = {
    ("HSC/MPP", "B cell receptor signaling pathway"): {2.0: ANTIGEN_RECEPTOR_B},
    ("HSC/MPP", "T cell receptor signaling pathway"): {-0.4: ANTIGEN_RECEPTOR_T},
    ("Pro-B", "positive regulation of transcription by RNA polymerase II"): {
        1.0: "BRD4 MED1 MED12 MED13 MED14 CREBBP EP300 KMT2A KMT2C KMT2D SMARCA4 SMARCC1 ARID1A ARID1B "
        "BPTF NCOA1 NCOA2 NCOA3 CHD4 CHD7 SETD2 TAF1 POLR2A CDK9 CCNT1 BRD2 SUPT5H SUPT6H"
    },
    ("Pro-B", "DNA replication"): {-1.0: REPLICATION},
    ("Pro-B", "factors lost with their motifs"): {-0.9: "SP1 SP3 NRF1"},
}

# Published signatures that differ in NCR inside a type: log2 fold. Of long lists a part moves; genes
# every cell expresses strongly stay, since moving them would move all others.
SIGNATURE_SHIFTS: dict[tuple[str, str], dict[float, str]] = {
    ("Pro-B", "cytarabine_cytokine"): {1.2: "BCL3 OAS3 RELB AIM2 NFKB2", -1.2: "CLEC9A OAS2"},
    ("Pro-B", "ferroptosis_suppressors"): {
        0.8: "GPX4 SLC7A11 SLC3A2 AIFM2 GCH1 DHODH NFE2L2 GCLC GCLM GSS HSPB1 SCD TXNRD1 NQO1 SLC40A1 "
        "PROM2 COQ2 MBOAT1"
    },
    ("HSC/MPP", "cytarabine_oxphos"): {
        0.7: "COX5A COX5B COX6A1 COX6B1 COX6C COX7A2 NDUFA1 NDUFA2 NDUFA4 NDUFB2 NDUFB8 NDUFS3 NDUFS5 "
        "NDUFV2 UQCRB UQCRC1 UQCRH UQCRQ ATP5F1A ATP5F1B ATP5PB ATP5MC1 CYC1 SDHA SDHB"
    },
}

# Dormant cells with the properties of those that cause relapse, in every group alike: share of the
# cells of a subcluster, and what they express differently from the others: log2 fold.
DORMANT: dict[tuple[str, str], float] = {("HSC/MPP", "0"): 0.25}
DORMANT_SHIFT: dict[float, str] = {
    1.5: "CDKN1B CDKN1C CDKN2D RB1 RBL2 FOXO1 FOXO3 BTG2 CCNG2 YPEL3 YPEL5 BCL3 OAS3 RELB AIM2 NFKB2",
    1.0: "AVP HLF MECOM MLLT3 CRHBP PROM1 HOPX MEIS1 THY1 NRIP1 HOXA9 NPR3",
    -1.5: "MKI67 TOP2A CDK1 CCNB1 CCNB2 CCNA2 PCNA MCM2 MCM3 MCM4 MCM5 MCM6 MCM7 TYMS RRM2 BIRC5 UBE2C "
    "CLEC9A OAS2",
}


def ancestry(cell_type: str) -> list[str]:
    """A cell type and the branches of the lineage above it, nearest first."""
    nodes: list[str] = []
    node: str | None = cell_type
    while node is not None:
        nodes.append(node)
        node = LINEAGE[node][0]
    return nodes


def shifted_genes(cell_type: str) -> set[str]:
    """Genes of a type that a pathway or signature moves, which must be on to be moved."""
    moved = (*SUBCLUSTER_PATHWAYS.items(), *GROUP_SHIFTS.items(), *SIGNATURE_SHIFTS.items())
    tables = [table for (kind, *_), table in moved if kind == cell_type]
    if any(kind == cell_type for kind, _ in DORMANT):
        tables.append(DORMANT_SHIFT)
    return {gene for table in tables for gene in levels(table)}


# Transcription factors and the genes that follow their activity from cell to cell.
REGULONS: dict[str, str] = {
    "EBF1": "CD79A CD79B VPREB1 VPREB3 IGLL1 BLNK CD19 PAX5 BLK CD24 FCRLA RAG1",
    "SPI1": "LYZ CST3 TYROBP FCER1G CSF3R CD14 CTSS AIF1 LST1 CYBB MNDA CD68",
    "TCF7": "CCR7 LEF1 SELL IL7R CD3D CD3E CD3G BCL11B CD247 TRAC MAL PIK3IP1",
    "GATA2": "CD34 KIT HLF MEIS1 SPINK2 NRIP1 MECOM CRHBP PROM1 ANGPT1 HOPX MLLT3",
    "TBX21": "GZMB PRF1 NKG7 GNLY CCL5 FGFBP2 GZMH KLRD1 CST7 SPON2 ADGRG1 CX3CR1",
}
REGULON_SD = 0.5

# Mean UMIs of a good cell of each type, relative to the cohort's depth.
DEPTH = {
    "CD8+ NKT-like": 0.9,
    "Classical monocytes": 1.3,
    "HSC/MPP": 1.6,
    "Memory CD4+ T": 0.95,
    "Naive B": 0.8,
    "Naive CD4+ T": 0.85,
    "Naive CD8+ T": 0.85,
    "Pre-B": 1.1,
    "Pro-B": 1.3,
    "Progenitor": 1.9,
}


def levels(programme: dict[float, str]) -> dict[str, float]:
    """Gene to level, from the table form in which programmes are written."""
    return {gene: level for level, names in programme.items() for gene in names.split()}


def type_levels(cell_type: str) -> dict[str, float]:
    """Level of every named gene in a type; where lists overlap, the later one counts."""
    merged: dict[str, float] = {}
    for programme in TYPE_GENES[cell_type]:
        merged |= levels(programme)
    return merged


def signature_genes() -> set[str]:
    """Every gene a signature or dormancy moves."""
    return {gene for table in (*SIGNATURE_SHIFTS.values(), DORMANT_SHIFT) for gene in levels(table)}


def named_genes() -> set[str]:
    """Every gene any programme of types, subclusters, pathways and factors names."""
    tables = [
        HOUSEKEEPING,
        *(programme for parts in TYPE_GENES.values() for programme in parts),
        *SUBCLUSTER_GENES.values(),
        *SUBCLUSTER_SHIFTS.values(),
        *SUBCLUSTER_PATHWAYS.values(),
        *GROUP_SHIFTS.values(),
    ]
    genes = {gene for table in tables for gene in levels(table)}
    for factor, targets in REGULONS.items():
        genes |= {factor, *targets.split()}
    return genes
