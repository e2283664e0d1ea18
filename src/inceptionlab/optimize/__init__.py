"""A trained module made faster: exact rewrites, precision, export, engines, and a benchmark."""

from inceptionlab.optimize.exactness import exact
from inceptionlab.optimize.exporting import export
from inceptionlab.optimize.optimizing import optimize
from inceptionlab.optimize.quantizing import quantize

__all__ = ["exact", "export", "optimize", "quantize"]
