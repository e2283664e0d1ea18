"""Ablation studies: designs, runs with paired seeds, and statistics that say when nothing is decided."""
