"""From image files to slices that a network sees, and back."""
