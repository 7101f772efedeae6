"""Annotated slices: reading them, naming their structures, splitting and keeping them."""
