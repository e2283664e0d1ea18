"""Weights of other libraries: one rename table per source, and a loader that says what it did."""
