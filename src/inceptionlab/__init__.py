"""InceptionLab."""
