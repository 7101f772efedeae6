"""Segmenting volumes and files, and ranking slices by doubt."""
