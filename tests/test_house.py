"""The house rules that a machine can check: the direction of imports, sizes of files and functions, names."""

import ast
from pathlib import Path
from statistics import median

import pytest

import inceptionlab

SRC = Path(inceptionlab.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
# A package imports only from those above it, and a file of a package only from those above it in its list; nothing
# imports in a circle.
ORDER = {
    "errors": [],
    "decoding": [],
    "describing": [],
    "rng": [],
    "storage": [],
    "downloading": [],
    "spec": ["values", "leaves", "nodes", "network", "tree", "factors", "codec"],
    "analysis": ["markup", "words", "costs", "receptive", "measured", "geometry", "tables", "arithmetic",
                 "alternatives", "formulas",
                 "lettering", "changes", "difference", "figures", "blocks", "scene", "svg", "drawing", "notebook"],
    "rules": ["rule", "blocks", "convolutions", "networks", "strides", "written", "facts"],
    "zoo": ["googlenet", "bn_inception", "inception_v3", "inception_v2", "inception_resnet_v1", "inception_v4",
            "inception_resnet_v2", "xception", "inception_next", "tutorial", "small", "modules", "registry", "history",
            "facts", "own", "imagenet", "published", "naming", "looking", "configure"],
    "source": ["parts", "phrases", "layers", "reading", "shapes", "layout", "expressions", "classes", "blocks",
                "naming", "whole", "writing", "generation"],
    "nn": ["layers.bare", "layers.branches", "layers.conv", "layers.attention", "layers.head", "layers.pool",
           "layers.residual", "outline", "checkpointing", "modes", "initialise", "building", "features", "summary"],
    "weights": ["readers.layout", "readers.caffe", "readers.keras", "readers.tensorflow", "readers.reading", "scheme",
                "named", "ordered", "folding", "unwrapping", "matching", "fetching", "loading", "creating",
                "exporting"],
    "data": ["progress", "ahead", "decode", "preprocess", "stores.images", "stores.lazy", "dataset", "split",
             "stores.decoded", "stores.streaming", "sources.naming", "sources.download", "sources.digits",
             "sources.pickled", "sources.parquet", "sources.cifar", "sources.idx", "sources.folder", "sources.hub",
             "sources.rows", "registry", "own", "addresses", "unlabelled", "image_sets", "audit", "batches",
             "policies"],
    "evaluation": ["options", "metrics", "answers", "predictions", "views", "calibration", "corruptions", "protocol"],
    "explaining": ["options", "places", "attribution", "faithfulness", "randomisation", "verdicts", "explanation",
                   "branches", "receptive", "maps", "mistakes"],
    "report": ["figures", "charts", "diagrams", "branches", "fields", "sheets", "page", "branches_page",
               "mistakes", "run_page", "overlays", "explanation_page", "data_page"],
    "training": ["allocation", "precision", "unread", "recipe", "facts", "cost", "records", "probing", "callbacks",
                 "state", "whitening", "freezing", "weights_apart", "muon", "optimizers", "averaging", "balance",
                 "sharding", "placement", "loop"],
    "optimization": ["rewrites", "merging", "packing", "slicing", "exactness"],
    "exporting": ["about", "engines", "pixels", "writers", "quantizing", "optimizing", "choosing"],
    "embedding": ["options", "extraction", "extractors", "nodes", "records", "files", "neighbours", "page"],
    "runs": ["options", "environment", "setup", "folder", "repeating", "beginning", "sentences", "dry", "log",
             "progress", "configuring", "probing", "fitting", "prediction", "predicting", "embedding", "testing",
             "evaluating", "looking", "explaining", "exporting", "publishing"],
    "distances": ["options", "gaussians", "kernels", "scores", "neighbours", "intervals", "protocols", "networks",
                  "statistics", "result", "comparing", "measuring", "told", "metric"],
    "studies": ["place", "statistics", "fractions", "widths", "design", "loading", "planning", "running", "results",
                "tables", "plots", "report", "engines", "study"],
    "benchmarking": ["options", "memory", "timing", "peaks", "race", "child", "peers", "profiling", "candidates",
                     "results", "measuring"],
    "web": ["batching", "words", "uploads", "app", "serving"],
    "cli": ["loggers", "shell", "variant", "stopping", "network_tables", "tables", "reference", "study_words",
            "training", "fidelity_words", "prediction_words", "processes", "topics"],
    "__main__": [],
}  # fmt: skip
NO_TORCH = {"errors", "spec", "analysis", "rules", "zoo", "source"}


def place(module):
    """(package's number, file's number) of a module of ours; a package itself stands behind its files."""
    package, _, rest = module.partition(".")
    assert package in ORDER, f"{module} belongs to no package; add it to ORDER"
    files = ORDER[package]
    if rest and not is_package(module) and not rest.startswith("commands."):
        assert rest in files, f"{module} stands in no list of ORDER"
    return list(ORDER).index(package), files.index(rest) if rest in files else len(files)


def module_of(path):
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__")


def is_package(module):
    return (SRC / module.replace(".", "/") / "__init__.py").exists()


def imports(path):
    """The modules that a file imports: (name, whether at the top level)."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            for alias in node.names:
                if (SRC.parent / node.module.replace(".", "/") / f"{alias.name}.py").exists():
                    yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", [p for p in FILES if module_of(p)], ids=module_of)
def test_imports_go_up(path):
    own = module_of(path)
    for name in imports(path):
        inner = name.removeprefix("inceptionlab").lstrip(".")
        if name.startswith("inceptionlab.") and not is_package(inner):
            assert place(inner) < place(own) or inner == own, f"{own} imports {inner}, which does not stand above it"
        elif name.startswith("inceptionlab."):
            assert place(inner)[0] <= place(own)[0], f"{own} imports {inner}, which stands below it"
        if own.partition(".")[0] in NO_TORCH:  # the parts of generated files are read as text, never imported
            heavy = ("torch", "numpy", "matplotlib")
            assert own == "source.parts" or name.partition(".")[0] not in heavy, f"{own} imports {name}"


def test_every_file_stands_in_the_order():
    for path in FILES:
        if module_of(path):
            place(module_of(path))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert path.stem not in ("utils", "common", "base", "helpers", "misc")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name} has {lines} lines"
            arguments = [*node.args.args, *node.args.kwonlyargs]
            count = len([a for a in arguments if a.arg not in ("self", "cls")])
            assert count <= (8 if "cli" in path.parts else 6), f"{node.name} takes {count} parameters"


def reads_text(call):
    """Whether a call reads or writes text in an encoding of its own."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if isinstance(getattr(call.func, "value", None), ast.Name) and call.func.value.id == "storage":
        return False
    modes = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    binary = any("b" in mode for mode in modes)
    if name == "open":
        return not binary and (isinstance(call.func, ast.Name) or bool(modes) or not call.args)
    text = [word for word in call.keywords if word.arg == "text" and getattr(word.value, "value", False) is True]
    reads = name == "read_text" and not call.args  # of a distribution it takes a name, and knows its encoding
    method = isinstance(call.func, ast.Attribute) and (reads or name in ("write_text", "reconfigure"))
    return method or name == "TextIOWrapper" or bool(text)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_whatever_reads_or_writes_text_names_its_encoding(path):
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and reads_text(call) and not any(word.arg is None for word in call.keywords):
            words = {word.arg for word in call.keywords}
            assert words & {"encoding", "errors"}, f"{path.name}:{call.lineno} names no encoding"


def test_the_median_function_is_short():
    lengths = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append(body[-1].end_lineno - body[0].lineno + 1 if body else 0)
    assert median(lengths) < 10


def test_public_things_have_docstrings():
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_all_is_exact():
    import types

    for name in inceptionlab.__all__:
        assert getattr(inceptionlab, name) is not None
        assert not isinstance(getattr(inceptionlab, name), types.ModuleType)
    assert set(inceptionlab._LAZY) == set(inceptionlab.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        inceptionlab.nothing  # noqa: B018


def test_public_names_stay_functions_when_modules_are_imported():
    import inceptionlab.nn.building
    import inceptionlab.runs.prediction

    assert callable(inceptionlab.build)
    assert callable(inceptionlab.predict)


PACKAGES = {"PIL": "pillow", "google": "protobuf", "sklearn": "scikit-learn", "lightning_fabric": "lightning-fabric",
            "tensorflow": "tensorflow-cpu", "jinja2": "jinja2", "tomli_w": "tomli-w",
            "python_multipart": "python-multipart"}  # fmt: skip
UNDECLARED = {"timm", "torchvision", "fsspec", "torchmetrics"}
"""Peers that a benchmark measures where they are installed; torchmetrics, whose collections can hold our metric; fsspec
comes with `datasets`, whose files it opens.
"""


def test_every_import_is_declared_and_nothing_declared_is_unused():
    import re
    import sys
    import tomllib

    project = tomllib.loads((SRC.parents[1] / "pyproject.toml").read_text())["project"]
    groups = {name: part for name, part in project["optional-dependencies"].items() if name not in ("dev", "docs")}
    wanted = [*project["dependencies"], *(entry for part in groups.values() for entry in part)]
    declared = {re.match(r"[\w-]+", entry)[0] for entry in wanted} - {"inceptionlab", "tensorboard"}  # torch imports it
    text = "".join(path.read_text() for path in FILES)
    dynamic = set(re.findall(r"(?:import_module|_library)\(f?\"(\w+)", text))
    found = {name.partition(".")[0] for path in FILES for name in imports(path)} | dynamic
    ours = {PACKAGES.get(name, name) for name in found - set(sys.stdlib_module_names) - {"inceptionlab", "__future__"}}
    assert ours - UNDECLARED <= declared, f"not declared: {ours - UNDECLARED - declared}"
    assert declared <= ours, f"declared and never imported: {declared - ours}"
