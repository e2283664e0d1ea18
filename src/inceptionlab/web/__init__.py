"""A trained network behind HTTP, and its page."""
