"""One table of all networks that `inceptionlab benchmark` measured, as benchmarks/results/speed.md.

    python benchmarks/speed.py     # from results/speed_*.json

"x" is how many times as many images per second as the first candidate of the race: the other library's network as its
users run it (eager, fp32), or ours as built where no other library was raced.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
HEAD = ["network", "batch", "base", "ms", "their best x", "by", "ours, torch x", "ours, best fp32 x", "by", "int8 x",
        "memory, torch / base", "noise"]  # fmt: skip


def best(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    return max(rows, key=lambda row: row["ratio"], default=None)


def times(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def engine(row: dict[str, Any] | None) -> str:
    return "" if row is None else row["name"].rpartition(", ")[2]


def line(record: dict[str, Any]) -> str:
    rows = record["rows"]
    base, whole = rows[0], [row for row in rows if row["precision"] == "fp32"]
    theirs = best([row for row in whole[1:] if not row["ours"]])
    ours = [row for row in whole[1:] if row["ours"] and "as built" not in row["name"]]
    torch = best([row for row in ours if engine(row) == "torch"])
    small = best([row for row in rows if row["precision"] == "int8"])
    memory = f"{torch['peak_memory'] / base['peak_memory']:.0%}" if torch and base["peak_memory"] else ""
    cells = [
        record["network"], str(record["batch"]), base["name"], f"{base['p50_ms']:.0f}", times(theirs), engine(theirs),
        times(torch), times(best(ours)), engine(best(ours)), times(small), memory, f"{record['noise']:.0%}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    records = [record for path in sorted(RESULTS.glob("speed_*.json")) for record in json.loads(path.read_text())]
    records = sorted((r for r in records if not r["train"]), key=lambda r: (r["network"], -r["batch"]))
    device, versions = records[0]["device"], records[0]["versions"]
    said = ", ".join(f"{name} {value}" for name, value in versions.items())
    head = "| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD)
    RESULTS.joinpath("speed.md").write_text(
        f"# Speed of all networks that were measured\n\n{device}; {said}. Weights are the same for everyone, rounds "
        "are interleaved, ratios are of medians with 95 % intervals over rounds (bootstrap), memory is that of the "
        "first pass. Noise is the distance of the quartiles of one and the same multiplication over its median.\n\n"
        + "\n".join([head, *map(line, records)])
        + "\n\nThe whole tables, with images, stand in `speed_*.md`.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
