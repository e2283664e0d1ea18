"""A head fitted to the features of its trunk: exact, chosen on training images alone, resumed, refused in words."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import inceptionlab as il
from inceptionlab import ConfigError, DataError, SpecError, build, storage
from inceptionlab.cli import main
from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.registry import digits
from inceptionlab.data.stores.images import InMemory
from inceptionlab.evaluation.predictions import logits_of
from inceptionlab.runs import probing
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Changes, Choices, Machine
from inceptionlab.runs.probing import trunk_of
from inceptionlab.runs.setup import Setup, training_and_validation
from inceptionlab.spec import Conv, Dropout, Linear, Pool, Seq
from inceptionlab.training.probing import STRENGTHS, Labelled, fit_head, folds
from inceptionlab.training.recipe import Recipe, load_recipe
from tests.training.test_run import QUIET, RECIPE, SETUP, TINY, same, weights

CPU = Machine("cpu")
PROBE = load_recipe("probe")
FINE = replace(RECIPE, epochs=2, lr=0.005, head="probe", ema=0.0, select="best")


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """A file of weights whose features of digits are of some use."""
    torch.manual_seed(3)
    network, folder = build(TINY, "kaiming", 3), tmp_path_factory.mktemp("trunk")
    storage.write_tensors(folder / "w.safetensors", network.state_dict(), {})
    return folder / "w.safetensors"


@pytest.fixture(scope="module")
def setup(trunk):
    return replace(SETUP, recipe=PROBE, weights=str(trunk))


@pytest.fixture(scope="module")
def probed(tmp_path_factory, setup, data):
    folder = tmp_path_factory.mktemp("probed") / "run"
    said = []
    il.train(setup, folder, CPU, replace(QUIET, say=said.append), data)
    return RunFolder(folder), said


@pytest.fixture
def computed(monkeypatch):
    """How many images the trunk sees."""
    seen, plain = [], probing._computed

    def counting(*given):
        compute = plain(*given)
        return lambda images: seen.append(len(images)) or compute(images)

    monkeypatch.setattr(probing, "_computed", counting)
    return seen


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def features_of(setup, data, trunk):
    """(features, labels) of the training part, without the code under test."""
    network = build(setup.spec)
    network.load_state_dict(storage.read_tensors(trunk))
    training = training_and_validation(data, setup)[0]
    features = logits_of(trunk_of(network), training, Preprocess(setup.spec.input))
    return features.double().numpy(), training.labels.numpy()


def logistic(strength):
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / strength, solver="newton-cg", tol=1e-8))


def test_the_network_is_the_logistic_regression(probed, setup, data, trunk):
    run, _ = probed
    x, y = features_of(setup, data, trunk)
    model = logistic(run.probe().strength).fit(x, y)
    trained = il.load_run(run)
    images = data.test.limited(100)
    logits = logits_of(trained.network, images, Preprocess(setup.spec.input)).numpy()
    features = logits_of(trunk_of(trained.network), images, Preprocess(setup.spec.input)).double().numpy()
    wanted = model.decision_function(features)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    assert run.probe().train_top1 == pytest.approx(model.score(x, y))


def test_two_classes_differ_by_the_decision_function():
    chance = np.random.default_rng(0)
    x = chance.normal(size=(60, 5)) * [1, 10, 0.1, 3, 2] + 4
    y = (x[:, 0] + x[:, 1] / 10 + chance.normal(size=60) > 4.4).astype(int)
    head = fit_head(Labelled(x, y, np.ones(60)), ("no", "yes"), 0)
    logits = x @ head.weight.T + head.bias
    wanted = logistic(head.strength).fit(x, y).decision_function(x)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits.sum(1), 0, atol=1e-9)


def test_the_penalty_is_what_scikit_learn_finds(probed, setup, data, trunk):
    x, y = features_of(setup, data, trunk)
    found, splits = probed[0].probe(), PredefinedSplit(folds(y, setup.seed))
    for strength, loss in zip(found.tried, found.losses, strict=True):
        shares = cross_val_predict(logistic(strength), x, y, cv=splits, method="predict_proba")
        assert loss == pytest.approx(-np.log(shares[np.arange(len(y)), y]).mean(), rel=2e-3)
    assert found.strength == found.tried[int(np.argmin(found.losses))]
    assert found.tried == STRENGTHS[: len(found.tried)]


def test_a_class_of_one_image_is_never_left_out():
    labels = np.array([0, 0, 0, 1, 2, 2])
    fold = folds(labels, 0)
    assert fold[3] == -1
    assert sorted(fold[[0, 1, 2]]) == [0, 1, 2]
    x = np.random.default_rng(0).normal(size=(6, 3))
    assert fit_head(Labelled(x, labels, np.ones(6)), ("a", "b", "c"), 0).tried
    alone = fit_head(Labelled(x[:2], np.array([0, 1]), np.ones(2)), ("a", "b"), 0)  # fewer images than folds
    assert (alone.strength, alone.tried) == (1.0, ())


def test_a_feature_that_hardly_moves_does_not_outweigh_the_others():
    chance = np.random.default_rng(0)
    x, y = chance.normal(size=(40, 4)), np.repeat([0, 1], 20)
    x[:, 3] = 0
    x[0, 3] = 1e-6
    head = fit_head(Labelled(x, y, np.ones(40)), ("a", "b"), 0)
    assert np.abs(head.weight).max() < 10
    x[:, 3] = 0
    assert (fit_head(Labelled(x, y, np.ones(40)), ("a", "b"), 0).weight[:, 3] == 0).all()


def test_balanced_weights_are_scikit_learns(data):
    x, y = np.random.default_rng(0).normal(size=(50, 4)), np.array([0] * 40 + [1] * 10)
    counts = np.where(y == 0, 50 / 80, 50 / 20)
    head = fit_head(Labelled(x, y, counts), ("a", "b"), 0)
    model = LogisticRegression(C=1 / head.strength, class_weight="balanced", tol=1e-8, solver="newton-cg")
    wanted = make_pipeline(StandardScaler(), model).fit(x, y).decision_function(x)
    logits = x @ head.weight.T + head.bias
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], wanted, rtol=0, atol=1e-5)


def test_a_probe_leaves_an_ordinary_run_that_says_what_it_is(probed, setup):
    run, said = probed
    assert "-probe-" in setup.key
    assert run.setup() == setup
    assert run.config().recipe.head == "probe"
    assert (run.fitted().epochs, run.epochs()) == (0, [])
    assert run.tested().selected_by.startswith("the fit of the head, the only one (val_top1 0.")
    assert said[-1].startswith("the head is fitted to 16 features of 270 images in ")
    page = run.report.read_text()
    assert "the head fitted to features in" in page
    assert "--probe" in page
    assert il.evaluate(run).score == run.tested().score
    before, after = build(setup.spec, "kaiming", 3).state_dict(), weights(run.path)
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"fc.linear.weight", "fc.linear.bias"}


def test_neither_validation_nor_test_images_choose(probed, setup, data, tmp_path):
    """Other images for validation and test, in the same number and classes, leave the head as it is."""
    chance = torch.Generator().manual_seed(0)

    def noise(samples):
        pixels = torch.randint(0, 255, samples.images.shape, generator=chance, dtype=torch.uint8)
        return replace(samples, images=InMemory(pixels))

    training, validation = training_and_validation(data, setup)
    other = DataSet("digits", training, noise(data.test), noise(validation))
    il.train(replace(setup, limit_train=None), tmp_path / "run", CPU, QUIET, other)
    assert same(weights(tmp_path / "run"), weights(probed[0].path))
    assert RunFolder(tmp_path / "run").probe().val_top1 < 0.4 < probed[0].probe().val_top1


def test_features_are_kept_and_a_stop_costs_a_batch(empty_cache, computed, probed, setup, data, tmp_path):
    asked = iter([False] * 4 + [True] * 100)
    assert il.train(setup, tmp_path / "cut", CPU, replace(QUIET, stop=lambda: next(asked)), data) is None
    assert sum(computed) == 4 * probing.BATCH
    assert not RunFolder(tmp_path / "cut").has_weights or RunFolder(tmp_path / "cut").fitted() is None
    il.train(RunFolder(tmp_path / "cut").setup(), tmp_path / "cut", CPU, QUIET, data)
    assert sum(computed) == 300
    assert same(weights(tmp_path / "cut"), weights(probed[0].path))
    il.fit(replace(setup, recipe=replace(FINE, epochs=1), seed=5), tmp_path / "fine", CPU, QUIET, data)
    assert sum(computed) == 300  # another run on the same images and trunk computes none, whatever its split


def test_fine_tuning_begins_with_the_probe_and_is_never_below_it(probed, setup, data, tmp_path):
    destructive = replace(FINE, lr=5.0, epochs=2, schedule="constant")
    fitted = il.fit(replace(setup, recipe=destructive), tmp_path / "bad", CPU, QUIET, data)
    start = RunFolder(tmp_path / "bad").probe()
    assert replace(start, seconds=0) == replace(probed[0].probe(), seconds=0)
    assert (fitted.epochs, fitted.best_epoch, fitted.best_top1) == (2, 0, start.val_top1)
    assert same(weights(tmp_path / "bad"), weights(probed[0].path))
    il.test(tmp_path / "bad", data, "cpu")
    assert "the fitted head, before epoch 1 of 2" in RunFolder(tmp_path / "bad").tested().selected_by
    assert "the fitted head before epoch 1 of 2" in (tmp_path / "bad" / "report.html").read_text()
    assert load_recipe("fine_tune").head == "probe"


def test_fine_tuning_that_is_stopped_goes_on_bit_for_bit(setup, data, tmp_path):
    fine = replace(setup, recipe=FINE)
    il.train(fine, tmp_path / "whole", CPU, QUIET, data)
    steps = iter(range(1000))
    asked = replace(QUIET, stop=lambda: next(steps) == 7)
    assert il.train(fine, tmp_path / "cut", CPU, asked, data) is None
    assert list((tmp_path / "cut" / "state").iterdir())
    il.train(fine, tmp_path / "cut", CPU, QUIET, data)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    one, two = RunFolder(tmp_path / "cut"), RunFolder(tmp_path / "whole")
    assert replace(one.probe(), seconds=0) == replace(two.probe(), seconds=0)
    on = il.continued(one, Changes(epochs=1))
    assert (on.recipe.head, on.recipe.epochs) == ("given", 1)
    assert il.continued(RunFolder(tmp_path / "whole"), Changes(epochs=2, set_=("head=probe",))).recipe.head == "probe"


def test_older_recipes_keep_the_names_of_their_runs():
    assert Setup(TINY, RECIPE, "digits").key == Setup(TINY, replace(RECIPE, head="given"), "digits").key
    assert Setup(TINY, FINE, "digits").key != Setup(TINY, replace(FINE, head="given"), "digits").key


def test_mirrored_views_are_averaged_in_the_features(setup, data, tmp_path):
    il.train(replace(setup, recipe=replace(PROBE, flip_tta=True)), tmp_path / "run", CPU, QUIET, data)
    found, trained = RunFolder(tmp_path / "run").probe(), il.load_run(tmp_path / "run")
    training = training_and_validation(data, setup)[0]
    logits = logits_of(trained.network, training, Preprocess(setup.spec.input), flip_tta=True)
    assert torch.nn.functional.cross_entropy(logits, training.labels).item() == pytest.approx(
        found.train_loss, rel=1e-4
    )


def test_what_no_head_can_be_fitted_to_is_said(setup, data, tmp_path, trunk):
    said = []
    il.fit(replace(setup, weights=""), tmp_path / "random", CPU, replace(QUIET, say=said.append), data)
    assert any("no weights are given, so the head is fitted to the features of a random trunk" in one for one in said)
    other = replace(TINY, head=Seq(top=Conv(10, 1), pool=Pool("avg", to=1)))
    with pytest.raises(SpecError, match=r"tiny ends with pool = .*; a probe fits a Linear\(\) with a bias"):
        il.fit(replace(setup, spec=other, weights=""), tmp_path / "other", CPU, QUIET, data)
    plain = replace(TINY, head=Seq(pool=Pool("avg", to=1), drop=Dropout(0.2), fc=Linear(bias=False)))
    with pytest.raises(SpecError, match="with a bias and without an activation"):
        il.fit(replace(setup, spec=plain, weights=""), tmp_path / "plain", CPU, QUIET, data)
    few = replace(data, train=data.train.subset(torch.nonzero(data.train.labels != 3)[:200, 0]))
    with pytest.raises(DataError, match="no training image shows '3', and a probe needs one of every class"):
        il.fit(replace(setup, limit_train=None), tmp_path / "few", CPU, QUIET, few)
    alone = Samples(data.train.images.subset(torch.arange(9)), torch.zeros(9, dtype=torch.int64), ("one",))
    spec = replace(TINY, classes=1)
    with pytest.raises(DataError, match="the images have one, 'one'; give two or more"):
        il.fit(Setup(spec, PROBE, "one"), tmp_path / "alone", CPU, QUIET, DataSet("one", alone, alone))


def test_settings_that_a_probe_does_not_read_are_refused():
    with pytest.raises(ConfigError, match=r"lr = 0\.1 would not be read: epochs = 0 takes no step"):
        replace(PROBE, lr=0.1)
    with pytest.raises(ConfigError, match=r"augment = .* would not be read: epochs = 0 takes no step"):
        il.recipe("probe", {"augment.flip": False})
    with pytest.raises(ConfigError, match='epochs = 0 trains nothing; head = "probe" fits the head alone'):
        Recipe(epochs=0)
    assert il.recipe("fine_tune", {"epochs": 0}) == replace(PROBE, precision="auto")  # what else it says goes back
    spec = il.get_spec("googlenet.torchvision")
    with pytest.raises(ConfigError, match="has auxiliary heads; leave them out"):
        Setup(spec, PROBE, "digits")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Bright and dark images of two classes."""
    root = tmp_path_factory.mktemp("data") / "insects"
    for part, count in (("train", 12), ("val", 4)):
        for i, name in enumerate(("ants", "bees")):
            for j in range(count):
                path = root / part / name / f"{j}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(j).integers(0, 80, (40, 36, 3)) + 150 * i
                Image.fromarray(pixels.astype(np.uint8)).save(path)
    return root


