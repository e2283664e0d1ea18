from dataclasses import replace

import pytest
import torch

from inceptionlab import SpecError, build, create_model, load_weights, storage
from inceptionlab.cli import main
from inceptionlab.data.dataset import DataSet
from inceptionlab.data.registry import digits
from inceptionlab.errors import ConfigError
from inceptionlab.nn.initialise import initialise
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Machine
from inceptionlab.runs.testing import train
from inceptionlab.storage import write_tensors
from inceptionlab.training.freezing import freeze, frozen_nodes
from inceptionlab.training.optimizers import make_optimizer
from inceptionlab.training.recipe import Recipe, load_recipe, recipe_names
from inceptionlab.weights.loading import spec_with
from inceptionlab.zoo.configure import configured
from tests.training.test_run import QUIET, RECIPE, SETUP, TINY
from tests.weights.test_weights import as_torchvision


def test_what_is_frozen_stays_and_the_rest_moves(tmp_path):
    setup = replace(SETUP, recipe=replace(RECIPE, freeze="backbone", freeze_bn="frozen", epochs=1, ema=0.0))
    network = build(TINY)
    initialise(network, seed=SETUP.seed)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    train(setup, tmp_path, Machine("cpu"), QUIET, digits())
    after = storage.read_tensors(tmp_path / "model.safetensors")
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert moved == {"fc.linear.weight", "fc.linear.bias"}


def test_nodes_and_norms_that_stay():
    network = build(TINY)
    assert frozen_nodes(network, "backbone") == ["conv", "block"]
    assert frozen_nodes(network, "early") == ["conv"]
    assert frozen_nodes(network, "bl*") == ["block"]
    with pytest.raises(SpecError, match="is no node of tiny; did you mean 'block'"):
        frozen_nodes(network, "blok")
    assert len(freeze(build(TINY), Recipe(freeze="early", freeze_bn="frozen"))) == 1
    assert len(freeze(build(TINY), Recipe(freeze_bn="all"))) == 3
    assert freeze(build(TINY), Recipe(freeze="early")) == []
    with pytest.raises(SpecError, match="leaves no weight"):
        freeze(build(TINY), Recipe(freeze="*"))


def test_the_head_may_learn_at_another_rate():
    groups = make_optimizer(build(TINY), Recipe(head_lr=10.0)).param_groups
    assert [(g["factor"], g["weight_decay"] > 0, len(g["params"])) for g in groups] == [
        (1.0, True, 3), (1.0, False, 6), (10.0, True, 1), (10.0, False, 1),
    ]  # fmt: skip


def test_a_setup_whose_spec_is_not_what_the_weights_take_is_refused(tmp_path):
    """A padded convolution keeps the mean of the weights' source, so the network takes another input than before."""
    spec = configured("googlenet.torchvision", 10, 1, 32, stem="imagenet")
    spec = replace(spec, input=replace(spec.input, mean=(0.1,)))
    source = create_model("googlenet.torchvision", 10)
    torch.save(as_torchvision(source.state_dict()), tmp_path / "w.pth")
    setup = replace(SETUP, spec=spec, weights=str(tmp_path / "w.pth"), recipe=replace(RECIPE, epochs=1))
    with pytest.raises(ConfigError, match=r"another input than the setup's spec says; make the setup from spec_with"):
        train(setup, tmp_path / "run", Machine("cpu"), QUIET, digits())
    taking = spec_with(spec, tmp_path / "w.pth")
    network = build(taking)
    assert load_weights(network, tmp_path / "w.pth").input == network.spec.input == taking.input != spec.input
    assert spec_with(taking, tmp_path / "w.pth") == taking  # once more changes nothing


def test_training_begins_with_the_weights_of_a_file(tmp_path):
    torch.manual_seed(5)
    source = build(TINY)
    write_tensors(tmp_path / "w.safetensors", source.state_dict(), {})
    recipe = replace(RECIPE, lr=1e-12, warmup=0.0, epochs=1, ema=0.0, freeze_bn="all")
    setup = replace(SETUP, recipe=recipe, weights=str(tmp_path / "w.safetensors"))
    said = []
    train(setup, tmp_path / "run", Machine("cpu"), replace(QUIET, say=said.append), digits())
    after = storage.read_tensors(tmp_path / "run" / "model.safetensors")
    torch.testing.assert_close(after["fc.linear.weight"], source.state_dict()["fc.linear.weight"])
    assert said[0].startswith("InceptionLab: ")
    assert setup.key != SETUP.key


def test_the_command_fine_tunes_for_other_classes(tmp_path, capsys):
    name, file = "small_fast | widen(0.25)", str(tmp_path / "w.safetensors")
    write_tensors(tmp_path / "w.safetensors", create_model(name, 100, in_channels=1).state_dict(), {})
    main(["train", "--model", name, "--data", "digits", "--weights", file, "--limit-train", "200", "--limit-test", "50",
          "--epochs", "1", "--device", "cpu", "--set", "freeze=backbone", "--out", str(tmp_path / "run")])  # fmt: skip
    assert "new fc" in capsys.readouterr().err
    assert len(RunFolder(tmp_path / "run").epochs()) == 1
    with pytest.raises(SystemExit) as stop:
        main(["train", "--model", "small_fast", "--data", "digits", "--weights", str(tmp_path / "none.pth")])
    assert stop.value.code == 2


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_fits_a_screen(name):
    from importlib.resources import files as resources

    recipe = load_recipe(name)
    text = (resources("inceptionlab.training") / "recipes" / f"{name}.toml").read_text()
    assert len(text.splitlines()) <= 40
    assert "# Command: inceptionlab train" in text
    assert recipe.epochs > 0 or recipe.head == "probe"


def test_small_images_first(tmp_path):
    sizes = []
    network = build(TINY)
    network.conv.register_forward_hook(lambda _, args, __: sizes.append(args[0].shape[2]) if network.training else None)
    from inceptionlab.runs.fitting import make_fabric
    from inceptionlab.runs.setup import training_and_validation
    from inceptionlab.training.loop import Trainer
    from inceptionlab.training.placement import placement_of

    fabric, _ = make_fabric("cpu", "fp32")
    setup = replace(SETUP, recipe=replace(RECIPE, epochs=4, low_size=16, low_share=0.5, flip_tta=True))
    data: DataSet = digits()
    trainer = Trainer(network, setup.recipe, placement_of(fabric), tmp_path, 0, QUIET)
    trainer.fit(*training_and_validation(data, setup))
    assert sizes == sorted(sizes)
    assert sizes.count(16) == sizes.count(32) > 0
