"""Explanations of what networks answer."""
