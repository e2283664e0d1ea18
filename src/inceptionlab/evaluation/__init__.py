"""Evaluation: logits of a set, metrics with intervals, pictures of what went wrong, the report."""
