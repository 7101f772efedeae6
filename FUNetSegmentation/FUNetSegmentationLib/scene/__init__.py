"""Volumes, segmentations and slice views of a MRML scene, as arrays and back."""
