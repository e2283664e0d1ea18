"""The zoo: one file per paper, and a literal registry."""
