"""InceptionLab: the whole Inception family as one algebra, and everything that the commands do, as functions.

Names are imported when they are first used, so that what needs no torch never waits for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inceptionlab.analysis.difference import Difference
    from inceptionlab.analysis.figures import Look
    from inceptionlab.benchmarking.measuring import benchmark
    from inceptionlab.data.audit import check_data
    from inceptionlab.data.batches import Augment
    from inceptionlab.data.dataset import DataSet
    from inceptionlab.data.own import as_dataset
    from inceptionlab.data.preprocess import Preprocess, create_transform
    from inceptionlab.data.registry import list_datasets, load_data
    from inceptionlab.distances.measuring import fidelity, save_statistics
    from inceptionlab.distances.metric import Fidelity
    from inceptionlab.distances.result import FidelityResult
    from inceptionlab.embedding.files import read_embeddings, save_embeddings
    from inceptionlab.embedding.options import Computation
    from inceptionlab.embedding.records import Embeddings, SimilarImages
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
    from inceptionlab.evaluation.metrics import Score
    from inceptionlab.evaluation.options import Protocol
    from inceptionlab.evaluation.protocol import Evaluation
    from inceptionlab.exporting.engines import load_engine
    from inceptionlab.exporting.optimizing import optimize
    from inceptionlab.nn.building import InceptionNetwork, build, build_node, create_block
    from inceptionlab.nn.features import FeatureNetwork
    from inceptionlab.nn.summary import Layer, Summary, summary
    from inceptionlab.report.diagrams import save_drawing
    from inceptionlab.rules import Rule, parse_rule
    from inceptionlab.rules.facts import list_rules
    from inceptionlab.runs.beginning import continued
    from inceptionlab.runs.configuring import configure
    from inceptionlab.runs.dry import Plan, plan
    from inceptionlab.runs.embedding import embed, similar
    from inceptionlab.runs.evaluating import evaluate
    from inceptionlab.runs.exporting import export
    from inceptionlab.runs.fitting import fit
    from inceptionlab.runs.folder import RunFolder
    from inceptionlab.runs.options import Choices, Machine
    from inceptionlab.runs.prediction import Prediction, Trained, load_run, predict
    from inceptionlab.runs.progress import progress_bar
    from inceptionlab.runs.publishing import push
    from inceptionlab.runs.setup import Setup
    from inceptionlab.runs.testing import test, train
    from inceptionlab.source.generation import code
    from inceptionlab.spec.network import Aux, Input, Network
    from inceptionlab.studies.design import Study
    from inceptionlab.studies.loading import load_study
    from inceptionlab.studies.results import StudyResults
    from inceptionlab.studies.study import study
    from inceptionlab.training.callbacks import Callbacks
    from inceptionlab.training.cost import training_flop
    from inceptionlab.training.facts import list_recipes, recipe_fields
    from inceptionlab.training.recipe import Recipe, recipe
    from inceptionlab.training.records import Epoch, Fitted
    from inceptionlab.weights.creating import create_features, create_model
    from inceptionlab.weights.exporting import export_weights
    from inceptionlab.weights.loading import load_weights
    from inceptionlab.weights.matching import match_networks
    from inceptionlab.zoo.imagenet import translate_classes
    from inceptionlab.zoo.looking import diff, draw, explain, measure, smallest_input
    from inceptionlab.zoo.naming import network_of
    from inceptionlab.zoo.own import blocks_of
    from inceptionlab.zoo.published import list_pretrained
    from inceptionlab.zoo.registry import get_spec, list_models

_PLACES = {
    "analysis.difference": ("Difference",),
    "analysis.figures": ("Look",),
    "benchmarking.measuring": ("benchmark",),
    "data.audit": ("check_data",),
    "data.batches": ("Augment",),
    "data.dataset": ("DataSet",),
    "data.own": ("as_dataset",),
    "data.preprocess": ("create_transform", "Preprocess"),
    "data.registry": ("load_data", "list_datasets"),
    "embedding.files": ("read_embeddings", "save_embeddings"),
    "embedding.options": ("Computation",),
    "embedding.records": ("Embeddings", "SimilarImages"),
    "errors": (
        "InceptionLabError", "SpecError", "SizeError", "ConfigError", "DataError", "StorageError", "RunError",
        "ExportError", "MeasurementError", "MissingExtra",
    ),
    "evaluation.metrics": ("Score",),
    "evaluation.options": ("Protocol",),
    "evaluation.protocol": ("Evaluation",),
    "exporting.engines": ("load_engine",),
    "exporting.optimizing": ("optimize",),
    "distances.measuring": ("fidelity", "save_statistics"),
    "distances.metric": ("Fidelity",),
    "distances.result": ("FidelityResult",),
    "nn.building": ("create_block", "build", "build_node", "InceptionNetwork"),
    "nn.features": ("FeatureNetwork",),
    "nn.summary": ("summary", "Summary", "Layer"),
    "report.diagrams": ("save_drawing",),
    "rules": ("Rule", "parse_rule"),
    "rules.facts": ("list_rules",),
    "runs.beginning": ("continued",),
    "runs.configuring": ("configure",),
    "runs.dry": ("plan", "Plan"),
    "runs.embedding": ("embed", "similar"),
    "runs.evaluating": ("evaluate",),
    "runs.exporting": ("export",),
    "runs.fitting": ("fit",),
    "runs.folder": ("RunFolder",),
    "runs.options": ("Choices", "Machine"),
    "runs.prediction": ("load_run", "predict", "Trained", "Prediction"),
    "runs.progress": ("progress_bar",),
    "runs.publishing": ("push",),
    "runs.setup": ("Setup",),
    "runs.testing": ("test", "train"),
    "source.generation": ("code",),
    "spec.network": ("Network", "Input", "Aux"),
    "studies.design": ("Study",),
    "studies.loading": ("load_study",),
    "studies.results": ("StudyResults",),
    "studies.study": ("study",),
    "training.callbacks": ("Callbacks",),
    "training.cost": ("training_flop",),
    "training.facts": ("list_recipes", "recipe_fields"),
    "training.recipe": ("recipe", "Recipe"),
    "training.records": ("Epoch", "Fitted"),
    "weights.creating": ("create_model", "create_features"),
    "weights.exporting": ("export_weights",),
    "weights.loading": ("load_weights",),
    "weights.matching": ("match_networks",),
    "zoo.imagenet": ("translate_classes",),
    "zoo.looking": ("measure", "smallest_input", "explain", "diff", "draw"),
    "zoo.naming": ("network_of",),
    "zoo.own": ("blocks_of",),
    "zoo.published": ("list_pretrained",),
    "zoo.registry": ("get_spec", "list_models"),
}  # fmt: skip
_LAZY = {name: f"inceptionlab.{module}" for module, names in _PLACES.items() for name in names}
_PACKAGES = ("spec", "rules")
"""What is read as `inceptionlab.rules.residual(0.1)`."""

__all__ = [
    # networks
    "create_model", "create_block", "build", "build_node", "InceptionNetwork", "create_features", "FeatureNetwork",
    "network_of", "blocks_of", "get_spec", "list_models", "Network", "Input", "Aux", "Rule", "parse_rule",
    "list_rules",
    # explanations
    "measure", "smallest_input", "explain", "diff", "Difference", "draw", "save_drawing", "Look", "summary", "Summary",
    "Layer", "code",
    # weights
    "list_pretrained", "load_weights", "match_networks", "export_weights", "translate_classes",
    # data
    "load_data", "as_dataset", "check_data", "DataSet", "list_datasets", "create_transform", "Preprocess", "Augment",
    # runs
    "recipe", "Recipe", "list_recipes", "recipe_fields", "training_flop", "configure", "plan", "Plan", "continued",
    "Choices", "Machine", "Setup", "Callbacks", "progress_bar", "fit", "test", "train", "RunFolder", "Epoch", "Fitted",
    "load_run", "push", "predict", "Trained", "Prediction", "evaluate", "Protocol", "Evaluation", "Score",
    # features of images
    "embed", "Embeddings", "Computation", "save_embeddings", "read_embeddings", "similar", "SimilarImages",
    # distances between sets of images
    "fidelity", "save_statistics", "Fidelity", "FidelityResult",
    # speed
    "optimize", "export", "load_engine", "benchmark",
    # studies
    "Study", "load_study", "study", "StudyResults",
    # errors
    "InceptionLabError", "SpecError", "SizeError", "ConfigError", "DataError", "StorageError", "RunError",
    "ExportError", "MeasurementError", "MissingExtra",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("inceptionlab")
    if name in _PACKAGES:
        return import_module(f"inceptionlab.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'inceptionlab' has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES, "__version__"])
