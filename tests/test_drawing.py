import dataclasses
from xml.etree import ElementTree

import pytest

from inceptionlab import SpecError, get_spec, list_models, measure
from inceptionlab.analysis.drawing import draw, draw_node
from inceptionlab.rules import attend, residual
from inceptionlab.spec import Concat, Conv

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
