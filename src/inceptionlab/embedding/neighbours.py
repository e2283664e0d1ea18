"""The nearest of many features, exactly: products in fp32 leave few candidates, whose distances are told in fp64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, Int64

from inceptionlab.errors import ConfigError, DataError, nearest

Metric = Literal["cosine", "euclidean"]
QUERIES, ROWS = 256, 4096
"""Queries and rows whose products are in memory at once (8 MB, beside 64 MB of rows of 2,048 features)."""
TINY, HUGE = 1e-30, 1e37
"""Between these, products of lengths are told by fp32 with its full precision; beyond, in fp64."""
PAIRS = 1024
"""Candidates that are in fp64 at once (16 MB a side at 2,048)."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """For each query the rows of its nearest, nearest first, and their distances."""

    rows: Int64[np.ndarray, "q k"]
    distances: Float[np.ndarray, "q k"]


def nearest_rows(
    queries: Float32[np.ndarray, "q d"], among: Float32[np.ndarray, "n d"], names: Sequence[str],
    top: int = 5, metric: Metric = "cosine",
) -> Ranking:  # fmt: skip
    """The `top` nearest rows of each query (all where there are fewer), in the order of their distances and, where
    those are equal, of their names.

    "euclidean" is the length of the difference, "cosine" 1 − the cosine of the angle (1 from features that are all 0).
    Products are in fp32 with a bound of their error (Higham 2002, section 3.1), so that no row is missed; the memory
    does not grow with n. Raises `ConfigError` for an unknown metric and a `top` below 1, `DataError` for widths that
    differ and for nothing to look among.
    """
    if metric not in get_args(Metric):
        raise ConfigError(f"there is no metric {metric!r}; {nearest(metric, get_args(Metric))}")
    if top < 1:
        raise ConfigError(f"--top {top}: ask for at least 1 image")
    if queries.shape[1] != among.shape[1]:
        raise DataError(f"the images to look for have {queries.shape[1]:,} features, and those to look among have "
                        f"{among.shape[1]:,}; give features of one node of one network")  # fmt: skip
    if not len(among):
        raise DataError("there is no image to look among")
    order, k = _ranks(names), min(top, len(among))
    found = [_Search(queries[i : i + QUERIES], order, k, metric) for i in range(0, len(queries), QUERIES)]
    for start in range(0, len(among), ROWS):
        rows = np.asarray(among[start : start + ROWS])
        block = _Block(rows, _lengths(rows), start)
        for one in found:
            one.look_at(block)
    empty = [Ranking(np.zeros((0, k), np.int64), np.zeros((0, k)))]
    parts = [one.ranking() for one in found] or empty
    return Ranking(np.concatenate([one.rows for one in parts]), np.concatenate([one.distances for one in parts]))


def _ranks(names: Sequence[str]) -> Int64[np.ndarray, " n"]:
    """The place of each name in their order; equal names keep theirs."""
    ranks = np.empty(len(names), np.int64)
    ranks[np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)] = np.arange(len(names))
    return ranks


@dataclass(frozen=True, slots=True)
class _Block:
    """Some rows with their lengths, of which the first has the number `start`."""

    rows: Float32[np.ndarray, "m d"]
    lengths: Float[np.ndarray, " m"]
    start: int


class _Search:
    """Some queries and the nearest rows that they have found so far."""

    def __init__(self, queries: np.ndarray, ranks: np.ndarray, k: int, metric: Metric) -> None:
        self.queries, self.ranks, self.k, self.metric = queries, ranks, k, metric
        lengths = _lengths(queries)
        self.values = _over(queries, lengths) if metric == "cosine" else queries
        self.longest = np.ones(len(queries)) if metric == "cosine" else lengths
        self.rows = [np.zeros(0, np.int64) for _ in queries]
        self.distances = [np.zeros(0) for _ in queries]
        self.least = np.full((len(queries), 0), -np.inf)

    def look_at(self, block: _Block) -> None:
        """Take the rows of a block that may be among the nearest. A score is larger the nearer a row is: the cosine, or
        the product less half the square of the row's length.
        """
        largest = self.longest[:, None] * block.lengths
        told = ((largest > TINY) & (largest < HUGE) | (largest == 0)).all()
        values = block.rows if told else block.rows.astype(np.float64)
        scores, slack = (self.values @ values.T).astype(np.float64), _error(values.shape[1]) * largest
        if self.metric == "cosine":
            scores /= np.where(block.lengths > 0, block.lengths, 1)
            slack = np.full_like(slack, _error(values.shape[1]))
        else:
            scores -= block.lengths**2 / 2
        best = np.concatenate([self.least, scores - slack], 1)  # each is at least so near
        self.least = np.partition(best, -self.k, 1)[:, -self.k :] if best.shape[1] > self.k else best
        bound = self.least.min(1) if self.least.shape[1] == self.k else np.full(len(scores), -np.inf)
        possible = scores + slack >= bound[:, None]
        for query in np.flatnonzero(possible.any(1)):
            near = np.flatnonzero(possible[query])
            for i in range(0, len(near), PAIRS):
                part = near[i : i + PAIRS]
                self._merge(int(query), part + block.start, self._exactly(int(query), block.rows[part]))

    def ranking(self) -> Ranking:
        """What was found."""
        return Ranking(np.stack(self.rows), np.stack(self.distances))

    def _exactly(self, query: int, rows: np.ndarray) -> np.ndarray:
        """The distances of a query to some rows, in fp64."""
        one, many = self.queries[query].astype(np.float64), rows.astype(np.float64)
        if self.metric == "euclidean":
            return np.sqrt(np.square(many - one).sum(1))
        lengths, length = np.sqrt(np.square(many).sum(1)), np.sqrt(np.square(one).sum())
        if not length:
            return np.ones(len(rows))
        directions = many / np.maximum(lengths, np.finfo(np.float64).tiny)[:, None]
        return np.where(lengths > 0, np.square(directions - one / length).sum(1) / 2, 1.0)

    def _merge(self, query: int, rows: np.ndarray, distances: np.ndarray) -> None:
        rows = np.concatenate([self.rows[query], rows])
        distances = np.concatenate([self.distances[query], distances])
        kept = np.lexsort((self.ranks[rows], distances))[: self.k]
        self.rows[query], self.distances[query] = rows[kept], distances[kept]


def _error(dims: int) -> float:
    """How far a product in fp32 may be from the exact one, over the product of the lengths: `dims` + 4 roundings, the
    sum's and those of what was divided by its length, of at most 2^-24 each.
    """
    return (dims + 4) * 2.0**-24 * 1.01


def _lengths(rows: Float32[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))


def _over(rows: Float32[np.ndarray, "m d"], lengths: Float[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
    """Rows divided by their lengths; those of length 0 stay."""
    return (rows / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)
