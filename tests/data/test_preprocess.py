"""One way of an image to a network: a file of a test image gives the logits of the test, whoever reads it."""

import asyncio
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inceptionlab import DataError, build, predict
from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess, create_transform
from inceptionlab.data.registry import for_named, load_data
from inceptionlab.data.stores.images import InMemory
from inceptionlab.evaluation.predictions import device_of, logits_of
from inceptionlab.evaluation.protocol import Protocol, Subject, apply_protocol
from inceptionlab.evaluation.views import probabilities
from inceptionlab.exporting.choosing import installed
from inceptionlab.runs.configuring import configure
from inceptionlab.runs.options import Choices
from inceptionlab.runs.prediction import Trained, with_engine
from inceptionlab.spec.network import Input
from inceptionlab.zoo.configure import configured

COUNT = 3


@pytest.fixture
def photos(tmp_path):
    """Photographs of many sizes, one of which a camera held on its side, and one of which is unpacked at a half."""
    for part in ("train", "test"):
        for i, name in enumerate(("ants", "bees")):
            (tmp_path / part / name).mkdir(parents=True)
            for j, size in enumerate([(60, 90), (100, 50), (40, 41), (400, 300)]):
                rough = np.random.default_rng(10 * i + j).integers(0, 255, (8, 8, 3), np.uint8)
                image, exif = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC), Image.Exif()
                exif[0x0112] = 6 if j == 1 else 1
                image.save(tmp_path / part / name / f"{j}.jpg", exif=exif)
    return tmp_path


def trained_for(model, data, size=None, data_dir=None, **changes):
    """(a network with random weights, its data), as training begins with them."""
    torch.manual_seed(0)
    setup, loaded = configure(model, data, choices=Choices(input_size=size), data_dir=data_dir)
    spec = replace(setup.spec, input=replace(setup.spec.input, **changes))
    return Trained(build(spec).to(memory_format=torch.channels_last).eval(), loaded.train.classes), loaded


def files_of(samples, folder):
    """Files of the first images: their own, or written without loss."""
    if samples.paths:
        return list(samples.paths[:COUNT])
    for i in range(COUNT):
        pixels = samples.images[i].numpy()
        Image.fromarray(pixels[..., 0] if samples.channels == 1 else pixels).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(COUNT)]


def agree(trained, samples, files):
    """Whether files give what the test gives."""
    some = samples.subset(torch.arange(len(files)))
    expected = logits_of(trained.run, some, trained.preprocess)
    with torch.inference_mode():
        found = torch.cat([trained.run(trained.preprocess.prepare(file)) for file in files])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    inputs = torch.cat([trained.preprocess.prepare(file) for file in files])
    assert torch.equal(inputs, trained.preprocess.batch(some.images[:]))
    top = [(one.label, one.top[0].probability) for one in predict(trained, files, top=1)]
    assert [label for label, _ in top] == [trained.classes[int(i)] for i in expected.argmax(1)]
    assert [p for _, p in top] == pytest.approx(expected.softmax(1).amax(1).tolist(), abs=1e-6)


@pytest.mark.parametrize(
    "model", ["googlenet | widen(0.25)", "inception_v3 | widen(0.125)", "small_fast | widen(0.25)"]
)
def test_a_file_of_a_test_image_gives_the_logits_of_the_test(model, tmp_path):
    trained, data = trained_for(model, "digits")
    assert trained.network.spec.input.crop == 1.0
    agree(trained, data.test, files_of(data.test, tmp_path))


@pytest.mark.parametrize("size", [24, 48, 70])
def test_so_it_does_where_the_network_takes_another_size_than_the_data_have(size, tmp_path):
    trained, data = trained_for("small_fast | widen(0.25)", "digits", size)
    assert trained.preprocess.stored_size == (32, 32)
    agree(trained, data.test, files_of(data.test, tmp_path))


def test_so_it_does_for_cifar10(data_dir, tmp_path):
    trained, data = trained_for("googlenet | widen(0.25)", "cifar10", data_dir=data_dir)
    agree(trained, data.test, files_of(data.test, tmp_path))


@pytest.mark.parametrize("changes", [{}, {"crop": 1.0}, {"crop": 0.7, "interpolation": "bicubic"}, {"order": "BGR"}])
def test_so_it_does_for_photographs(photos, changes):
    trained, _ = trained_for("googlenet | widen(0.25)", str(photos), 61, **changes)
    data = load_data(str(photos), trained.network.spec.input)
    agree(trained, data.test, files_of(data.test, photos))
    agree(trained, data.train, data.train.paths)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", installed())
def test_so_does_every_engine(engine, photos, tmp_path):
    for data in ("digits", str(photos)):
        trained, loaded = trained_for("small_fast | widen(0.25)", data, 32)
        agree(with_engine(trained, engine)[0], loaded.test, files_of(loaded.test, tmp_path))


def test_so_does_the_server(tmp_path):
    pytest.importorskip("starlette")
    from inceptionlab.web.app import application

    trained, data = trained_for("googlenet | widen(0.25)", "digits")
    expected = logits_of(trained.run, data.test.subset(torch.arange(COUNT)), trained.preprocess).softmax(1)
    app = application(trained, "torch")

    async def asked(body):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"top=1", "headers": []}
        await app(scope, receive, send)
        return json.loads(b"".join(message.get("body", b"") for message in sent))["top"][0]["probability"]

    async def all_asked():
        async with app.router.lifespan_context(app):
            return [await asked(file.read_bytes()) for file in files_of(data.test, tmp_path)]

    assert asyncio.run(asyncio.wait_for(all_asked(), 60)) == pytest.approx(expected.amax(1).tolist(), abs=1e-6)


