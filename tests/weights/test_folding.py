import pytest
import torch

from inceptionlab import create_model
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.spec.network import IMAGENET_MEAN, IMAGENET_STD, Input
from inceptionlab.weights.folding import folded, for_channels

IMAGENET = Input(mean=IMAGENET_MEAN, std=IMAGENET_STD)
CAFFE = Input(mean=(0.5, 0.45, 0.4), std=(1 / 255,), order="BGR")


@pytest.mark.parametrize("source", [IMAGENET, CAFFE], ids=["imagenet", "bgr"])
@pytest.mark.parametrize("name", ["googlenet.paper", "bn_inception.caffe", "inception_v3", "bn_inception.tf_slim"])
def test_folding_changes_nothing_of_what_images_give(name, source):
    """Padded and unpadded first convolutions, with a bias, with a batch norm, and separable."""
    if name == "bn_inception.tf_slim" and source is CAFFE:
        pytest.skip("a separable stem takes RGB")
    torch.manual_seed(0)
    model = create_model(name, input_size=96, stem="imagenet").double().eval()
    samples = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    taken = Input(3, 96, 96, source.mean, source.std, order=source.order)
    expected = model(Preprocess(taken).to_input(samples).double())
    state, image = folded(dict(model.state_dict()), model.spec, source)
    model.load_state_dict(state)
    assert image.order == "RGB"
    assert image.std == model.spec.input.std
    x = ((samples.double() / 255 - torch.tensor(image.mean)) / torch.tensor(image.std)).permute(0, 3, 1, 2)
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


def test_a_grey_image_is_three_equal_planes():
    torch.manual_seed(0)
    colour = create_model("inception_v3", input_size=96, stem="imagenet").double().eval()
    grey = create_model("inception_v3", in_channels=1, input_size=96, stem="imagenet").double().eval()
    state, image = folded(dict(colour.state_dict()), grey.spec, IMAGENET)
    grey.load_state_dict(state)
    samples = torch.randint(0, 256, (2, 96, 96, 1), dtype=torch.uint8)
    taken = Input(3, 96, 96, IMAGENET_MEAN, IMAGENET_STD)
    expected = colour(Preprocess(taken).to_input(samples.expand(-1, -1, -1, 3)).double())
    x = ((samples.double() / 255 - image.mean[0]) / image.std[0]).permute(0, 3, 1, 2)
    torch.testing.assert_close(grey(x), expected, rtol=1e-4, atol=1e-5)


def test_bgr_images_are_turned_after_they_are_normalised():
    samples = torch.randint(0, 256, (1, 4, 4, 3), dtype=torch.uint8)
    rgb = Input(3, 4, 4, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    bgr = Input(3, 4, 4, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), order="BGR")
    assert torch.equal(Preprocess(bgr).to_input(samples), Preprocess(rgb).to_input(samples).flip(1))


def test_a_source_of_another_number_of_channels_has_its_mean():
    assert for_channels(IMAGENET, 1).mean == (pytest.approx(0.449),)
