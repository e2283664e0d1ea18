"""`fit`: training in a run folder, from its configuration or from where it stopped, to the selected weights.

No test set is touched.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import MethodType
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import Tensor

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.errors import ConfigError, RunError
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.nn.initialise import scale_logits
from inceptionlab.runs.beginning import begin, same_data
from inceptionlab.runs.environment import environment
from inceptionlab.runs.folder import RunFolder, run_folder
from inceptionlab.runs.log import MetricsLog
from inceptionlab.runs.options import Machine
from inceptionlab.runs.sentences import opening
from inceptionlab.runs.setup import Setup, load_of, training_and_validation
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.loop import Trainer
from inceptionlab.training.placement import placement_of
from inceptionlab.training.precision import fastest_precision
from inceptionlab.training.records import Fitted
from inceptionlab.training.sharding import strategy
from inceptionlab.training.state import states
from inceptionlab.training.whitening import whiten

MIXED: dict[str, Literal["bf16-mixed", "16-mixed"]] = {"bf16": "bf16-mixed", "fp16": "16-mixed"}


def fit(
    setup: Setup, folder: RunFolder | Path | str, machine: Machine | None = None, callbacks: Callbacks | None = None,
    data: DataSet | None = None, auto_precision: str = "",
) -> Fitted:  # fmt: skip
    """Train, or go on training, in a folder, and keep the weights that validation selects there.

    `data` is loaded by its name where it is not handed over. A training that was asked to stop says so in what it
    gives, and goes on with the next call. `auto_precision` is what precision "auto" comes to ("": what is faster
    here). Raises `RunError` for a folder that holds another or a finished run.
    """
    run, where, calls = run_folder(folder), machine or Machine(), callbacks or Callbacks()
    began = run.environment()
    if setup.recipe.optimizer == "muon" and where.shard:
        raise ConfigError('optimizer = "muon" needs whole filters, and --shard divides them; leave one of them out')
    auto = began.precision if began else auto_precision
    fabric, precision = make_fabric(where.device, _precision(setup, auto), where.shard)
    if setup.recipe.sync_norm and fabric.device.type == "cpu":
        raise ConfigError("sync_norm = true works on GPUs only; without it each process normalises its own images")
    if fabric.is_global_zero:
        run.claim(setup)
    fabric.barrier()
    loaded = data or load_of(setup, where.data_dir)
    digests = f"{loaded.name}: {loaded.train.digest()}, {loaded.test.digest()}"
    if began is not None and began.data != digests:
        raise RunError(f"{run.path} began with the data {began.data} and finds {digests} now; put the same data back")
    same_data(setup, digests)
    training, validation = (part.to(fabric.device) for part in training_and_validation(loaded, setup))
    network = _network(setup, where, run, calls, training)
    if fabric.is_global_zero:
        run.write_environment(environment(fabric.device, digests, precision, fabric.world_size, loaded.left_out))
        run.write_classes(loaded.train.classes)
        log = MetricsLog(run, where.tensorboard)
        calls = replace(calls, on_epoch=log.before(calls.on_epoch))
    trainer = Trainer(network, setup.recipe, placement_of(fabric), run.path, setup.seed, calls)
    if fabric.is_global_zero:
        run.write_epochs([epoch for epoch in run.epochs() if epoch.epoch <= trainer.progress.epoch])
        for sentence in opening(setup, loaded, training, validation, digests):
            calls.say(sentence)
    fitted = trainer.fit(training, validation)
    if fabric.is_global_zero and not fitted.stopped:
        run.write_fitted(fitted)
    fabric.barrier()
    return fitted


def _precision(setup: Setup, auto: str) -> str:
    """The recipe's precision, or what its "auto" comes to: for a run that goes on, what it came to when it began."""
    return auto or "auto" if setup.recipe.precision == "auto" else setup.recipe.precision


def _network(setup: Setup, machine: Machine, run: RunFolder, calls: Callbacks, training: Samples) -> InceptionNetwork:
    """The network as training begins with it: its initial weights, or those that it was given."""
    begins = not states(run.state)
    network = build(setup.spec, setup.recipe.init, setup.seed, grad_checkpoint=machine.grad_checkpoint or None)
    if machine.compile != "none":
        _compile(network, machine.compile)
    scale_logits(network, setup.recipe.logit_scale)
    if (setup.weights or setup.continued) and begins:
        calls.say(begin(network, setup))
    elif setup.recipe.whiten and begins:
        whiten(network, training, setup.seed)
    return network


def _compile(network: InceptionNetwork, mode: str) -> None:
    """Compile, in place, what training calls; Fabric asks that it stays a method."""
    compiled: Any = torch.compile(network.forward_with_aux, mode=mode)

    def forward_with_aux(_: InceptionNetwork, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return compiled(x)

    network.forward_with_aux = MethodType(forward_with_aux, network)


def device_of(device: str) -> str:
    """The kind of device that "auto" comes to here: a GPU where torch finds one."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def make_fabric(device: str, precision: str, shard: bool = False) -> tuple[Fabric, str]:
    """Fabric for one device, or for those of the processes that torchrun started, and the precision it computes in
    ("auto": bf16 where the device is faster in it).

    Raises `ConfigError` for a device that is not there, or one that cannot train in the precision.
    """
    device = device_of(device)
    if device not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"there is no device {device!r}; known are auto, cpu, cuda and mps")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("the device cuda was asked for, but torch finds none; --device cpu works everywhere")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if precision == "auto":  # processes that measure side by side could come to different ends
        precision = fastest_precision(device) if processes == 1 or device == "cuda" else "fp32"
    if precision == "fp16" and shard:
        raise ConfigError("--shard trains in fp32 or bf16; fp16 scales the loss, which divided weights do not allow")
    if precision == "fp16" and device == "cpu":
        raise ConfigError("fp16 trains on GPUs only; --precision bf16 or fp32 works on a CPU")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=device, devices=here, num_nodes=max(1, processes // here),
        strategy=strategy(processes) if shard else "ddp" if processes > 1 else "auto",
        # as a plugin: by its name Fabric would write a line to the process' standard error
        plugins=MixedPrecision(MIXED[precision], device) if precision in MIXED else None,
    )  # fmt: skip
    fabric.launch()
    return fabric, precision
