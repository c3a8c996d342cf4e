"""Reading and writing files; the only analysis code that touches the disk."""
