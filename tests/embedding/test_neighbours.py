"""The nearest rows, compared with scikit-learn's exhaustive search in fp64 and with whole tables of distances."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from inceptionlab.embedding import neighbours
from inceptionlab.embedding.neighbours import nearest_rows
from inceptionlab.errors import ConfigError, DataError


def features(n, d, seed=0):
    return np.abs(np.random.default_rng(seed).standard_normal((n, d))).astype(np.float32)


def named(n):
    return [f"{i:05}" for i in range(n)]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("n", "d"), [(3000, 512), (900, 2048), (50, 3)])
def test_it_is_what_scikit_learn_finds(monkeypatch, metric, n, d):
    monkeypatch.setattr(neighbours, "ROWS", 700)
    monkeypatch.setattr(neighbours, "QUERIES", 7)
    among, queries = features(n, d), features(20, d, 1)
    found = nearest_rows(queries, among, named(n), 9, metric)
    searched = NearestNeighbors(n_neighbors=9, metric=metric, algorithm="brute").fit(among.astype(np.float64))
    distances, rows = searched.kneighbors(queries.astype(np.float64))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_what_fp32_cannot_tell_apart_is_ordered_exactly(metric):
    """A thousand rows that differ in the last bits, far from the origin."""
    base = 1 + features(1, 600)
    among = np.repeat(base, 1000, 0) * (1 + 3e-7 * features(1000, 600, 1))
    found = nearest_rows(base, among.astype(np.float32), named(1000), 50, metric)
    a, b = base.astype(np.float64), among.astype(np.float32).astype(np.float64)
    if metric == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    wanted = np.linalg.norm(a - b, axis=1)
    order = np.argsort(wanted, kind="stable")[:50]
    np.testing.assert_array_equal(found.rows[0], order)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_ties_are_in_the_order_of_names(monkeypatch, metric):
    monkeypatch.setattr(neighbours, "ROWS", 4)
    monkeypatch.setattr(neighbours, "PAIRS", 3)
    among = np.repeat(features(1, 8), 12, 0)
    among[5] = features(1, 8, 3)
    names = [f"{i:02}" for i in reversed(range(12))]
    found = nearest_rows(among[:1], among, names, 4, metric)
    assert [names[i] for i in found.rows[0]] == ["00", "01", "02", "03"]
    assert (found.distances == 0).all()


def test_lengths_of_zero_and_beyond_fp32():
    among = np.array([[0, 0], [3, 4], [-3, -4]], np.float32)
    found = nearest_rows(np.array([[3, 4], [0, 0]], np.float32), among, "abc", 3)
    np.testing.assert_allclose(found.distances, [[0, 1, 2], [1, 1, 1]], atol=1e-15)
    np.testing.assert_array_equal(found.rows, [[1, 0, 2], [0, 1, 2]])
    for scale in (1e30, 1e-37):
        rows = np.float32(scale) * np.array([[1, 1.1], [0, 1], [2, 0], [1, 1]], np.float32)
        for metric in ("cosine", "euclidean"):
            found = nearest_rows(rows[3:], rows, "abcd", 2, metric)
            np.testing.assert_array_equal(found.rows, [[3, 0]])
            assert found.distances[0, 0] < 1e-15


def test_fewer_than_asked_for():
    found = nearest_rows(features(2, 4), features(3, 4, 1), "abc", 10)
    assert found.rows.shape == (2, 3)
    assert nearest_rows(features(0, 4), features(3, 4), "abc", 2).rows.shape == (0, 2)


def test_bad_input_is_a_sentence():
    with pytest.raises(ConfigError, match="no metric 'cosin'; did you mean 'cosine'"):
        nearest_rows(features(1, 4), features(2, 4), "ab", metric="cosin")
    with pytest.raises(ConfigError, match="ask for at least 1 image"):
        nearest_rows(features(1, 4), features(2, 4), "ab", top=0)
    with pytest.raises(DataError, match="have 5 features, and those to look among have 4"):
        nearest_rows(features(1, 5), features(2, 4), "ab")
    with pytest.raises(DataError, match="no image to look among"):
        nearest_rows(features(1, 4), features(0, 4), "")
