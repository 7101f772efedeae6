"""Learning: the training loop, its settings, and retraining on corrected slices."""
