"""A study from a TOML file, and into one: whatever stands there becomes a `Study` or a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

from inceptionlab import storage
from inceptionlab.data.registry import describe
from inceptionlab.decoding import decode, fit, loads_toml, shown
from inceptionlab.errors import ConfigError, DataError, InceptionLabError, nearest
from inceptionlab.runs.folder import to_toml
from inceptionlab.spec.codec import digest, dumps
from inceptionlab.studies.design import Level, Study, label
from inceptionlab.zoo.naming import beside, is_place, network_of

LARGEST = 1 << 20
"""Bytes of a study file, which people write."""
LONGEST = 600
"""Letters of a reason within a sentence."""
PHOTOGRAPH = 128
"""The side of photographs where a study does not say it."""


def load_study(path: Path | str, data_dir: Path | None = None) -> Study:
    """A study from TOML whose networks, recipes and data were looked at; `data_dir` is where data are looked for.

    Raises `ConfigError`, naming the file and the cell, for what is missing, unknown or means nothing.
    """
    study = read_study(path, data_dir)
    try:
        describe(study.data, data_dir)
    except (DataError, OSError) as error:
        raise ConfigError(f"{path}: data = {shown(study.data)}: {_why(error)}") from None
    for cell in study.cells():
        try:
            study.setup(cell, study.seeds[0])
        except (InceptionLabError, OSError) as error:
            raise ConfigError(f"{path}: {label(cell)}: {_why(error)}") from None
    return study


def read_study(path: Path | str, data_dir: Path | None = None) -> Study:
    """A study from TOML as it stands there; its data are looked at only for what the file does not say of them.
    Networks in files are looked for beside it.

    Raises `ConfigError`.
    """
    values = loads_toml(_text(Path(path)), f"the study {path}")
    names = [entry.name for entry in fields(Study)]
    for name in values:
        if name not in names:
            raise ConfigError(f"{path}: a study has no field {shown(name)}; {nearest(name, names)}")
    missing = [name for name in ("model", "data", "factors") if not values.get(name)]
    if missing:
        raise ConfigError(f"{path} says nothing of {', '.join(missing)}")
    try:
        known = {
            "name": _name_of(Path(path)),
            **_of_data(values, data_dir),
            **values,
            "settings": _texts("settings", values.get("settings", {})),
            "factors": _factors(values["factors"]),
        }
        study = decode(Study, known, str(path))
        return study.with_models(lambda text: beside(text, Path(path).parent))
    except InceptionLabError as error:
        raise ConfigError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None


def _why(error: Exception) -> str:
    """An error's sentence, shortened where it repeats thousands of letters that a file says."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def write_study(study: Study, path: Path) -> None:
    """Write a study as TOML with all that is known of its data, so that it can be read where they are not.

    Networks from files are written beside it as specs: whoever reads the study runs no code.
    """
    storage.write(path, to_toml(asdict(study.with_models(lambda text: _kept(text, path.parent)))))


def _kept(text: str, folder: Path) -> str:
    """What a network is called in the folder of a study, which holds a copy of its spec where it came from a file."""
    if not is_place(text):
        return text
    network = network_of(text)
    letters = "".join(sign for sign in network.name if sign.isalnum() or sign in "_-")
    name = f"networks/{letters}-{digest(network)}.json"
    (folder / "networks").mkdir(exist_ok=True)
    storage.write(folder / name, dumps(network) + "\n")
    return name


def _name_of(path: Path) -> str:
    return path.resolve().parent.name if path.name == "study.toml" else path.stem


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ConfigError(f"{path} has {size:,} bytes; a study has at most {LARGEST:,}")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, InceptionLabError):
            raise
        raise ConfigError(f"the study {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _of_data(values: Mapping[str, Any], data_dir: Path | None) -> dict[str, int]:
    """What the file does not say of its data."""
    if values.keys() >= {"input_size", "channels", "classes"}:
        return {}
    data: str = fit(values["data"], str, "data")
    try:
        facts = describe(data, data_dir)
    except (DataError, OSError) as error:
        raise ConfigError(f"data = {shown(data)}: {_why(error)}") from None
    if not facts.classes and "classes" not in values:
        raise ConfigError(f"data = {shown(data)} is not read before training; say classes = its number")
    return {"input_size": facts.size or PHOTOGRAPH, "channels": facts.channels, "classes": len(facts.classes)}


def _table(value: object, where: str, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} = {shown(value)}: give a table of {what}")
    return cast(Mapping[str, object], value)  # names in TOML are text


def _factors(factors: object) -> dict[str, dict[str, Level]]:
    found = _table(factors, "factors", "factors, each a table of levels")
    return {name: _levels(name, levels) for name, levels in found.items()}


def _levels(factor: str, levels: object) -> dict[str, Level]:
    found = _table(levels, f"factors.{factor}", "levels, the first being the reference")
    return {name: _level(f"factors.{factor}.{name}", level) for name, level in found.items()}


def _level(where: str, level: object) -> Level:
    if isinstance(level, str):
        return Level(level)
    table = _table(level, where, "rules and settings, or write rules as text")
    return decode(Level, {**table, "settings": _texts(where, table.get("settings", {}))}, where)


def _texts(where: str, settings: object) -> dict[str, str]:
    """Fields of a recipe with values as the command line writes them; those of a table within are dotted."""
    found: dict[str, str] = {}
    for name, value in _table(settings, where, "fields of the recipe").items():
        if isinstance(value, bool):
            found[name] = str(value).lower()
        elif isinstance(value, str | int | float):
            found[name] = str(value)
        elif isinstance(value, dict):
            inner = _texts(f"{where}.{name}", cast(object, value))
            found |= {f"{name}.{key}": text for key, text in inner.items()}
        else:
            raise ConfigError(f"{where}: {name} = {shown(value)}: give a number, a text, true or false")
    return found
