"""A trained module made faster: exact rewrites, oneDNN's own operators, slices of a batch."""
