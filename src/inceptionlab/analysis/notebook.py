"""A network as a notebook shows it."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from inceptionlab.analysis.drawing import draw
from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import SpecError
from inceptionlab.spec.network import Network


def network_html(network: Network) -> str:
    """The table of a network and its drawing, one box for each top-level node, as HTML.

    The drawing is an image, so that its style stays its own. What cannot be measured is shown with the reason.
    """
    try:
        table, drawing = measure(network).to_html(), draw(network, depth=1)
    except SpecError as error:
        return f"<p>{escape(repr(network))}</p><p>{escape(str(error))}</p>"
    data = b64encode(drawing.encode()).decode()
    image = f'<img alt="{escape(network.title)}" src="data:image/svg+xml;base64,{data}">'
    return f"{table}<details><summary>drawing</summary>{image}</details>"
