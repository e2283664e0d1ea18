"""Tensors that are divided among processes (FSDP's DTensors): made, saved, restored and gathered one at a time."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from inceptionlab import storage
from inceptionlab.errors import ConfigError
from inceptionlab.training import state as state_files


def strategy(processes: int) -> ModelParallelStrategy:
    """The way for Fabric to shard a network over all processes. Raises `ConfigError` for a single one."""
    if processes < 2:
        raise ConfigError(
            "--shard divides the weights among processes, and this is one alone; start more: "
            "torchrun --nproc-per-node 2 -m inceptionlab train ... --shard"
        )
    return ModelParallelStrategy(_sharded, data_parallel_size=processes, tensor_parallel_size=1)


def _sharded(network: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Every child of the network is gathered for its own pass and let go after it."""
    for child in network.children():
        if any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh["data_parallel"])
    fully_shard(network, mesh=mesh["data_parallel"])
    register_fsdp_forward_method(network, "forward_with_aux")
    return network


def divided(tensor: Tensor) -> bool:
    """Whether each process has a part of the tensor."""
    return isinstance(tensor, DTensor)


def all_finite(network: nn.Module) -> bool:
    """Whether this process's part of the weights is finite."""
    parts = (p.to_local() if isinstance(p, DTensor) else p for p in network.parameters())
    return all(bool(cast(Tensor, part).isfinite().all()) for part in parts)


@torch.no_grad()
def put(own: Tensor, value: Tensor | state_files.Pieces) -> None:
    """Give `own` the values of a whole tensor; where it is divided, each process's part of them."""
    value = value.whole() if isinstance(value, state_files.Pieces) else value
    if isinstance(own, DTensor):
        value = distribute_tensor(value.to(own.device), own.device_mesh, own.placements, src_data_rank=None)
    own.copy_(value)


def save(path: Path, state: dict[str, Any], fabric: Fabric) -> None:
    """Write this process's part of a state into the folder `path`, which appears when all parts are there."""
    partial = path.with_name(f".{path.name}.part")
    if fabric.is_global_zero:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    fabric.barrier()
    state_files.write_torch(partial / f"rank-{fabric.global_rank:05d}.pt", _local(state))
    fabric.barrier()
    if fabric.is_global_zero:
        shutil.rmtree(path, ignore_errors=True)
        partial.rename(path)


def restore(network: nn.Module, optimizer: Optimizer, average: Mapping[str, Tensor], state: dict[str, Any]) -> None:
    """Put a whole state, tensor by tensor, into a network, its optimiser and its averaged weights."""
    for kind, own in (("model", network.state_dict()), ("average", average)):
        for name, value in own.items():
            put(value, state[kind][name])
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        number: {name: _moment(parameters[number], value) for name, value in values.items()}
        for number, values in state["optimizer"]["state"].items()
    }
    optimizer.load_state_dict({**state["optimizer"], "state": moments})


def _moment(parameter: Tensor, value: Any) -> Any:
    """A value of an optimiser's state; a tensor of the parameter's shape lies where the parameter does."""
    if isinstance(value, Tensor) and not value.ndim:
        return value.clone()
    if not isinstance(value, Tensor | state_files.Pieces):
        return value
    moment = torch.empty_like(parameter)
    put(moment, value)
    return moment


def write(path: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any], fabric: Fabric) -> None:
    """Write whole weights by the first process; each tensor is gathered from all, written and let go."""

    def gathered(name: str) -> Tensor:
        value = weights[name]
        return cast(Tensor, value.full_tensor()) if isinstance(value, DTensor) else value  # type: ignore[misc]  (torch's stubs have a method of its own class there)

    if fabric.is_global_zero:
        storage.write_each_tensor(path, weights, gathered, about)
    else:
        for name in storage.in_order(weights):
            gathered(name)


def _local(tree: Any) -> Any:
    if isinstance(tree, DTensor):
        return {state_files.SHARD: tree.to_local().clone()}
    if isinstance(tree, dict):
        return {name: _local(value) for name, value in cast(dict[Any, Any], tree).items()}
    return [_local(value) for value in cast(list[Any], tree)] if isinstance(tree, list) else tree
