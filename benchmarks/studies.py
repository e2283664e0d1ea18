"""The verdicts of studies that were run, as benchmarks/results/studies.md.

python benchmarks/studies.py runs/stem runs/fusion ...
"""

from __future__ import annotations

import sys
from pathlib import Path

from inceptionlab.studies.design import Study
from inceptionlab.studies.loading import read_study
from inceptionlab.studies.report import report_markdown
from inceptionlab.studies.results import gather

RESULTS = Path(__file__).parent / "results" / "studies.md"
HEAD = """# Verdicts of the shipped studies

Each holds for the budget that is said below it: small networks, few images, few epochs. Differences are of test
accuracy in points, paired by seed, with 95 % intervals by t; p is corrected for the comparisons of the study (Holm). A
difference is worth having from one point on. A hypothesis is confirmed where all that it expects came, refuted where
one comparison was decided otherwise. Seconds were taken on one thread beside other work.
"""


def budget(study: Study) -> str:
    """What was trained, in words."""
    recipe = study.setup(study.reference, study.seeds[0]).recipe
    equal = f"; all of equal {study.equal}" if study.equal else ""
    return (
        f"`{study.model}` on {study.data}: {study.limit_train or 'all'} training images, {recipe.epochs} epochs, "
        f"{len(study.seeds)} seeds, {study.limit_test or 'all'} test images{equal}. "
        f"`inceptionlab study run studies/{study.name}.toml --out runs/{study.name}`"
    )


def main() -> None:
    sections: list[str] = []
    rows = ["| study | hypothesis | verdict |", "|---|---|---|"]
    for folder in map(Path, sys.argv[1:]):
        study = read_study(folder / "study.toml")
        results = gather(study, folder)
        rows.append(f"| {study.name} | {study.hypothesis} | {results.verdict} |")
        title, _, rest = report_markdown(results).partition("\n")
        sections.append(f"#{title}\n\n{budget(study)}\n{rest}")
    RESULTS.write_text(HEAD + "\n" + "\n".join(rows) + "\n\n" + "\n".join(sections), encoding="utf-8")
    print(RESULTS)


if __name__ == "__main__":
    main()
