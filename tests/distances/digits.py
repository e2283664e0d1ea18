"""The Frechet distance by its definition in 60 digits: the truth, where covariances are singular too."""

from __future__ import annotations

from typing import Any

import mpmath
from torch import Tensor


def in_digits(a: Tensor, b: Tensor, digits: int = 60) -> float:
    """The distance of the Gaussians of features `n d`: |m1 - m2|² + tr(S1 + S2 - 2 (S1^½ S2 S1^½)^½)."""
    with mpmath.workdps(digits):
        rows: Any = mpmath.matrix([*a.double().tolist(), *b.double().tolist()])
        x = rows if rows.cols <= rows.rows else _coordinates(rows)
        (m1, s1), (m2, s2) = _moments(x[: len(a), :]), _moments(x[len(a) :, :])
        root = _root(s1)
        values: Any = mpmath.eigsy(root * s2 * root, eigvals_only=True)
        apart = mpmath.fsum((p - q) ** 2 for p, q in zip(m1, m2, strict=True))
        traces = mpmath.fsum(s1[i, i] + s2[i, i] for i in range(s1.rows))
        return float(apart + traces - 2 * mpmath.fsum(mpmath.sqrt(max(one, 0)) for one in values))


def _coordinates(rows: Any) -> Any:
    """Rows that are fewer than their dimensions, in an orthonormal basis of what they span: distances stay."""
    lists = rows.tolist()
    return mpmath.cholesky(mpmath.matrix([[mpmath.fdot(x, y) for y in lists] for x in lists]))


def _moments(x: Any) -> tuple[Any, Any]:
    """Mean and unbiased covariance."""
    mean = [mpmath.fsum(x[i, j] for i in range(x.rows)) / x.rows for j in range(x.cols)]
    apart = mpmath.matrix([[x[i, j] - mean[j] for j in range(x.cols)] for i in range(x.rows)])
    return mean, apart.T * apart / (x.rows - 1)


def _root(matrix: Any) -> Any:
    values, vectors = mpmath.eigsy(matrix)
    return vectors * mpmath.diag([mpmath.sqrt(max(one, 0)) for one in values]) * vectors.T
