"""InceptionLab: the whole Inception family as one algebra. Names are imported when first used, so that
what needs no torch never waits for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inceptionlab.analysis.formulas import explain
    from inceptionlab.analysis.geometry import measure, smallest_input
    from inceptionlab.errors import (
        ConfigError,
        DataError,
        ExportError,
        InceptionLabError,
        MeasurementError,
        MissingExtra,
        RunError,
        SizeError,
        SpecError,
        StorageError,
    )  # fmt: skip
    from inceptionlab.exporting.optimizing import optimize
    from inceptionlab.nn.building import build, build_node, create_block, create_model
    from inceptionlab.nn.features import FeatureNetwork, create_features
    from inceptionlab.rules import Rule, parse_rule
    from inceptionlab.runs.prediction import load_run, predict
    from inceptionlab.spec.network import Aux, Input, Network
    from inceptionlab.weights.exporting import export_weights
    from inceptionlab.weights.loading import load_weights
    from inceptionlab.zoo.registry import get_spec, list_models

_PLACES = {
    "analysis.formulas": ("explain",),
    "analysis.geometry": ("measure", "smallest_input"),
    "errors": (
        "ConfigError",
        "DataError",
        "ExportError",
        "InceptionLabError",
        "MeasurementError",
        "MissingExtra",
        "RunError",
        "SizeError",
        "SpecError",
        "StorageError",
    ),
    "exporting.optimizing": ("optimize",),
    "nn.building": ("build", "build_node", "create_block", "create_model"),
    "nn.features": ("FeatureNetwork", "create_features"),
    "rules": ("Rule", "parse_rule"),
    "runs.prediction": ("load_run", "predict"),
    "spec.network": ("Aux", "Input", "Network"),
    "weights.exporting": ("export_weights",),
    "weights.loading": ("load_weights",),
    "zoo.registry": ("get_spec", "list_models"),
}
_LAZY = {name: f"inceptionlab.{module}" for module, names in _PLACES.items() for name in names}

__all__ = [
    "create_model", "create_features", "create_block", "build", "build_node", "get_spec", "list_models", "Network",
    "Input", "Aux", "FeatureNetwork", "Rule", "parse_rule", "measure", "explain", "smallest_input", "load_run",
    "predict", "optimize", "load_weights", "export_weights", "InceptionLabError", "SpecError", "SizeError", "DataError",
    "RunError", "ConfigError", "StorageError", "ExportError", "MeasurementError", "MissingExtra",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'inceptionlab' has no attribute {name!r}")
    module = import_module(_LAZY[name])
    value = getattr(module, name)
    globals()[name] = value
    return value
