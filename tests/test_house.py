"""The house rules that a machine can check: the direction of imports, sizes of files and functions, names."""

import ast
from pathlib import Path
from statistics import median

import pytest

import inceptionlab

SRC = Path(inceptionlab.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
# Each layer imports only from layers above it.
LAYERS = [
    ["errors"],
    ["leaves"],
    ["spec"],
    ["network"],
    ["tree"],
    ["costs"],
    ["receptive"],
    ["geometry"],
    ["rules"],
    ["text", "zoo", "formulas"],
    ["drawing"],
    ["layers"],
    ["initialise"],
    ["building"],
    ["features"],
    ["weights"],
    ["data"],
    ["evaluation.logits", "evaluation.metrics", "evaluation.charts"],
    ["evaluation.report", "evaluation.views", "evaluation.calibration", "evaluation.corruptions"],
    ["evaluation.data_report"],
    ["training"],
    ["optimize.rewrites"],
    [
        "optimize.merging",
        "optimize.packing",
        "optimize.pixels",
        "optimize.engines",
        "optimize.memory",
        "optimize.benchmarking",
    ],
    ["optimize.exactness", "optimize.slicing"],
    ["optimize.exporting", "optimize.peers"],
    ["optimize.quantizing"],
    ["optimize.optimizing"],
    ["optimize"],
    ["study.statistics", "study.fractions", "study.widths"],
    ["study.design"],
    ["study"],
    ["prediction"],
    ["web.batching"],
    ["web.app"],
    ["web"],
    ["cli"],
    ["__main__"],
]
NO_TORCH = {
    "errors",
    "leaves",
    "spec",
    "network",
    "tree",
    "costs",
    "receptive",
    "geometry",
    "rules",
    "text",
    "zoo",
    "drawing",
}


def place(module):
    """The number of the layer that a module of ours belongs to."""
    for number, names in enumerate(LAYERS):
        for name in names:
            if module == name or module.startswith(f"{name}."):
                return number
    raise AssertionError(f"{module} belongs to no layer; add it to LAYERS")


def module_of(path):
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__")


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


@pytest.mark.parametrize("path", [p for p in FILES if module_of(p) and module_of(p) != "evaluation"], ids=module_of)
def test_imports_go_up(path):
    own = module_of(path)
    for name in imports(path):
        inner = name.removeprefix("inceptionlab").lstrip(".")
        if name.startswith("inceptionlab.") and inner not in (
            "data",
            "evaluation",
            "training",
            "rules",
            "layers",
            "zoo",
        ):
            assert place(inner) <= place(own), f"{own} imports {inner}, which stands below it"
        if own.partition(".")[0] in NO_TORCH:
            assert name.partition(".")[0] not in ("torch", "numpy", "matplotlib"), f"{own} imports {name}"


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
    import inceptionlab.building
    import inceptionlab.prediction

    assert callable(inceptionlab.build)
    assert callable(inceptionlab.predict)
