"""Weights of other libraries: one rename table a source, and a loader that says what it did."""
