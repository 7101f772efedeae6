"""Model versions on disk: described, checked before use, published, rolled back, exchanged."""
