"""Networks as tables on a terminal, and the zoo's as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import format_shape
from inceptionlab.analysis.tables import rows
from inceptionlab.analysis.words import describe
from inceptionlab.spec.network import Network
from inceptionlab.zoo.facts import ZooFacts
from inceptionlab.zoo.published import Published

DATED = 84
"""Columns of a terminal that has room for years beside whole names and numbers."""
NUMBERS = 52
"""Columns that the numbers of a network's table take."""
ROOMY = 120
"""Columns of a terminal that has room for classes and licences beside the names of weights."""
WIDE = 160
"""Columns of a terminal that has room for sources."""


Language = Literal["en", "zh"]
_HEADS = {
    "en": "| name | member | year | parameters | with aux | MACs | input | top-1 % |",
    "zh": "| 名称 | 成员 | 年份 | 参数量 | 含辅助分类器 | 乘加次数 | 输入 | top-1（%） |",
}
_PUBLISHED_HEADS = {
    "en": "| name | top-1 % | top-5 % | input | MB | classes | licence | note | checksum | address |",
    "zh": "| 名称 | top-1（%） | top-5（%） | 输入 | MB | 类别数 | 许可证 | 说明 | 校验和 | 地址 |",
}
_CHINESE = {"dilated CNN": "空洞卷积网络"}
"""Members that are no proper names."""


def list_markdown(records: Sequence[ZooFacts], language: Language = "en") -> str:
    """The table of the front pages."""
    lines = [_HEADS[language], "|---|---|---:|---:|---:|---:|---:|---:|"]
    for r in records:
        cells = [
            f"`{r.name}`",
            _CHINESE.get(r.member, r.member) if language == "zh" else r.member,
            r.year,
            f"{r.params:,}",
            f"{r.params_with_aux:,}",
            f"{r.macs:,}",
        ]
        cells += ["×".join(map(str, r.input)), "" if r.top1 is None else f"{r.top1:g}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def print_list(records: Sequence[ZooFacts]) -> None:
    """A table; a narrow terminal is spared what is not about the network itself."""
    console = Console()
    wide = console.width >= WIDE or not console.is_terminal
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True, min_width=max((len(r.name) for r in records), default=0))
    dated = wide or console.width >= DATED
    columns = ("parameters", "MACs", "input", "top-1 %")
    for column in (*(("year",) if dated else ()), *columns, *(("with aux",) if wide else ())):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("member", "source") if wide else ():
        table.add_column(column, no_wrap=True)
    for r in records:
        top1 = "" if r.top1 is None else f"{r.top1:g}"
        cells = [*([str(r.year)] if dated else []), f"{r.params:,}", f"{r.macs:,}", "x".join(map(str, r.input)), top1]
        more = [f"{r.params_with_aux:,}", r.member, r.source] if wide else []
        table.add_row(r.name, *cells, *more)
    (console if console.is_terminal else Console(width=240)).print(table)


def print_published(rows: Sequence[Published]) -> None:
    """A table of published weights, a form's default first; a narrow terminal is spared classes and licences."""
    console = Console()
    wide = console.width >= ROOMY or not console.is_terminal
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True, min_width=max(len(row.full) for row in rows))
    for column in ("top-1 %", "top-5 %", "input", "MB", *(("classes",) if wide else ())):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("licence",) if wide else ():
        table.add_column(column, no_wrap=True)
    for row in rows:
        more = [str(row.classes), row.licence or "not found"] if wide else []
        table.add_row(row.full, *(_number(v) for v in (row.top1, row.top5, row.input.height, row.megabytes)), *more)
    (console if console.is_terminal else Console(width=ROOMY)).print(table)


def published_markdown(rows: Sequence[Published], language: Language = "en") -> str:
    """Published weights with their checksums and addresses, as a table in Markdown."""
    lines = [_PUBLISHED_HEADS[language], "|---|---:|---:|---:|---:|---:|---|---|---|---|"]
    missing = {"en": "not found", "zh": "未找到"}[language]
    for row in rows:
        numbers = [_number(v) for v in (row.top1, row.top5, row.input.height, row.megabytes, row.classes)]
        texts = [row.licence or missing, row.note, row.checksum or missing, row.url]
        lines.append("| " + " | ".join([f"`{row.full}`", *numbers, *texts]) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def print_network(network: Network, depth: int) -> None:
    """A network as the table of its paper, down to a depth."""
    console = Console(highlight=False, markup=False)
    console = console if console.is_terminal else Console(highlight=False, markup=False, width=200)
    table, shown = Table(box=None, pad_edge=False), rows(network, depth)
    table.add_column("node", no_wrap=True)
    table.add_column("what")
    for column in ("output", "parameters", "MACs", "field"):
        table.add_column(column, justify="right", no_wrap=True)
    room = console.width - NUMBERS - max((len(_indented(row.path)) for row in shown), default=0)
    for row in shown:
        sizes = row.field.sizes(network.input.shape)
        field = f"{_side(sizes['smallest'])}…{_side(sizes['largest'])}"
        numbers = format_shape(row.output), f"{row.params:,}", f"{row.macs:,}", field
        table.add_row(_indented(row.path), _in_room(describe(row.node), room), *numbers)
    console.print(f"{network.title}   input {format_shape(network.input.shape)}   {network.classes} classes",
                  style="bold")  # fmt: skip
    console.print(table)
    total = measure(network)
    console.print(f"parameters {total.params:,}   MACs {total.macs:,} (multiply-adds; FLOPs are twice that)")
    if network.aux:
        console.print(f"with auxiliary heads: parameters {total.params_with_aux:,}   MACs {total.macs_with_aux:,}")
    console.print("field: receptive field in pixels of the input, along the shortest … the longest path")


def _indented(path: str) -> str:
    return "  " * path.count(".") + path


def _in_room(what: str, room: int) -> str:
    """What a node is; where a line has no room for it, its branches begin lines."""
    return what if len(what) <= room else what.replace(" | ", "\n| ")


def _side(sizes: list[int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]}×{sizes[1]}"
