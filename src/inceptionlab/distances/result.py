"""What a comparison of two sets of images came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from inceptionlab.exporting.about import Precision

ENOUGH = 10_000
"""Images a side below which a FID is said to be of few."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A generated image and the real one that it is a copy of, or nearly, by names; `distance` of their features."""

    generated: str
    real: str
    distance: float
    same: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """What a precision below fp32 changes, tried on `images` of each side: the features' relative error, and the
    distance of those images in fp32 and in that precision.
    """

    images: int
    features: float
    fid_fp32: float
    fid: float


@dataclass(frozen=True, slots=True)
class Basis:
    """What a comparison is made by."""

    protocol: str
    resize: str
    network: str
    dims: int
    precision: Precision


@dataclass(frozen=True, slots=True)
class FidelityResult:
    """Distances and shares between generated and real images; None for what the sides given cannot tell.

    `fid` with its 95 % interval at these numbers of images, `fid_infinity` for ever more images, `fid_floor` between
    two halves of the real images (of the generated ones where only statistics of the real ones are known), which would
    be 0 for ever more; `kid` and `kid_std` over subsets as they are published, `kid_whole` of all pairs with its
    standard error. `twins` are copies, nearest first, of which the first are listed and `same` and `near` count all.
    """

    n: int | None
    n_real: int | None
    basis: Basis
    fid: float
    fid_low: float | None = None
    fid_high: float | None = None
    fid_infinity: float | None = None
    fid_floor: float | None = None
    kid: float | None = None
    kid_std: float | None = None
    kid_whole: float | None = None
    kid_error: float | None = None
    inception_score: float | None = None
    inception_score_std: float | None = None
    precision: float | None = None
    recall: float | None = None
    density: float | None = None
    coverage: float | None = None
    same: int | None = None
    near: int | None = None
    twins: tuple[Twin, ...] = ()
    moved: Moved | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before a number is read, a sentence each."""
        found = [self._few()] if min(self.n or ENOUGH, self.n_real or ENOUGH) < ENOUGH else []
        if self.same or self.near:
            found.append(f"{self.same or 0:,} of the generated images are images of the real set, {self.near or 0:,} "
                         "nearly so")  # fmt: skip
        return tuple(found)

    def _few(self) -> str:
        counts = " and ".join("an unknown number of" if n is None else f"{n:,}" for n in (self.n, self.n_real))
        words = f"FID of {counts} images is too large (from {ENOUGH:,} on it is usual)"
        if self.fid_infinity is not None:
            words += f": by about {self.fid - self.fid_infinity:.3g}, for it falls to {self.fid_infinity:.4g}"
        elif self.fid_floor is not None:
            words += f": two halves of one set, which do not differ, are {self.fid_floor:.4g} apart"
        return words + ("; kid has no such bias" if self.kid is not None else "")

    @property
    def citation(self) -> str:
        """The distance with everything that it depends on, in a line."""
        interval = "" if self.fid_low is None else f" (95 % {self.fid_low:.4g} to {self.fid_high:.4g})"
        counts = " and ".join("?" if n is None else f"{n:,}" for n in (self.n, self.n_real))
        by = self.basis
        return (f"FID {self.fid:.4f}{interval}, n = {counts}; {by.network}, {by.dims} features in {by.precision}; "
                f"{by.protocol}: {by.resize}; InceptionLab {version('inceptionlab')}")  # fmt: skip

    def as_record(self) -> dict[str, Any]:
        """All of it for JSON, without nesting but for twins and what a precision moved."""
        own = asdict(self)
        by = own.pop("basis")
        by["computed_in"] = by.pop("precision")
        return {**own, **by, "warnings": list(self.warnings), "citation": self.citation}

    def __str__(self) -> str:
        return self.citation
