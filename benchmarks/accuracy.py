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
HEAD = {
    "en": ["data", "network", "parameters", "M MACs", "epochs", "test top-1 %", "95 % interval", "seeds", "goal",
           "minutes", "device"],
    "zh": ["数据", "网络", "参数量", "乘加次数（百万）", "轮数", "测试 top-1（%）", "95% 置信区间", "种子", "目标",
           "分钟", "设备"],
}  # fmt: skip
INTERVAL = {"en": "{:.2f} to {:.2f} ({})", "zh": "{:.2f} 至 {:.2f}（{}）"}
OVER = {"en": {"images": "images", "seeds": "seeds"}, "zh": {"images": "按图像", "seeds": "按种子"}}
PAGES = {"en": "README.md", "zh": "README.zh-CN.md"}


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


def interval(runs: list[dict[str, Any]], language: str) -> str:
    """Of the mean over seeds by t, or for one run Wilson's over its images."""
    values = [100 * run["top1"] for run in runs]
    if len(runs) == 1:
        low, high = wilson(round(runs[0]["top1"] * runs[0]["n"]), runs[0]["n"])
        return INTERVAL[language].format(100 * low, 100 * high, OVER[language]["images"])
    half = float(stats.t.ppf(0.975, len(runs) - 1)) * stdev(values) / len(runs) ** 0.5
    return INTERVAL[language].format(fmean(values) - half, fmean(values) + half, OVER[language]["seeds"])


def said(row: dict[str, Any], name: str, language: str) -> str:
    """The text of a row in a language; what has no words is the same in both."""
    return row.get(f"{name}_{language}", row.get(name, ""))


def line(row: dict[str, Any], runs: list[dict[str, Any]], language: str = "en") -> str:
    note, goal = said(row, "note", language), said(row, "goal", language)
    name = f"`{row['model']}`" + ({"en": ", ", "zh": "，"}[language] + note if note else "")
    if not runs:
        return (
            "| "
            + " | ".join([row["data"], name, "", "", str(row["epochs"]), "", "", "", goal, "", row["needs"]])
            + " |"
        )
    first = runs[0]
    cells = [
        row["data"], name, f"{first['params']:,}", f"{first['macs'] / 1e6:.1f}", str(row["epochs"]),
        f"{100 * fmean(run['top1'] for run in runs):.2f}", interval(runs, language),
        ", ".join(str(run["seed"]) for run in runs),
        goal, f"{fmean(run['minutes'] for run in runs):.0f}", in_words(first["device"], language),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def in_words(device: str, language: str) -> str:
    return device.replace(", 2 cores", "，2 核") if language == "zh" else device


def head(language: str) -> str:
    return "| " + " | ".join(HEAD[language]) + " |\n|---|---|---:|---:|---:|---:|---|---|---:|---:|---|"


def tables() -> tuple[dict[str, str], str, str, str]:
    """(filled rows by language, empty rows, commands, remarks) as Markdown."""
    rows = tomllib.loads((HERE / "accuracy.toml").read_text(encoding="utf-8"))["row"]
    runs = json.loads(RUNS.read_text())
    found = [(row, [run for run in runs if same(row, run)]) for row in rows]
    filled = {
        language: "\n".join([head(language), *(line(row, own, language) for row, own in found if own)])
        for language in PAGES
    }
    needs = head("en").replace("device |", "what it needs |")
    empty = "\n".join([needs, *(line(row, own) for row, own in found if not own)])
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
        f"draws other numbers, so a command gives a run like these and not the same one.\n\n{filled['en']}\n\n"
        f"{remarks}\n\n## Not run\n\n{empty}\n\n## Commands\n\n{commands}\n"
    )  # fmt: skip
    for language, page in PAGES.items():
        path = HERE.parent / page
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        path.write_text(f"{before}{BEGIN}\n{filled[language]}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    action, *rest = sys.argv[1:] or ["--help"]
    if action == "add":
        add(rest)
    elif action == "write":
        write()
    else:
        print(__doc__)
