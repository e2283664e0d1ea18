"""A program that uses the API, checked by strict pyright against the installed wheel: all types are known."""

from __future__ import annotations

from pathlib import Path

import torch

import inceptionlab as il
from inceptionlab.rules import attend, residual
from inceptionlab.spec import Concat, Conv, Linear, Pool, Seq


def networks() -> torch.Tensor:
    changed = (residual(0.1) | attend("cbam"))(il.get_spec("small_v1"))
    own = il.Network(
        "own", stem=Seq(conv=Conv(8, 3)), body=Seq(mixed=Concat(one=Conv(8), three=Conv(8, 3))),
        head=Seq(pool=Pool("avg", to=1), fc=Linear()), input=il.Input(3, 32, 32), classes=10,
    )  # fmt: skip
    params: int = il.measure(changed).params
    logits: torch.Tensor = il.build(own)(torch.zeros(1, 3, 32, 32))
    text: str = il.draw(own)
    return logits + params + len(text)


def runs(folder: Path) -> float:
    setup, data = il.configure("small_fast", "digits", il.recipe("small", {"epochs": 1}), il.Choices(seed=1))
    fitted: il.Fitted = il.fit(setup, folder, data=data)
    score: il.Score = il.test(folder, data)
    found: list[il.Prediction] = il.predict(folder, ["cat.jpg"], top=3)
    label: str = found[0].label
    return score.top1 + fitted.best_epoch + len(label)
