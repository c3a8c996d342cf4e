"""Shared code of the relapse book: data in, tables, figures and pages out."""
