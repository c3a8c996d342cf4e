"""Cohorts with planted answers, made from a seed."""
