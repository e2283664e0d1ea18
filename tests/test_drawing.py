import dataclasses
import re
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from PIL import Image

from inceptionlab import ConfigError, Look, SpecError, get_spec, list_models, measure, save_drawing
from inceptionlab.analysis.drawing import draw, draw_node, scene
from inceptionlab.analysis.figures import SIZES
from inceptionlab.analysis.geometry import measure_node
from inceptionlab.analysis.scene import Filled, Rect, Text
from inceptionlab.cli import main
from inceptionlab.rules import attend, residual
from inceptionlab.spec import Concat, Conv, Input, Linear, Network, Pool, Residual, Seq
from tests.random_specs import specs

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", list_models())
def test_every_member_is_drawn_whole(name):
    spec = get_spec(name)
    root = ElementTree.fromstring(draw(spec))
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert all(path in words for path, _ in spec.children)


def test_boxes_stay_inside_the_image():
    root = ElementTree.fromstring(draw(residual(0.1)(attend("cbam")(get_spec("small_v3")))))
    width, height = (float(root.get(side)) for side in ("width", "height"))

    def visit(element, x, y):
        moved = element.get("transform", "")
        if moved:
            dx, dy = moved.removeprefix("translate(").removesuffix(")").split(",")
            x, y = x + float(dx), y + float(dy)
        if element.tag == f"{SVG}rect":
            assert x >= 0
            assert x + float(element.get("width")) <= width
            assert y + float(element.get("height")) <= height
        for child in element:
            visit(child, x, y)

    visit(root, 0.0, 0.0)


def test_one_node_and_depth():
    assert draw(get_spec("googlenet"), "inception3a").count('class="box') == 8
    assert draw(get_spec("googlenet"), depth=1).count('class="box') < draw(get_spec("googlenet")).count('class="box')
    assert "concat" in draw_node(Concat(Conv(4), Conv(4, 3)), (3, 8, 8))
    with pytest.raises(SpecError, match="did you mean 'inception3a'"):
        draw(get_spec("googlenet"), "inceptoin3a")


def test_names_are_escaped():
    svg = draw_node(Conv(4), (3, 8, 8), title='<script>&"')
    assert "<script>" not in svg
    ElementTree.fromstring(svg)


def test_networks_show_themselves_in_a_notebook():
    spec = dataclasses.replace(get_spec("inception_v3"), name="<script>")
    for html in (spec._repr_html_(), measure(spec)._repr_html_()):
        assert "<script>" not in html
        assert html.count("<tr>") == 23
        table = html[: html.index("</table>")] + "</table>"
        assert len(list(ElementTree.fromstring(table).iter("td"))) == 22 * 6
    assert "needs images of at least" in spec.resized(20)._repr_html_()


def test_a_measured_network_prints_as_a_table_that_fits_a_screen():
    lines = repr(measure(get_spec("inception_v3"))).splitlines()
    assert lines[0].startswith("inception_v3.torchvision at 3x299x299: 23,834,568 parameters")
    assert lines[2].split()[0] == "conv1a"
    assert max(map(len, lines[1:])) <= 110
    assert repr(measure(get_spec("googlenet")).children[0]) == (
        "<conv1: 7×7/2 conv 64; 3x224x224 to 64x112x112, 9,536 parameters, 118,013,952 MACs>"
    )


RULES = ["residual(0.1)", "residual(0.1) | attend(cbam)", "attend(se, stage)", "fuse(sum)", "ghost()", "separable()",
         "stochastic_depth(0.1)", "widen(0.5)", "without_branch(pool)", "factorize(5)"]  # fmt: skip
RULED = [f"{name} | {rules}" for name in ("small_v1", "inception_net") for rules in RULES]
HORIZONTAL = Look(layout="horizontal")


def drawn(svg):
    """The parameters of the boxes of a drawing, each as often as it stands in the network."""
    boxes = [box for box in ElementTree.fromstring(svg).iter(f"{SVG}rect") if "box" in box.get("class")]
    return sum(int(box.get("data-params")) * int(box.get("data-times")) for box in boxes)


@pytest.mark.parametrize("name", [*list_models(), *RULED])
def test_what_is_drawn_is_what_is_built(name):
    spec = get_spec(name)
    count = measure(spec).params_with_aux
    for depth in (1, 2, 8):
        assert drawn(draw(spec, depth=depth)) == count
    assert drawn(draw(spec, look=Look("horizontal", fold=False))) == count


@settings(max_examples=100)
@given(specs)
def test_what_is_drawn_of_any_tree_is_what_is_built(spec):
    assert drawn(draw_node(spec, (3, 32, 32), look=HORIZONTAL)) == measure_node(spec, (3, 32, 32)).params


def test_projections_of_shortcuts_are_drawn():
    spec = get_spec("small_v1 | residual(0.1)")
    boxes = {box.path: box for box in scene(spec).boxes}
    shortcuts = [box for path, box in boxes.items() if path.endswith(".shortcut")]
    assert len(shortcuts) == 6
    assert sum(box.params for box in shortcuts) == 1_753_204
    assert "identity" in draw(spec)
    assert "identity" not in draw(spec, "inception3a")


@cache
def font():
    from matplotlib.font_manager import FontProperties

    return FontProperties(family="DejaVu Sans")


@cache
def room_of(text, size):
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), text, size=size, prop=font()).get_extents().width


@pytest.mark.parametrize("look", [Look(params=True), Look("horizontal", params=True)], ids=["vertical", "horizontal"])
@pytest.mark.parametrize("name", ["googlenet.paper", "inception_next_tiny", "xception", "small_resnet | attend(cbam)",
                                  "inception_resnet_v2", "inception_v3"])  # fmt: skip
