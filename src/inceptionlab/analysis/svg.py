"""A scene as an SVG document."""

from __future__ import annotations

from html import escape

from inceptionlab.analysis.figures import SIZES, Look
from inceptionlab.analysis.scene import Disc, Filled, Rect, Scene, Shape, Stroke, Text

FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
Colours = dict[str, tuple[str, str]]
"""(fill, border or text) by what is coloured."""
LIGHT: Colours = {
    "ground": ("#ffffff", "#0f172a"), "soft": ("#ffffff", "#5b6b82"), "line": ("#ffffff", "#64748b"),
    "panel": ("#f5f7fa", "#dfe5ec"), "conv": ("#d6e6fb", "#7fa8dc"), "depthwise": ("#cdeef0", "#62b5bb"),
    "pool": ("#fbdcd9", "#e0938b"), "fuse": ("#d5efdc", "#79bd8e"), "gate": ("#fcedc6", "#d9b655"),
    "head": ("#e6e0f6", "#a794d3"), "block": ("#e3e8ef", "#9aa8ba"), "other": ("#f3dcee", "#c98fbd"),
    "input": ("#ffffff", "#94a3b8"), "sum": ("#d5efdc", "#4f9a66"),
}  # fmt: skip
DARK: Colours = {
    "ground": ("#0f172a", "#e8edf4"), "soft": ("#0f172a", "#a3b1c4"), "line": ("#0f172a", "#8fa0b6"),
    "panel": ("#182238", "#2c3a54"), "conv": ("#1d3b63", "#4a78b5"), "depthwise": ("#12474d", "#3a8f97"),
    "pool": ("#5a2a2c", "#a8605c"), "fuse": ("#1d4a31", "#4c9468"), "gate": ("#54431a", "#a3853b"),
    "head": ("#3b3163", "#7b6bb5"), "block": ("#2b3850", "#586a86"), "other": ("#512a48", "#9a5c8c"),
    "input": ("#0f172a", "#64748b"), "sum": ("#1d4a31", "#6fbf8c"),
}  # fmt: skip
BOXES = ("panel", "conv", "depthwise", "pool", "fuse", "gate", "head", "block", "other", "input", "sum")


class Drawing(str):
    """The text of an SVG document, which a notebook shows as the picture."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def to_svg(scene: Scene, look: Look) -> Drawing:
    """An SVG document that needs nothing else; its colours follow the reader's system unless `look` says otherwise."""
    width, height = f"{scene.width:g}", f"{scene.height:g}"
    return Drawing(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="network" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><title>{escape(scene.title)}</title><style>{_style(look)}</style>'
        f'<path class="ground" d="M0 0H{width}V{height}H0Z"/>'
        f"{''.join(_element(shape) for shape in scene.shapes)}</svg>\n"
    )


def _style(look: Look) -> str:
    texts = " ".join(f".{style} {{ font-size: {size:g}px }}" for style, size in SIZES.items())
    fixed = (
        f".network {{ font-family: {FONTS} }} .line {{ stroke-width: 1.3; fill: none }} .sign {{ stroke-width: 1.8 }} "
        f".dashed {{ stroke-dasharray: 4 3 }} .title, .heading {{ font-weight: 600 }} {texts}"
    )
    colours = _colours(DARK if look.theme == "dark" else LIGHT)
    dark = f" @media (prefers-color-scheme: dark) {{ {_colours(DARK)} }}" if look.theme == "auto" else ""
    return _scoped(f"{fixed} {colours}") + _scoped(dark)


def _scoped(style: str) -> str:
    """Rules that hold inside of drawings only: a page has several."""
    return style.replace(" .", " .network .").replace(".network .network", ".network")


def _colours(colours: Colours) -> str:
    rules = [f".{name} {{ fill: {colours[name][0]}; stroke: {colours[name][1]} }}" for name in BOXES]
    rules += [
        f".ground {{ fill: {colours['ground'][0]} }}", f".line {{ stroke: {colours['line'][1]} }}",
        f".tip {{ fill: {colours['line'][1]} }}", f".sign {{ stroke: {colours['sum'][1]} }}",
        f".title, .heading, .what {{ fill: {colours['ground'][1]} }}",
        f".name, .note {{ fill: {colours['soft'][1]} }}",
    ]  # fmt: skip
    return " ".join(rules)


def _element(shape: Shape) -> str:
    match shape:
        case Rect():
            return _rect(shape)
        case Stroke(steps=steps, dashed=dashed):
            way = "".join(f"{step[0]}{' '.join(f'{number:.4g}' for number in step[1:])}" for step in steps)
            return f'<path class="line{" dashed" if dashed else ""}" d="{way}"/>'
        case Filled(points=points):
            return f'<path class="tip" d="M{"L".join(f"{x:.5g} {y:.5g}" for x, y in points)}Z"/>'
        case Text(anchor=anchor, style=style):
            return (
                f'<text class="{style}" x="{shape.x:.5g}" y="{shape.y:.5g}" text-anchor="{anchor}">'
                f"{escape(shape.text)}</text>"
            )
        case Disc(x=x, y=y, radius=r):
            arm = r * 0.5
            return (
                f'<circle class="sum" cx="{x:g}" cy="{y:g}" r="{r:g}"/><path class="line sign" '
                f'd="M{x - arm:g} {y:g}H{x + arm:g}M{x:g} {y - arm:g}V{y + arm:g}"/>'
            )


def _rect(rect: Rect) -> str:
    place = f'x="{rect.x:.5g}" y="{rect.y:.5g}" width="{rect.width:.5g}" height="{rect.height:.5g}"'
    if rect.kind == "panel":
        return f'<rect class="panel" {place} rx="10"/>'
    if not rect.tip:
        return f'<rect class="plain {rect.kind}" {place} rx="{min(6.0, rect.height / 4):g}"/>'
    data = f'data-path="{escape(rect.path)}" data-params="{rect.params}" data-times="{rect.times}"'
    return f'<rect class="box {rect.kind}" {place} rx="6" {data}><title>{escape(rect.tip)}</title></rect>'
