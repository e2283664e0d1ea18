"""Every published number of a member is a row of a table here."""

from pathlib import Path

import pytest
import torch
from torch import nn

from inceptionlab import SpecError, create_block, create_model, get_spec, list_models, measure
from inceptionlab.analysis.geometry import measure_node
from inceptionlab.nn.layers.branches import Concat as ConcatModule
from inceptionlab.zoo.googlenet import naive
from inceptionlab.zoo.modules import BLOCKS, get_block
from inceptionlab.zoo.registry import ALIASES, REGISTRY

# name: parameters, with auxiliary heads, MACs
NUMBERS = {
    "googlenet.paper": (6_998_552, 13_378_280, 1_582_671_872),
    "googlenet.torchvision": (6_624_904, 13_004_888, 1_498_376_192),
    "googlenet.bn": (7_012_472, 7_012_472, 1_582_671_872),
    "googlenet.gray": (5_977_530, 5_977_530, 1_502_982_144),
    "googlenet.gray_erratum": (5_927_850, 5_927_850, 1_493_248_000),
    "bn_inception.caffe": (11_295_240, 11_295_240, 2_032_600_064),
    "inception_v3.torchvision": (23_834_568, 27_161_264, 5_713_216_096),
    "googlenet.tf_slim": (6_624_904, 6_624_904, 1_498_376_192),
    "bn_inception.tf_slim": (11_188_224, 11_188_224, 1_934_857_216),
    "inception_v2": (24_861_096, 28_187_792, 5_860_702_304),
    "inception_v2.n3": (21_322_152, 24_648_848, 4_837_947_488),
    "inception_v2.compact": (8_357_512, 8_357_512, 1_719_326_208),
    "inception_v3.tf_slim": (23_834_568, 27_161_264, 5_713_216_096),
    "inception_v4": (42_679_816, 46_039_280, 12_253_974_624),
    "inception_resnet_v1.paper": (22_756_328, 22_756_328, 6_206_361_696),
    "inception_resnet_v1.facenet": (27_910_327, 27_910_327, 1_422_081_376),
    "inception_resnet_v2.released": (55_843_464, 59_211_120, 13_155_794_016),
    "inception_resnet_v2.paper": (32_433_928, 32_433_928, 9_257_953_632),
    "xception.keras": (22_855_952, 22_855_952, 8_357_403_496),
    "xception.timm": (22_855_952, 22_855_952, 8_357_403_496),
    "xception41": (26_969_560, 26_969_560, 9_204_134_312),
    "xception41p": (26_907_752, 26_907_752, 9_204_134_312),
    "xception65": (39_916_312, 39_916_312, 13_852_682_216),
    "xception65p": (39_819_560, 39_819_560, 13_852_682_216),
    "xception71": (42_338_736, 42_338_736, 17_946_553_928),
    "inception_next_atto": (4_156_520, 4_156_520, 503_035_040),
    "inception_next_tiny": (28_055_680, 28_055_680, 4_188_634_272),
    "inception_next_small": (49_374_016, 49_374_016, 8_355_682_080),
    "inception_next_base": (86_672_136, 86_672_136, 14_841_072_000),
    "inception_net": (326_122, 326_122, 22_465_024),
    "dilated_cnn": (1_074_986, 1_074_986, 3_852_800),
    "small_fast2": (1_494_544, 1_494_544, 104_576_736),  # nobody's published number: that of its cost in `efficient`
}
# the module tutorial: parameters for 64, 192 and 256 input channels, as printed there
LITERAL_BLOCKS = {
    "v1": (137_072, 163_696, 177_008),
    "v2": (142_592, 150_784, 154_880),
    "asymmetric": (117_024, 125_216, 129_312),
    "bn": (59_872, 68_064, 72_160),
    "resnet": (40_192, 64_896, 77_248),
}
COMPLETE_BLOCKS = {
    "v1": (137_072, 163_696, 177_008),
    "v2": (265_824, 299_616, 316_512 + 0),
    "asymmetric": (240_256, 274_048, 290_944),
    "bn": (79_200, 105_824, 119_136),
    "resnet": (40_192, 64_896, 77_248),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_published_numbers(name):
    measured = measure(get_spec(name))
    assert (measured.params, measured.params_with_aux, measured.macs) == NUMBERS[name]


def test_other_heads_and_sizes_of_published_numbers():
    facenet = get_spec("inception_resnet_v1.facenet")
    assert measure(facenet.with_classes(0)).params == 23_482_624
    as_imagenet = measure(facenet.with_classes(1000).resized(299))
    assert (as_imagenet.params, as_imagenet.macs) == (23_995_624, 6_308_235_360)
    assert measure(get_spec("inception_next_base").resized(384)).macs == 43_602_524_160


def test_the_naive_module_of_figure_2a():
    measured = measure_node(naive(64, 128, 32), (192, 28, 28))
    assert (measured.params, measured.macs) == (387_296, 303_464_448)
    assert measured.output == (64 + 128 + 32 + 192, 28, 28)


def test_inception_v4_has_no_residuals():
    kinds = {
        name: {type(row.node).__name__ for row in measure(get_spec(name)).walk()}
        for name in ("inception_v4", "inception_resnet_v1.paper", "inception_resnet_v2.paper")
    }
    assert [name for name, found in kinds.items() if "Residual" not in found] == ["inception_v4"]


@pytest.mark.parametrize("name", LITERAL_BLOCKS)
@pytest.mark.parametrize(("i", "channels"), list(enumerate((64, 192, 256))))
def test_the_modules_of_the_tutorial(name, i, channels):
    module = create_block(name, channels)
    assert sum(p.numel() for p in module.parameters()) == LITERAL_BLOCKS[name][i]
    measured = measure_node(get_block(name), (channels, 8, 8))
    x = torch.randn(2, channels, 8, 8)
    assert module(x).shape[1:] == measured.output


@pytest.mark.parametrize("name", BLOCKS)
def test_the_completed_modules_have_activations_and_all_branches(name):
    module = create_block(name, 64, form="complete")
    assert any(isinstance(m, nn.ReLU) for m in module.modules())
    assert any(isinstance(m, ConcatModule) for m in module.modules())
    assert module(torch.randn(2, 64, 8, 8)).shape[2:] == (8, 8)


def test_memory_efficient_modules_give_the_same_numbers():
    plain, saving = (create_block("bn", 16, grad_checkpoint=c) for c in (False, True))
    saving.load_state_dict(plain.state_dict())
    assert list(saving.state_dict()) == list(plain.state_dict())
    x = torch.randn(4, 16, 8, 8)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    for module, value in zip((plain, saving), inputs, strict=True):
        module(value).square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=0, atol=0)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(value, saving.state_dict()[key], rtol=0, atol=0, msg=key)