def test_labels_fit_their_boxes_and_boxes_stand_apart(name, look):
    for depth in (1, 8):
        drawing = scene(get_spec(name), depth=depth, look=look)
        boxes = [shape for shape in drawing.shapes if isinstance(shape, Rect) and shape.kind != "panel"]
        for a, b in combinations(boxes, 2):
            apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            assert apart, (a, b)
        texts = [shape for shape in drawing.shapes if isinstance(shape, Text)]
        for text in texts:
            holder = next((b for b in boxes if b.x < text.x < b.x + b.width and b.y < text.y < b.y + b.height), None)
            wide = room_of(text.text, SIZES[text.style])
            if holder is not None and text.anchor == "middle":
                assert wide <= holder.width - 6
            elif text.style == "note" and text.anchor == "start":
                assert text.x + wide <= drawing.width


def test_a_residual_shows_its_arms_its_scale_and_what_follows():
    body = Residual(Conv(8, 3), 0.17, gamma=1e-6, stochastic_depth=0.1)
    svg = draw_node(body, (8, 16, 16))
    words = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"× 0.17", "× γ, from 1e-06", "stochastic depth 0.1", "relu"} <= set(words)
    assert svg.count('<circle class="sum"') == 1
    assert "relu" not in draw_node(dataclasses.replace(body, act=None), (8, 16, 16))
    assert svg.count("dashed") > draw_node(Conv(8), (8, 16, 16)).count("dashed")


def test_equal_blocks_are_folded_and_named():
    spec = get_spec("inception_resnet_v2")
    folded, whole = scene(spec), scene(spec, look=Look(fold=False))
    assert folded.height < whole.height / 3
    assert "×20" in [shape.text for shape in folded.shapes if isinstance(shape, Text)]


def test_layout_legend_arrows_and_colours():
    spec = get_spec("inception_net")
    tall, wide = scene(spec), scene(spec, look=HORIZONTAL)
    assert tall.height > tall.width
    assert wide.width > wide.height
    assert sum(isinstance(shape, Filled) for shape in tall.shapes) >= len(tall.boxes)
    texts = [shape.text for shape in tall.shapes if isinstance(shape, Text)]
    assert {"convolution", "pooling", "concatenation, sum"} <= set(texts)
    bare = scene(spec, look=Look(legend=False))
    assert "pooling" not in [shape.text for shape in bare.shapes if isinstance(shape, Text)]
    assert "prefers-color-scheme" in draw(spec)
    assert "prefers-color-scheme" not in draw(spec, look=Look(theme="dark"))
    with pytest.raises(ConfigError, match="did you mean 'horizontal'"):
        Look("horizontl")


def test_a_drawing_is_saved_as_png_and_pdf(tmp_path):
    spec = get_spec("small_v1 | residual(0.1)")
    image = save_drawing(spec, tmp_path / "a.png", "inception3a", width=900)
    with Image.open(image) as opened:
        opened.load()
        assert opened.width == 900
        assert len(opened.convert("RGB").getcolors(1 << 24)) > 100
    dark = save_drawing(spec, tmp_path / "b.PNG", "inception3a", look=Look(theme="dark"))
    with Image.open(dark) as opened:
        assert sum(opened.convert("RGB").getpixel((1, 1))) < 150
    pdf = save_drawing(spec, tmp_path / "a.pdf", look=HORIZONTAL).read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert save_drawing(spec, tmp_path / "a.svg").read_text(encoding="utf-8") == draw(spec)


def test_letters_that_are_too_small_to_read_are_said(tmp_path, capsys):
    file = tmp_path / "slide.png"
    main(["draw", "small_v1", "--layout", "horizontal", "--width", "1920", "-o", str(file)])
    printed = capsys.readouterr()
    assert printed.out == f"{file}\n"
    assert "letters of slide.png are 4 pixels high" in printed.err
    width = re.search(r"--width (\d+)", printed.err)[1]
    for arguments in (["--width", width], ["--node", "inception3a"], []):
        main(["draw", "small_v1", "--layout", "horizontal", *arguments, "-o", str(file)])
        assert not capsys.readouterr().err


def test_names_in_other_scripts_are_drawn_without_a_warning(tmp_path):
    block = Concat(一=Conv(8), 池化=Seq(Pool("max"), Conv(4)))
    spec = Network("网络", Seq(主干=Conv(8, 3)), Seq(块=block), Seq(fc=Linear()), Input(3, 16, 16), 10)
    assert "池化" in draw(spec)
    assert save_drawing(spec, tmp_path / "a.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("name", "width", "words"),
    [
        ("a.gif", None, "ends in .gif: a drawing is written as .svg, .png or .pdf"),
        ("a", None, "ends in nothing"),
        ("a.svg", 300, "which have any size"),
        ("a.png", 0, "leaves nothing of the drawing"),
        ("a.png", 50_000, "30,000 at most"),
    ],
)
def test_other_files_and_sizes_are_refused(tmp_path, name, width, words):
    with pytest.raises(ConfigError, match=words):
        save_drawing(get_spec("dilated_cnn"), tmp_path / name, width=width)
    assert not list(tmp_path.iterdir())


def test_the_image_of_the_front_page_is_what_is_drawn_today():
    image = Path(__file__).parents[1] / "docs" / "images" / "inception_module.svg"
    assert image.read_text(encoding="utf-8") == draw(get_spec("googlenet.paper"), "inception3a"), (
        "draw it anew: inceptionlab draw googlenet.paper --node inception3a -o docs/images/inception_module.svg"
    )


def test_a_notebook_shows_a_drawing_as_a_picture():
    drawing = draw(get_spec("inception_net"), "inception1")
    assert drawing._repr_svg_() == drawing
    assert drawing.startswith("<svg")
