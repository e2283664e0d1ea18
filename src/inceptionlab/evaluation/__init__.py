"""Evaluation: logits of a set, metrics with intervals, images of what went wrong, the report."""
