"""Figures as SVG text in one style: one palette, legends beside the data, grey that becomes the colour of the page.

Names of users stand in them as they are: no mathematics, any script, cut where they are long.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from inceptionlab import storage
from inceptionlab.errors import ConfigError

PALETTE = {
    "blue": ("#0072b2", "#56a8e8"), "red": ("#d55e00", "#ff8f4a"), "green": ("#009e73", "#35c79c"),
    "pink": ("#cc79a7", "#e6a0c8"), "amber": ("#e69f00", "#f2bd4b"), "sky": ("#56b4e9", "#a5dcff"),
    "ink": ("#101828", "#e6eaf2"), "paper": ("#ffffff", "#0d1420"),
}  # fmt: skip
"""Colours on a light and on a dark page. The six hues are those of Okabe and Ito (2008), which people who do not tell
red from green tell apart; pages know each as a variable of its name."""
GREY = "#8492a6"
"""What is drawn in it takes the colour of the text around the figure."""
BLUE, ORANGE, INK, PAPER = (PALETTE[name][0] for name in ("blue", "red", "ink", "paper"))
HUES = tuple(PALETTE)[:6]
MARKERS = "os^Dvp"
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei",
         "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "SimHei")  # fmt: skip
"""In order; a letter is measured in the first installed one that has it, and drawn in the reader's own."""
READERS_FONTS = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif"
LONGEST = 28


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of so many inches, whose `columns` of axes the function `draw` fills (an array of axes)."""

    width: float
    height: float
    columns: int
    draw: Callable[[Any], None]

    @property
    def svg(self) -> str:
        """As SVG for a page, whose colour its grey takes."""
        return _of_the_page(self._rendered("svg", transparent=True, metadata={"Date": None}).decode())

    @property
    def png(self) -> bytes:
        """As PNG on white, 200 pixels an inch."""
        return self._rendered("png", dpi=200, facecolor=PAPER)

    def save(self, file: str | Path) -> Path:
        """Write it as SVG or PNG, by the ending of the name. Raises `ConfigError` for another ending."""
        path = Path(file)
        if path.suffix.lower() not in (".svg", ".png"):
            raise ConfigError(f"{path} ends in {path.suffix or 'nothing'}: a figure is written as .svg or .png")
        storage.write(path, self.svg if path.suffix.lower() == ".svg" else self.png)
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def _rendered(self, kind: str, **options: Any) -> bytes:
        import matplotlib as mpl
        from matplotlib.figure import Figure as Drawn

        with mpl.rc_context(_style()), warnings.catch_warnings():
            # letters that no installed font has: the browser, which does have them, draws the text
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure = Drawn(figsize=(self.width, self.height), layout="constrained")
            self.draw(figure.subplots(1, self.columns, squeeze=False)[0])
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, **options)
        return buffer.getvalue()


def _style() -> dict[Any, Any]:
    return {
        "svg.fonttype": "none", "svg.hashsalt": "inceptionlab", "axes.edgecolor": GREY, "axes.labelcolor": GREY,
        "text.color": GREY, "xtick.color": GREY, "ytick.color": GREY, "axes.spines.top": False,
        "axes.spines.right": False, "font.family": installed_fonts(), "legend.frameon": False, "axes.titlecolor": GREY,
        "text.parse_math": False, "savefig.bbox": "tight", "font.size": 9.5, "axes.titlesize": 9.5,
        "axes.labelsize": 9.5, "legend.fontsize": 9, "axes.titlelocation": "left", "axes.linewidth": 0.7,
        "xtick.major.width": 0.7, "ytick.major.width": 0.7, "lines.linewidth": 1.7, "lines.markersize": 4.5,
        "axes.xmargin": 0.06, "axes.ymargin": 0.1,
    }  # fmt: skip


def figure_svg(width: float, height: float, columns: int, draw: Callable[[Any], None]) -> str:
    """The SVG of a figure of so many inches that `draw` fills (an array of axes)."""
    return Figure(width, height, columns, draw).svg


def _of_the_page(svg: str) -> str:
    """Without what stands before the figure; its grey and its fonts are those of the page around it."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], count=1, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*; ", "", svg).replace(f": {GREY}", ": currentColor")
    return svg.replace("<svg ", f'<svg color="{GREY}" font-family="{READERS_FONTS}" ', 1)


@cache
def installed_fonts() -> list[str]:
    """The installed fonts of `FONTS`."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [name for name in FONTS if name in installed]


def themed(svg: str) -> str:
    """A figure for a page: its colours become the page's variables, and it never gets so small that it is not read."""
    for name, (light, _) in PALETTE.items():
        svg = svg.replace(f": {light}", f": var(--{name})")
    return re.sub(r' width="([\d.]+)pt"', lambda found: _at_least(found[0], float(found[1])), svg, count=1)


def _at_least(attribute: str, points: float) -> str:
    return f'{attribute} style="min-width: {points:.0f}px"'  # a point is 4/3 px: three quarters of its size


def short(name: str, longest: int = LONGEST) -> str:
    """A name that fits a chart."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def whole_numbers(axis: Any) -> None:
    """Ticks of an axis at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def legend_above(axes: Any, columns: int = 3) -> None:
    """The legend over the frame, where it covers no data."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, borderaxespad=0.2, handlelength=1.6,
                columnspacing=1.4)  # fmt: skip
