"""Where a network trains: in one process, whole in each of several, or divided among them.

The loop is given one of the three and asks no more which. Each process works on its own rows of every batch and of the
validation images; what is found is added up over all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast, final

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from inceptionlab import storage
from inceptionlab.data.dataset import Samples
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.training import sharding
from inceptionlab.training import state as state_files

State = dict[str, Any]
"""What resuming needs: "model" and "average" (tensors by name), "optimizer" (torch's state) and "progress"."""


class Placement(Protocol):
    """What the loop asks of it. All processes call each method together."""

    fabric: Fabric
    """Device, precision and processes."""

    def set_up(self, network: InceptionNetwork) -> Any:
        """Put the network where it trains; gives the module whose `forward_with_aux` training calls."""
        ...

    def own(self, count: int) -> slice:
        """The rows of a batch of `count` that are this process's."""
        ...

    def backward(self, loss: Tensor, share: float, count: int) -> None:
        """Gradients of `share` times the loss of a batch of `count`; `loss` is the mean over one's own rows of it."""
        ...

    def total(self, values: Tensor) -> Tensor:
        """The values of all processes added up."""
        ...

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether it is true in any process."""
        ...

    def part(self, samples: Samples) -> tuple[Samples, int]:
        """A process's part of a set, and how many of its first images count. The parts of all processes are of one
        length, because a divided network computes only in all of them at once.
        """
        ...

    def agree(self, tensors: Mapping[str, Tensor]) -> None:
        """Give what no gradient moves, running statistics, the values that it has in the first process."""
        ...

    def save(self, folder: Path, state: State, step: int) -> None:
        """Write the state of training after `step` steps, and remove all but the last two."""
        ...

    def restore(self, network: nn.Module, optimizer: Optimizer, average: Mapping[str, Tensor], state: State) -> None:
        """Put a state, whoever wrote it, into the network, the optimiser and the averaged weights."""
        ...

    def write_weights(self, path: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Write the whole weights as safetensors, by the first process."""
        ...


def placement_of(fabric: Fabric) -> Placement:
    """The placement that Fabric was set up for."""
    if isinstance(fabric.strategy, ModelParallelStrategy):
        return Sharded(fabric)
    return OneProcess(fabric) if fabric.world_size == 1 else Replicated(fabric)


@final
class OneProcess:
    """The whole network in the only process."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric

    def set_up(self, network: InceptionNetwork) -> Any:
        """On the device, in channels-last memory."""
        return _whole_on_device(self.fabric, network)

    def own(self, count: int) -> slice:
        """All rows."""
        return slice(0, count)

    def backward(self, loss: Tensor, share: float, count: int) -> None:
        """Plain gradients."""
        self.fabric.backward(loss * share)

    def total(self, values: Tensor) -> Tensor:
        """They are the total."""
        return values

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """They are."""
        return flags

    def part(self, samples: Samples) -> tuple[Samples, int]:
        """All of the set."""
        return samples, len(samples)

    def agree(self, tensors: Mapping[str, Tensor]) -> None:
        """Nobody differs."""

    def save(self, folder: Path, state: State, step: int) -> None:
        """One file."""
        _save_whole(folder, state, step)

    def restore(self, network: nn.Module, optimizer: Optimizer, average: Mapping[str, Tensor], state: State) -> None:
        """The whole state."""
        sharding.restore(network, optimizer, average, state)

    def write_weights(self, path: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """One file."""
        storage.write_tensors(path, weights, about)


class _Several:
    """What several processes do alike, however the network lies in them."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric

    def own(self, count: int) -> slice:
        """About as many rows as every other process has."""
        least, more = divmod(count, self.fabric.world_size)
        first = self.fabric.global_rank * least + min(self.fabric.global_rank, more)
        return slice(first, first + least + (self.fabric.global_rank < more))

    def backward(self, loss: Tensor, share: float, count: int) -> None:
        """Gradients weighted by the number of rows."""
        own = self.own(count)
        weight = (own.stop - own.start) / count * self.fabric.world_size  # gradients are averaged over processes
        self.fabric.backward(loss * (share * weight))

    def total(self, values: Tensor) -> Tensor:
        """A sum over processes."""
        return cast(Tensor, self.fabric.all_reduce(values.clone(), reduce_op="sum"))

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """By a sum over processes."""
        found = self.total(torch.tensor(flags, dtype=torch.float32, device=self.fabric.device)).cpu()
        return tuple(bool(count) for count in found)

    def part(self, samples: Samples) -> tuple[Samples, int]:
        """A run of consecutive images."""
        own = self.own(len(samples))
        index, longest = torch.arange(own.start, own.stop), -(-len(samples) // self.fabric.world_size)
        padded = torch.cat([index, torch.zeros(longest - len(index), dtype=torch.int64)])
        return samples.subset(padded), len(index)


@final
class Replicated(_Several):
    """The whole network in each of several processes, with the mean of their gradients (DDP)."""

    def set_up(self, network: InceptionNetwork) -> Any:
        """On each process's device, in channels-last memory."""
        return _whole_on_device(self.fabric, network)

    def agree(self, tensors: Mapping[str, Tensor]) -> None:
        """By a broadcast."""
        _broadcast(tensors)

    def save(self, folder: Path, state: State, step: int) -> None:
        """One file, by the first process."""
        if self.fabric.is_global_zero:
            _save_whole(folder, state, step)

    def restore(self, network: nn.Module, optimizer: Optimizer, average: Mapping[str, Tensor], state: State) -> None:
        """The whole state in every process."""
        sharding.restore(network, optimizer, average, state)

    def write_weights(self, path: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """One file, by the first process."""
        if self.fabric.is_global_zero:
            storage.write_tensors(path, weights, about)


@final
class Sharded(_Several):
    """A part of every weight, gradient and moment in each process (FSDP); a layer is whole only while it computes.

    A state on disk is a folder with a file per process. Put together it is the state that one process writes, so a run
    goes on with any number of processes, divided or not.
    """

    def set_up(self, network: InceptionNetwork) -> Any:
        """Divided; contiguous, which dividing asks for."""
        return _ready(self.fabric, network)

    def agree(self, tensors: Mapping[str, Tensor]) -> None:
        """By a broadcast of what is not divided."""
        _broadcast({name: value for name, value in tensors.items() if not sharding.divided(value)})

    def save(self, folder: Path, state: State, step: int) -> None:
        """A file per process."""
        sharding.save(folder / state_files.state_name(step), state, self.fabric)
        if self.fabric.is_global_zero:
            state_files.keep_newest(folder)

    def restore(self, network: nn.Module, optimizer: Optimizer, average: Mapping[str, Tensor], state: State) -> None:
        """Each process its part, tensor by tensor."""
        sharding.restore(network, optimizer, average, state)

    def write_weights(self, path: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """One file, whose tensors are gathered and written one by one."""
        sharding.write(path, weights, about, self.fabric)


def _ready(fabric: Fabric, network: InceptionNetwork) -> Any:
    model = fabric.setup_module(network)
    model.mark_forward_method("forward_with_aux")
    return model


def _whole_on_device(fabric: Fabric, network: InceptionNetwork) -> Any:
    cast(Any, network).to(memory_format=torch.channels_last)
    return _ready(fabric, network)


def _save_whole(folder: Path, state: State, step: int) -> None:
    state_files.save_state(folder, state, step)
    state_files.keep_newest(folder)


def _broadcast(tensors: Mapping[str, Tensor]) -> None:
    for value in tensors.values():
        torch.distributed.broadcast(value, 0)
