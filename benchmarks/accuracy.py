"""The table of test accuracies: rows are stated in `accuracy.toml`, runs fill them, README shows the filled ones.

    python benchmarks/accuracy.py add runs/a runs/b     # note finished runs in results/accuracy.json
    python benchmarks/accuracy.py write                 # write results/accuracy.md and the READMEs' sections

A run belongs to the row with its network, data, epochs and starting weights; a seed stands once in a row.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy import stats

from inceptionlab.analysis.geometry import measure
from inceptionlab.evaluation.metrics import wilson
from inceptionlab.runs.folder import RunFolder

HERE = Path(__file__).parent
RUNS = HERE / "results" / "accuracy.json"
BEGIN, END = "<!-- results: made by benchmarks/accuracy.py -->", "<!-- end of results -->"
HEAD = ["data", "network", "parameters", "M MACs", "epochs", "test top-1 %", "95 % interval", "seeds", "goal",
        "minutes", "device"]  # fmt: skip


def facts(folder: Path) -> dict[str, Any]:
    """What a finished run says of itself."""
    setup, test = RunFolder(folder).setup(), json.loads((folder / "test.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    measured, metrics = measure(setup.spec), RunFolder(folder).epochs()
    return {
        "data": Path(setup.data).name, "model": setup.spec.title, "epochs": setup.recipe.epochs,
        "weights": bool(setup.weights), "seed": setup.seed, "top1": test["top1"], "n": test["n"],
        "params": measured.params, "macs": measured.macs, "device": environment["device"],
        "torch": environment["packages"]["torch"], "precision": environment["precision"],
        "minutes": round(sum(record.seconds for record in metrics) / 60, 1),
        "validation": [round(record.val_top1, 4) for record in metrics],
    }  # fmt: skip


def same(row: dict[str, Any], run: dict[str, Any]) -> bool:
    names = ("data", "model", "epochs")
    return all(row[name] == run[name] for name in names) and row.get("weights", False) == run["weights"]


def add(folders: list[str]) -> None:
    runs: list[dict[str, Any]] = json.loads(RUNS.read_text()) if RUNS.exists() else []
    for folder in folders:
        new = facts(Path(folder))
        runs = [run for run in runs if not (same(new, run) and run["seed"] == new["seed"])] + [new]
    runs.sort(key=lambda run: (run["data"], run["model"], run["epochs"], run["seed"]))
    RUNS.write_text("[\n" + ",\n".join(json.dumps(run) for run in runs) + "\n]\n")


def interval(runs: list[dict[str, Any]]) -> str:
    """Of the mean over seeds by t, or for one run Wilson's over its images."""
    values = [100 * run["top1"] for run in runs]
    if len(runs) == 1:
        low, high = wilson(round(runs[0]["top1"] * runs[0]["n"]), runs[0]["n"])
        return f"{100 * low:.2f} to {100 * high:.2f} (images)"
    half = float(stats.t.ppf(0.975, len(runs) - 1)) * stdev(values) / len(runs) ** 0.5
    return f"{fmean(values) - half:.2f} to {fmean(values) + half:.2f} (seeds)"


def line(row: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    name = f"`{row['model']}`" + (f", {row['note']}" if row.get("note") else "")
    goal = f"{row['goal']}" if row.get("goal") else ""
    if not runs:
        return (
            "| "
            + " | ".join([row["data"], name, "", "", str(row["epochs"]), "", "", "", goal, "", row["needs"]])
            + " |"
        )
    first = runs[0]
    cells = [
        row["data"], name, f"{first['params']:,}", f"{first['macs'] / 1e6:.1f}", str(row["epochs"]),
        f"{100 * fmean(run['top1'] for run in runs):.2f}", interval(runs), ", ".join(str(run["seed"]) for run in runs),
        goal, f"{fmean(run['minutes'] for run in runs):.0f}", first["device"],
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def tables() -> tuple[str, str, str, str]:
    """(filled rows, empty rows, commands, remarks) as Markdown."""
    rows = tomllib.loads((HERE / "accuracy.toml").read_text())["row"]
    runs = json.loads(RUNS.read_text())
    head = "| " + " | ".join(HEAD) + " |\n|---|---|---:|---:|---:|---:|---|---|---:|---:|---|"
    found = [(row, [run for run in runs if same(row, run)]) for row in rows]
    filled = "\n".join([head, *(line(row, own) for row, own in found if own)])
    empty = "\n".join([head.replace("device |", "what it needs |"), *(line(row, own) for row, own in found if not own)])
    commands = "\n".join(
        f"- `{row['model']}` on {row['data']}, {row['epochs']} epochs: `{row['command']}`" for row in rows
    )
    remarks = "\n".join(f"- `{row['model']}` on {row['data']}: {row['remark']}" for row in rows if "remark" in row)
    return filled, empty, commands, remarks


def write() -> None:
    filled, empty, commands, remarks = tables()
    (HERE / "results" / "accuracy.md").write_text(
        "# Test accuracy\n\nEach test set was read once a run. The interval of one run is over its images (Wilson); "
        "of more runs it is of the mean over seeds (t). Minutes are of training alone, other work being done on the "
        "machine meanwhile. All rows were run before each purpose had a random stream of its own: since then a seed "
        f"draws other numbers, so a command gives a run like these and not the same one.\n\n{filled}\n\n"
        f"{remarks}\n\n## Not run\n\n{empty}\n\n## Commands\n\n{commands}\n"
    )  # fmt: skip
    for page in ("README.md", "README.zh-CN.md"):
        path = HERE.parent / page
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        path.write_text(f"{before}{BEGIN}\n{filled}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    action, *rest = sys.argv[1:] or ["--help"]
    if action == "add":
        add(rest)
    elif action == "write":
        write()
    else:
        print(__doc__)
