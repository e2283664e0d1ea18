"""The zoo: one file a paper, and a literal registry."""