def test_so_does_one_crop(photos):
    trained, data = trained_for("googlenet | widen(0.25)", str(photos), 61)
    plain = logits_of(trained.run, data.test, trained.preprocess).softmax(1)
    found = probabilities([(trained.run, trained.preprocess)], data.test, crops=1)
    torch.testing.assert_close(found, plain, atol=1e-6, rtol=1e-5)


def test_a_run_says_itself_how_its_images_are_prepared(tmp_path, capsys):
    from inceptionlab.cli import main

    main(["train", "--model", "googlenet | widen(0.125)", "--data", "digits", "--epochs", "1", "--limit-train", "64",
          "--limit-test", "20", "--device", "cpu", "--out", str(tmp_path / "run")])  # fmt: skip
    assert json.loads((tmp_path / "run" / "spec.json").read_text())["input"]["crop"] == 1.0
    main(["evaluate", str(tmp_path / "run"), "--json"])
    capsys.readouterr()


def test_a_study_prepares_images_as_a_run_does():
    spec = configured("googlenet", 10, 3, 32)
    assert for_named(spec, "cifar10").input.crop == 1.0
    assert for_named(configured("googlenet", 10, 3, 64), "cifar10").input.crop == 2.0
    assert for_named(spec, "path/to/photographs").input.crop == 0.875


def test_images_are_not_distorted():
    with pytest.raises(DataError, match=r"the images of mine are 32x32 and the network takes 32x48"):
        Preprocess(Input(3, 32, 48)).for_native((32, 32), "mine")


def test_a_transform_takes_what_people_have(photos):
    spec = configured("googlenet", input_size=64)
    transform = create_transform(spec)
    pixels = np.random.default_rng(0).integers(0, 255, (80, 70, 3), np.uint8)
    Image.fromarray(pixels).save(photos / "a.png")
    made = [transform(one) for one in (pixels, Image.fromarray(pixels), photos / "a.png", str(photos / "a.png"))]
    assert made[0].shape == (3, 64, 64)
    assert all(torch.equal(one, made[0]) for one in made)
    model = build(spec.with_channels(1).with_classes(2))
    assert create_transform(model)(Image.fromarray(pixels)).shape == (1, 64, 64)
    for wrong, words in ((pixels.astype(np.float32), "80x70x3 of float32"), (pixels[..., :2], "80x70x2 of uint8")):
        with pytest.raises(DataError, match=words):
            transform(wrong)
    with pytest.raises(DataError, match="a network of ours or its spec, not Linear"):
        create_transform(nn.Linear(1, 1))


def test_statistics_are_made_once_and_serve_training_too():
    preprocess, images = Preprocess(Input(3, 8, 8)), torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    with torch.inference_mode():
        preprocess.batch(images)
    weight = torch.ones(3, 1, 1, requires_grad=True)
    (preprocess.batch(images) * weight).sum().backward()
    assert weight.grad is not None


# --- where tensors live ----------------------------------------------------------------------------------------------


class Elsewhere(nn.Module):
    """A network on a device that computes nothing, which notes where its input is."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, device="meta"))
        self.seen = []

    def forward(self, x):
        self.seen.append(x.device.type)
        return torch.zeros(len(x), 3)


def few():
    images = torch.randint(256, (6, 8, 8, 3), dtype=torch.uint8)
    return Samples(InMemory(images), torch.arange(6) % 3, ("a", "b", "c"))


@pytest.mark.filterwarnings("ignore")
def test_whoever_computes_moves_the_images():
    model, preprocess, samples = Elsewhere(), Preprocess(Input(3, 8, 8, crop=1.0)), few()
    logits_of(model, samples, preprocess, flip_tta=True)
    probabilities([(model, preprocess)], samples, crops=10)
    subject = Subject(model, preprocess, samples.classes)
    apply_protocol(subject, samples, Protocol(temperature=True, corruptions=True), validation=samples)
    assert set(model.seen) == {"meta"}


def test_an_engine_takes_its_input_on_the_cpu():
    assert device_of(lambda x: x) == torch.device("cpu")
    assert device_of(nn.ReLU()) == torch.device("cpu")
    assert device_of(nn.BatchNorm2d(3, affine=False, device="meta")).type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.filterwarnings("ignore")
def test_a_network_on_a_gpu_is_evaluated_on_images_in_memory():
    trained, data = trained_for("small_fast | widen(0.25)", "digits")
    test, protocol = data.test.limited(60), Protocol(crops=10, temperature=True, corruptions=True)
    found = []
    for device in ("cpu", "cuda"):
        subject = Subject(trained.network.to(device), trained.preprocess, trained.classes)
        found.append(apply_protocol(subject, test, protocol, validation=test))
    assert found[0].score.loss == pytest.approx(found[1].score.loss, rel=1e-3)
    assert len(found[1].corruptions) == 15


def test_bytes_are_read_like_files():
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9), (200, 100, 0)).save(buffer, "PNG")
    assert Preprocess(Input(1, 8, 8)).prepare(buffer).shape == (1, 1, 8, 8)
