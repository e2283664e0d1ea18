"""Modules that a spec is built from; final classes, one topic a file."""
