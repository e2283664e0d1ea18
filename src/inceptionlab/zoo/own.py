"""A network from a Python file of the user's: `mine.py:mine`. A file is run because it was named, never because a run
folder names it.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeVar

from inceptionlab.decoding import shown
from inceptionlab.errors import InceptionLabError, SpecError, nearest
from inceptionlab.spec.codec import Blocks
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import NODES, Block, Node, Seq
from inceptionlab.spec.tree import rewrite

Made = TypeVar("Made")
LONGEST = 300
"""Letters of an error of the user's own."""


@dataclass(frozen=True)
class Factory:
    """The factory of a `Block` by its name, "mine.py:swish@1f2e3d4c": a function or class of a file, and a digest of
    that file's code, so that a network is another one when the code is. Another process reads the file again.

    Without the file it only has its name, and the network can be looked at but not built.
    """

    name: str
    file: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        module, _, name = self.name.partition(":")
        word = name.partition("@")[0]
        for attribute, value in (("__module__", module), ("__qualname__", name), ("__name__", word)):
            object.__setattr__(self, attribute, value)

    def __call__(self, channels: int) -> Any:
        """The module for a number of channels."""
        code, _, name = self.name.partition("@")[0].partition(":")
        if self.file is None:
            raise SpecError(
                f"the network has a Block that {name} of {code} makes, and code that a run only names is not run; give "
                f"the file: --code {code}"
            )
        return _told(self.file, partial(_found(self.file, name), channels))


def blocks_of(file: Path | str) -> Blocks:
    """The factories of the `Block` nodes of a run whose network came from this file, to hand over as `blocks`.

    Raises `SpecError` where the file cannot be read or run.
    """
    path = Path(str(file).partition(".py:")[0] + ".py" if ".py:" in str(file) else file)
    _module_of(path)

    def look(name: str) -> Factory | None:
        code, _, word = name.partition("@")[0].partition(":")
        if code != path.name:
            return None
        _found(path, word)
        return Factory(name, path.resolve())

    return look


def unbuilt(name: str) -> Factory:
    """The factory of a name whose file is not at hand: the network can be looked at, not built."""
    return Factory(name)


def network_in(file: Path, name: str) -> Network:
    """The network that a file calls `name`: a `Network`, or a function without arguments that gives one.

    Raises `SpecError` for no such file or name, what the file itself raises, with its line, and anything else.
    """
    where, found = f"{file}:{name}", _found(file, name)
    if callable(found) and not isinstance(found, type):
        _refuse_arguments(where, found)
        found = _told(file, found)
    if not isinstance(found, Network):
        raise SpecError(f"{where} is no network but {_words(found)}; a network is Network(name, stem, body, head)")
    return _with_factories(found, file)


def _words(found: object) -> str:
    """What was found in the place of a network, and what would make it one."""
    if isinstance(found, type):
        more = "; a module of torch stands in a network as Block(factory)" if hasattr(found, "forward") else ""
        return f"the class {found.__name__}{more}"
    if isinstance(found, tuple(NODES.values())):
        return f"a node ({type(found).__name__}), which is a part of one"
    if hasattr(found, "forward"):
        return f"a module of torch ({type(found).__name__}), which stands in one as Block(factory)"
    return shown(found)


def _refuse_arguments(where: str, function: Callable[..., Any]) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return
    required = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if required:
        raise SpecError(
            f"{where} asks for {', '.join(required)}; a network is made without arguments: give them defaults, or "
            "write a function that calls it"
        )


def _found(file: Path, name: str) -> Any:
    """What a file calls `name`."""
    module = _module_of(file)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key, value in vars(module).items() if _is_own(key, value, module)]
            raise SpecError(f"{file} has no {shown(name)}; {nearest(name, known)}")
        found = getattr(found, part)
    return found


def _is_own(key: str, value: object, module: ModuleType) -> bool:
    own = inspect.isfunction(value) and value.__module__ == module.__name__
    return not key.startswith("_") and (own or isinstance(value, Network))


def _module_of(file: Path) -> ModuleType:
    """The module of a file, run once for each state of the file."""
    try:
        return _module(file.resolve(), file.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        if isinstance(error, InceptionLabError):
            raise
        raise SpecError(f"the file {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


@lru_cache(maxsize=64)
def _module(file: Path, changed: int) -> ModuleType:
    source = file.read_bytes()
    module = ModuleType(f"inceptionlab_own_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}")
    module.__file__ = str(file)

    def run() -> None:
        tree = ast.parse(decode_source(source), str(file))
        vars(module)["__digest__"] = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:8]
        sys.modules[module.__name__] = module  # where dataclasses look for what stands around them
        exec(compile(tree, str(file), "exec"), vars(module))

    _told(file, run)
    return module


def _told(file: Path, call: Callable[[], Made]) -> Made:
    """Call what stands in a file; what it raises becomes a sentence with the line. Its neighbours can be imported."""
    try:
        with _beside(file):
            return call()
    except SyntaxError as error:
        raise SpecError(f"{error.filename or file}, line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, InceptionLabError) else f"{type(error).__name__}: "
        words = str(error)[:LONGEST]
        raise SpecError(f"{file}{_line(error.__traceback__, file)}: {kind}{words}") from None


def _line(traceback: TracebackType | None, file: Path) -> str:
    """The last line of the file that an error came through."""
    found = ""
    while traceback is not None:
        if Path(traceback.tb_frame.f_code.co_filename) == file.resolve():
            found = f", line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found


@contextmanager
def _beside(file: Path) -> Generator[None]:
    """Within the block a file imports those of its folder, as a script does."""
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _with_factories(network: Network, file: Path) -> Network:
    """The network whose `Block` factories are known by the file and their names in it, where they stand in it."""
    module = _module_of(file)

    def step(path: str, node: Node) -> Node:
        name: str = getattr(node.factory, "__qualname__", "") if isinstance(node, Block) else ""
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if not isinstance(node, Block) or found is not node.factory:
            return node
        return replace(node, factory=Factory(f"{file.name}:{name}@{vars(module)['__digest__']}", file.resolve()))

    def section(seq: Seq) -> Seq:
        changed = tuple((name, rewrite(child, step, name)) for name, child in seq.children)
        return seq if changed == seq.children else Seq(**dict(changed))

    aux = tuple(replace(one, head=section(one.head)) for one in network.aux)
    sections = {word: section(getattr(network, word)) for word in ("stem", "body", "head")}
    return replace(network, aux=aux, **sections)
