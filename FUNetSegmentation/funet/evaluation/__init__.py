"""Measuring segmentations: metrics, paired tests, tables."""