def test_the_resnet_module_takes_its_scale():
    assert get_block("resnet", scale=0.3).scale == 0.3
    with pytest.raises(SpecError, match="unexpected keyword"):
        create_block("v1", 64, scale=0.3)
    with pytest.raises(SpecError, match="no Inception module is called 'v9'"):
        create_block("v9", 64)
    with pytest.raises(SpecError, match="did you mean 'resnet'"):
        create_block("resnets", 64)


@pytest.mark.parametrize(
    ("name", "millions"), [("small_v1", 5.2), ("small_v2", 4.7), ("small_v3", 5.1), ("small_resnet", 6.2)]
)
def test_the_comparison_set_has_the_parameters_of_the_tutorial(name, millions):
    assert measure(get_spec(name)).params / 1e6 == pytest.approx(millions, rel=0.03)


def test_stage_sizes_of_googlenet_are_those_of_table_1():
    outputs = {row.path: row.output for row in measure(get_spec("googlenet.paper")).children}
    assert outputs["conv1"] == (64, 112, 112)
    assert outputs["pool1"] == (64, 56, 56)
    assert outputs["pool2"] == (192, 28, 28)
    assert outputs["inception3b"] == (480, 28, 28)
    assert outputs["inception4e"] == (832, 14, 14)
    assert outputs["inception5b"] == (1024, 7, 7)


def test_the_summary_of_the_batch_norm_tutorial_row_by_row():
    lines = (Path(__file__).parent / "golden" / "googlenet_bn_layers.txt").read_text().splitlines()[1:]
    model = create_model("googlenet.bn").eval().to("meta")
    rows: list[str] = []

    def note(module, _, output):
        own = sum(p.numel() for p in module.parameters()) if not isinstance(module, ConcatModule) else 0
        rows.append(f"{type(module).__name__} {'x'.join(map(str, output.shape[1:]))} {own}")

    kinds = nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d | ConcatModule | nn.AdaptiveAvgPool2d | nn.Linear
    for name, module in model.named_modules():
        stem_relu = isinstance(module, nn.ReLU) and name.startswith("conv")  # a function in the tutorial, not a layer
        if (isinstance(module, kinds) and not stem_relu) or name == "dropout":
            module.register_forward_hook(note)
    model(torch.empty(1, 3, 224, 224, device="meta"))
    assert rows == lines
    assert sum(int(line.split()[2]) for line in lines) == 7_012_472


def test_the_registry():
    assert set(ALIASES.values()) <= set(REGISTRY)
    assert all(get_spec(name).name == name for name in list_models())
    assert list_models("small_*") == ["small_fast", "small_fast2", "small_v1", "small_v2", "small_v3", "small_resnet"]
    assert get_spec("inception_v3") == get_spec("inception_v3.torchvision")
    with pytest.raises(SpecError, match="did you mean 'inception_v3'"):
        get_spec("inceptoin_v3")
