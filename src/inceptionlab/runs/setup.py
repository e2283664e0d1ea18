"""What defines a run, and where it runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.registry import load_data
from inceptionlab.data.split import stratified
from inceptionlab.decoding import Count, Natural, validate
from inceptionlab.errors import ConfigError
from inceptionlab.spec.codec import digest
from inceptionlab.spec.network import Network
from inceptionlab.training.recipe import Recipe, defining, is_probe


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that defines a run, apart from the machine it runs on.

    `data` is the name of the data: a named set, a folder, or what one's own data set is called.
    """

    spec: Network
    recipe: Recipe
    data: str
    seed: Natural = 0
    limit_train: Count | None = None
    limit_test: Count | None = None
    weights: str = ""
    """A file of weights to begin with, of any source that `load_weights` knows."""
    skip_unreadable: bool = False
    """Whether images of a folder that cannot be read are left out."""
    continued: str = ""
    """The folder of a finished run whose weights this one begins with, on the same data split in the same way."""

    def __post_init__(self) -> None:
        validate(self)
        if self.weights and self.continued:
            raise ConfigError(f"weights = {self.weights!r} and continued = {self.continued!r}: begin with one of them")
        if is_probe(self.recipe) and self.spec.aux:
            raise ConfigError(f"a probe fits the head alone, and {self.spec.title} has auxiliary heads; leave them out")

    @property
    def is_trial(self) -> bool:
        """Whether only a part of the images is used, so that its accuracy says little."""
        return self.limit_train is not None or self.limit_test is not None

    @property
    def key(self) -> str:
        """A name for the run's folder: network, data, and a hash of what defines it."""
        plain = [digest(self.spec), defining(self.recipe), self.data, self.seed, self.limit_train, self.limit_test]
        plain += [self.weights] if self.weights else []
        plain += ["skip_unreadable"] if self.skip_unreadable else []
        plain += ["continued", self.continued] if self.continued else []
        ending = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
        kind = ["probe"] if is_probe(self.recipe) else []
        return "-".join([self.spec.name, Path(self.data).name, *kind, ending])


@dataclass(frozen=True, slots=True)
class Config:
    """What stands in a run's `config.toml`; the network stands in `spec.json`, `model` is its title."""

    model: str
    data: str
    seed: Natural = 0
    limit_train: Count | None = None
    limit_test: Count | None = None
    weights: str = ""
    skip_unreadable: bool = False
    continued: str = ""
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        validate(self)

    def setup(self, spec: Network) -> Setup:
        """The setup of this configuration with its network."""
        limits = self.limit_train, self.limit_test
        return Setup(
            spec, self.recipe, self.data, self.seed, *limits, self.weights, self.skip_unreadable, self.continued
        )

    @classmethod
    def of(cls, setup: Setup) -> Config:
        """The configuration of a setup."""
        limits = setup.limit_train, setup.limit_test
        return cls(
            setup.spec.title, setup.data, setup.seed, *limits, setup.weights, setup.skip_unreadable, setup.continued,
            setup.recipe,
        )  # fmt: skip


def load_of(setup: Setup, data_dir: Path | None = None) -> DataSet:
    """The data of a setup, loaded by their name. Raises what `load_data` does."""
    return load_data(setup.data, setup.spec.input, data_dir, skip_unreadable=setup.skip_unreadable)


def training_and_validation(data: DataSet, setup: Setup) -> tuple[Samples, Samples]:
    """(training, validation): the set's own, or a stratified part of the training images by the seed."""
    images = data.train.limited(setup.limit_train)
    if data.validation is not None:
        return images, data.validation
    rest, part = split(images, setup)
    return images.subset(rest), images.subset(part)


def split(images: Samples, setup: Setup) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " k"]]:
    """The places of the images that are trained on and of those that validate, by the seed."""
    lone = "refuse" if setup.limit_train is None else "keep"  # a trial of few images may leave a class with one
    return stratified(
        images.labels, setup.recipe.validation, setup.seed, lone=lone, purpose="validation", classes=images.classes
    )
