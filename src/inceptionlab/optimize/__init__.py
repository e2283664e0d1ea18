"""A trained module made faster: exact rewrites, precision, export, engines, and a benchmark."""
