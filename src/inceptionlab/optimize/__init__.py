"""A trained module made faster: exact rewrites, precision, export, engines, and the benchmark that says what it brings."""
