"""The numbers of a comparison against independent formulas, closed forms and repeated draws."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.metrics import pairwise_distances

from inceptionlab.distances import intervals
from inceptionlab.distances.gaussians import Gaussian, Moments, frechet, moments_of
from inceptionlab.distances.intervals import Sample, bootstrap, extrapolated, floor
from inceptionlab.distances.kernels import kernel_distance
from inceptionlab.distances.neighbours import neighbours
from inceptionlab.distances.scores import inception_score
from inceptionlab.distances.statistics import read_statistics, write_statistics
from inceptionlab.errors import DataError
from tests.distances.digits import in_digits


def drawn(n, d, shift=0.0, seed=0, decay=2.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) * torch.logspace(0, -decay, d) + shift


def by_sqrtm(a, b):
    """The formula as pytorch-fid writes it."""
    (m1, s1), (m2, s2) = ((x.double().numpy().mean(0), np.cov(x.double().numpy().T)) for x in (a, b))
    return ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)


def test_distance_of_many_images_is_the_formula():
    a, b = drawn(200, 30), drawn(300, 30, 0.1, 1)
    assert frechet(Gaussian.of_features(a), Gaussian.of_features(b)) == pytest.approx(by_sqrtm(a, b), rel=1e-9)


def test_fewer_images_than_features_by_features_and_by_covariance_agree():
    a, b = drawn(20, 50, decay=1), drawn(30, 50, 0.1, 1, 1)
    ways = [[Gaussian.of_features(x), Gaussian.of_moments(Moments.of(x))] for x in (a, b)]
    values = [frechet(p, q) for p in ways[0] for q in ways[1]]
    assert values == pytest.approx([values[0]] * 4, rel=1e-9)
    assert values[0] == pytest.approx(by_sqrtm(a, b), rel=1e-5)  # where sqrtm itself is that exact


@pytest.mark.parametrize(("n", "d"), [(6, 12), (5, 40), (30, 8)])
def test_singular_covariances_give_the_distance_in_60_digits(n, d, monkeypatch):
    a, b = drawn(n, d, decay=1), drawn(n + 2, d, 0.1, 1, 1)
    truth = in_digits(a, b)
    for x, y in product(*[[Gaussian.of_features(x), Gaussian.of_moments(Moments.of(x))] for x in (a, b)]):
        assert frechet(x, y) == pytest.approx(truth, rel=1e-11)
    monkeypatch.setattr("inceptionlab.distances.gaussians.SMALL", 1)
    assert frechet(*map(Gaussian.of_features, (a, b))) == pytest.approx(truth, rel=1e-8)


def test_eigenvalues_agree_with_singular_values(monkeypatch):
    a, b = (Gaussian.of_features(drawn(200, 40, s, i)) for i, s in enumerate((0.0, 0.2)))
    before = frechet(a, b)
    monkeypatch.setattr("inceptionlab.distances.gaussians.SMALL", 1)
    assert frechet(a, b) == pytest.approx(before, rel=1e-9)


def test_closed_forms():
    mean, eye = torch.zeros(5), torch.eye(5)
    one = Gaussian.of_covariance(mean, eye)
    assert frechet(one, one) == 0
    assert frechet(one, Gaussian.of_covariance(mean + 2, eye)) == pytest.approx(20)
    assert frechet(one, Gaussian.of_covariance(mean, 9 * eye)) == pytest.approx(5 * 4)
    assert frechet(one, Gaussian.of_covariance(mean, 0 * eye)) == pytest.approx(5)  # images that are all the same


def test_a_set_is_no_distance_from_itself():
    a = Gaussian.of_features(drawn(30, 50))
    assert frechet(a, a) < 1e-12 * a.variance


@pytest.mark.parametrize("sizes", [(1, 99), (50, 50), (7, 13, 80), (100,)])
def test_streams_give_the_moments_of_all(sizes):
    x = drawn(100, 8, 100.0)  # a mean that is far larger than the deviations
    got = moments_of(torch.split(x, list(sizes)), 8)
    assert got.n == 100
    np.testing.assert_allclose(got.mean, x.double().mean(0), rtol=1e-14)
    np.testing.assert_allclose(got.covariance, np.cov(x.double().numpy().T), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "matrix", [-torch.eye(3), torch.eye(3) - 0.9, torch.tensor([[1.0, 2, 0], [0, 1, 0], [0, 0, 1]])]
)
def test_what_is_no_covariance_is_refused(matrix):
    with pytest.raises(DataError, match="no covariance"):
        Gaussian.of_covariance(torch.zeros(3), matrix)


def test_one_image_is_refused():
    with pytest.raises(DataError, match="at least 2"):
        Gaussian.of_features(drawn(1, 4))
    with pytest.raises(DataError, match="at least 2"):
        Gaussian.of_moments(Moments.of(drawn(1, 4)))


def naive_kid(x, y):
    def kernel(p, q):
        return (p @ q.T / p.shape[1] + 1) ** 3

    n, m = len(x), len(y)
    within = [(kernel(one, one).sum() - np.trace(kernel(one, one))) / (len(one) * (len(one) - 1)) for one in (x, y)]
    return sum(within) - 2 * kernel(x, y).sum() / (n * m)


def test_kernel_distance_and_its_error_are_the_formulas(monkeypatch):
    monkeypatch.setattr("inceptionlab.distances.kernels.CHUNK", 7)
    a, b = drawn(30, 6), drawn(40, 6, 0.3, 1)
    x, y = a.double().numpy(), b.double().numpy()
    found = kernel_distance(a, b)
    assert found.whole == pytest.approx(naive_kid(x, y), rel=1e-10)
    left = [
        [naive_kid(np.delete(x, i, 0), y) for i in range(30)],
        [naive_kid(x, np.delete(y, j, 0)) for j in range(40)],
    ]
    variance = sum(np.var(one) * (len(one) - 1) for one in left)
    assert found.error == pytest.approx(variance**0.5, rel=1e-8)


def test_kernel_distance_of_one_distribution_is_0_within_its_error():
    found = [kernel_distance(drawn(60, 8, seed=2 * i), drawn(60, 8, seed=2 * i + 1)) for i in range(30)]
    assert abs(np.mean([one.whole for one in found])) < 3 * np.std([one.whole for one in found]) / 30**0.5
    assert np.std([one.whole for one in found]) < 1.5 * np.mean([one.error for one in found])


def test_subsets_of_sets_of_one_size_up_to_1000_are_the_whole():
    found = kernel_distance(drawn(50, 6), drawn(50, 6, 0.1, 1))
    assert found.mean == found.whole
    assert found.std == 0


def test_inception_score_of_certain_and_uncertain_predictions():
    classifier = torch.eye(4)
    certain = 100 * torch.eye(4).repeat(100, 1)
    assert inception_score(certain, classifier)[0] == pytest.approx(4, abs=0.1)
    assert inception_score(torch.zeros(50, 4), classifier) == (1.0, 0.0)
    assert inception_score(certain[:3], classifier)[0] == pytest.approx(1)  # each image is a split of its own


def test_neighbours_are_the_papers_formulas(monkeypatch):
    monkeypatch.setattr("inceptionlab.distances.neighbours.CHUNK", 7)
    x, y = drawn(40, 5, 0.4, 1), drawn(50, 5)
    found = neighbours(x, y)
    xx, yy, xy = (pairwise_distances(p.double(), q.double()) for p, q in ((x, x), (y, y), (x, y)))
    radius_x, radius_y, radius_5 = np.sort(xx)[:, 3], np.sort(yy)[:, 3], np.sort(yy)[:, 5]
    assert found.precision == (xy <= radius_y).any(1).mean()
    assert found.recall == (xy <= radius_x[:, None]).any(0).mean()
    assert found.density == pytest.approx((xy < radius_5).sum() / (5 * 40))
    assert found.coverage == (xy < radius_5).any(0).mean()
    np.testing.assert_array_equal(found.nearest, xy.argmin(1))


def test_copies_are_found():
    y = drawn(50, 5, 3.0)
    x = torch.cat([drawn(20, 5, 3.0, 7), y[[11]], y[[30]] + 1e-2])
    found = neighbours(x, y)
    assert found.same.nonzero()[:, 0].tolist()[-1] == 20
    assert found.near[21]
    assert found.nearest[20:].tolist() == [11, 30]


def test_few_images_have_no_neighbours():
    found = neighbours(drawn(2, 5), drawn(4, 5))
    assert (found.precision, found.recall, found.density) == (None, None, None)


def test_the_interval_covers_the_mean_distance():
    """Of 20 pairs of sets, nearly all intervals hold the mean distance of such pairs; they are not too wide either."""
    pairs = [(Sample.of(drawn(100, 12, 0.1, 2 * i)), Sample.of(drawn(120, 12, 0, 2 * i + 1))) for i in range(20)]
    values = [frechet(a.gaussian, b.gaussian) for a, b in pairs]
    found = [bootstrap(a, b, value) for (a, b), value in zip(pairs, values, strict=True)]
    assert sum(low <= np.mean(values) <= high for low, high in found) >= 17
    assert np.mean([high - low for low, high in found]) < 2 * 4 * np.std(values)


def test_the_interval_in_leading_directions_is_near_that_in_all(monkeypatch):
    a, b = Sample.of(drawn(100, 40, 0.1)), Sample.of(drawn(120, 40, 0, 1))
    whole = bootstrap(a, b, 10.0)
    monkeypatch.setattr(intervals, "DIRECTIONS", 12)
    assert bootstrap(a, b, 10.0) == pytest.approx(whole, abs=0.2 * (whole[1] - whole[0]))


def test_the_limit_is_nearer_to_the_truth_than_the_distance():
    found = []
    for i in range(8):
        a, b = Sample.of(drawn(200, 20, 0.1, 2 * i)), Sample.of(drawn(200, 20, 0, 2 * i + 1))
        value = frechet(a.gaussian, b.gaussian)
        found.append((value, extrapolated(a, b, value)))
    truth = 20 * 0.1**2
    assert np.mean([limit for _, limit in found]) == pytest.approx(truth, abs=0.03)
    assert abs(np.mean([limit for _, limit in found]) - truth) < abs(np.mean([value for value, _ in found]) - truth) / 3


def test_parts_of_a_set_grow_by_the_images_between(monkeypatch):
    monkeypatch.setattr("inceptionlab.distances.intervals.CHUNK", 7)
    features = drawn(60, 5, 2.0)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    found = intervals._parts(Sample.of(features), np.array([0.25, 0.5, 0.9]), torch.Generator().manual_seed(3))
    for gaussian, count in zip(found, (15, 30, 54), strict=True):
        assert frechet(gaussian, Gaussian.of_features(features, order[:count])) < 1e-10


def test_fewer_images_than_features_are_not_extrapolated():
    a = Sample.of(drawn(30, 50))
    assert extrapolated(a, a, 1.0) is None
    assert floor(a) > 0
    assert floor(Sample.of(drawn(3, 50))) is None


def test_statistics_alone():
    a, b = Sample.of(drawn(100, 6)), Sample(Gaussian.of_features(drawn(100, 6, 0.1, 1)))
    value = frechet(a.gaussian, b.gaussian)
    low, high = bootstrap(a, b, value)
    assert low < value < high
    assert bootstrap(b, b, 0.0) is None
    assert extrapolated(a, b, value) < value
    assert extrapolated(b, b, 0.0) is None
    assert floor(b) is None


def test_statistics_are_written_and_read(tmp_path):
    x = drawn(30, 6)
    write_statistics(tmp_path / "a.npz", Moments.of(x), "clean-fid")
    with np.load(tmp_path / "a.npz") as file:  # as pytorch-fid reads them
        np.testing.assert_allclose(file["mu"], x.double().numpy().mean(0), rtol=1e-12)
        np.testing.assert_allclose(file["sigma"], np.cov(x.double().numpy().T), rtol=1e-9)
    found = read_statistics(tmp_path / "a.npz", "clean-fid")
    assert found.n == 30
    assert frechet(found.of(6), Gaussian.of_features(x)) < 1e-9
    with pytest.raises(DataError, match="statistics by clean-fid, and this comparison is by pytorch-fid; give --proto"):
        read_statistics(tmp_path / "a.npz", "pytorch-fid")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mu": np.zeros(6)}, "no 'mu' and 'sigma'"),
        ({"mu": np.zeros(6), "sigma": np.eye(5)}, r"mu \(6,\) and sigma \(5, 5\)"),
        ({"mu": np.zeros(4), "sigma": np.eye(4)}, "of 4 features and the network gives 6"),
        ({"mu": np.full(6, np.nan), "sigma": np.eye(6)}, "not finite"),
        ({"mu": np.zeros(6), "sigma": -np.eye(6)}, "no covariance"),
        ({"mu": np.zeros(6, object), "sigma": np.eye(6)}, "cannot be read as .npz"),
    ],
)
def test_wrong_statistics_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=words):
        read_statistics(tmp_path / "a.npz", "clean-fid").of(6)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
def test_damaged_statistics_are_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as .npz"):
        read_statistics(tmp_path / "a.npz", "clean-fid").of(6)
    with pytest.raises(DataError, match="there is no file"):
        read_statistics(tmp_path / "b.npz", "clean-fid")
