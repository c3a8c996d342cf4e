"""The heavy jobs: read, compute, write."""
