"""One network over many processes (FSDP): each keeps a part of every weight, gradient and state of the optimiser.

A state on disk is a folder with a file a process. Put together it is the state that one process writes, so a run goes
on with any number of processes, sharded or not.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

from lightning_fabric import Fabric
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from inceptionlab.errors import RunError
from inceptionlab.training import state as state_files


def strategy(processes: int) -> ModelParallelStrategy:
    """The way for Fabric to shard a network over all processes. Raises `RunError` for a single one."""
    if processes < 2:
        raise RunError(
            "--shard divides the weights among processes, and this is one alone; start more: "
            "torchrun --nproc-per-node 2 -m inceptionlab train ... --shard"
        )
    return ModelParallelStrategy(_sharded, data_parallel_size=processes, tensor_parallel_size=1)


def is_sharded(fabric: Fabric) -> bool:
    """Whether networks are sharded."""
    return isinstance(fabric.strategy, ModelParallelStrategy)


def _sharded(network: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Every child of the network is gathered for its own pass and let go after it."""
    for child in network.children():
        if any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh["data_parallel"])
    fully_shard(network, mesh=mesh["data_parallel"])
    register_fsdp_forward_method(network, "forward_with_aux")
    return network


def whole(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with its tensors gathered; all processes call it together."""
    return {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in state.items()}  # type: ignore[misc]


def all_finite(network: nn.Module) -> bool:
    """Whether this process's part of the weights is finite."""
    parts = (p.to_local() if isinstance(p, DTensor) else p for p in network.parameters())
    return all(bool(cast(Tensor, part).isfinite().all()) for part in parts)


def save_shards(path: Path, state: dict[str, Any], fabric: Fabric) -> None:
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


def restore(network: nn.Module, optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Put a whole state into a sharded network and its optimiser, each process its part of it."""
    own = network.state_dict()
    network.load_state_dict({name: part_of(own[name], value) for name, value in state["model"].items()})
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        number: {
            name: part_of(parameters[number], value) if isinstance(value, Tensor) and value.ndim else value
            for name, value in values.items()
        }
        for number, values in state["optimizer"]["state"].items()
    }
    optimizer.load_state_dict({**state["optimizer"], "state": moments})


def part_of(own: Tensor, value: Tensor) -> Tensor:
    """Where `own` is sharded, the part of a whole tensor that this process keeps; else the tensor."""
    value = value.to(own.device)
    if not isinstance(own, DTensor):
        return value
    return distribute_tensor(value, own.device_mesh, own.placements, src_data_rank=None)


def _local(tree: Any) -> Any:
    if isinstance(tree, DTensor):
        return {state_files.SHARD: tree.to_local().clone()}
    if isinstance(tree, dict):
        return {name: _local(value) for name, value in cast(dict[Any, Any], tree).items()}
    return [_local(value) for value in cast(list[Any], tree)] if isinstance(tree, list) else tree