def test_the_command_probes_and_prints_one_object(photos, tmp_path, capsys):
    name = "inception_net | widen(0.1)"
    common = ["train", name, str(photos), "--probe", "--input-size", "32", "--device", "cpu", "--seed", "4"]
    main([*common, "--json", "--out", str(tmp_path / "run")])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["folder"] == str(tmp_path / "run")
    assert found["test"]["seed"] == 4
    assert found["probe"]["images"] == 22
    assert "features of a random trunk" in err
    assert "the head is fitted to" in err
    main([*common, "--dry-run"])
    out, _ = capsys.readouterr()
    assert "steps    none: the head alone is fitted" in out
    assert "inception_net-insects-probe-" in out
    assert "lr 0.05" not in out
    for more, words in (
        (["--epochs", "3"], "--epochs would not be read: --probe takes no step"),
        (["--recipe", "small"], "--recipe small would not be read: --probe is a recipe"),
        (["--set", "lr=0.1"], "lr = 0.1 would not be read: epochs = 0 takes no step"),
    ):
        with pytest.raises(SystemExit) as stop:
            main([*common, *more])
        assert stop.value.code == 2
        assert words in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit):
        main(["train", "--resume", str(tmp_path / "run"), "--probe"])
    assert "--probe would not be read: --resume goes on with" in " ".join(capsys.readouterr().err.split())


def test_choices_fit_a_network_whose_head_is_fitted(photos):
    setup, loaded = il.configure("inception_net | widen(0.1)", str(photos), "probe", Choices(input_size=32))
    assert setup.recipe == PROBE
    assert il.plan(setup, data=loaded).steps == 0
