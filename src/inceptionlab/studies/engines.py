"""Where the runs of a study are computed: in this process, in several of this machine, or on a Ray cluster."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from inceptionlab.errors import MissingExtra, RunError
from inceptionlab.runs.options import Machine
from inceptionlab.runs.setup import Setup
from inceptionlab.studies.place import Place
from inceptionlab.studies.running import Engine, Outcome, Run, execute, in_turn
from inceptionlab.training.allocation import launched
from inceptionlab.training.callbacks import Callbacks

Stop = Callable[[], bool]


def never() -> bool:
    """Nobody asks to stop."""
    return False


def engine_at(place: Place, stop: Stop = never, say: Callable[[str], None] = print) -> Engine:
    """The engine of a place. Raises `MissingExtra` where Ray is asked for and not installed."""
    machine = Machine(place.device, place.data_dir.resolve() if place.data_dir else None)
    if place.on == "ray":
        return on_ray(machine, place.ray_address, place.gpus, stop)
    if place.workers > 1:
        return in_processes(machine, place.workers, stop)
    return in_turn(machine, Callbacks(say=say, stop=stop))


def in_processes(machine: Machine, workers: int, stop: Stop) -> Engine:
    """`workers` processes that share the cores, and the GPUs where there are some: one each, or in turn."""
    gpus = torch.cuda.device_count() if machine.device in ("auto", "cuda") else 0
    threads = max(1, (os.cpu_count() or 1) // workers)

    def run(runs: Sequence[Run]) -> Iterator[tuple[Run, Outcome]]:
        context = get_context("spawn")
        places, halt = context.Queue(), context.Event()
        for number in range(workers):
            places.put(number % gpus if gpus else -1)
        with ProcessPoolExecutor(workers, context, _settle, (places, threads, halt, os.getpid())) as pool:
            waiting = {pool.submit(_in_worker, one.setup, str(one.folder), machine): one for one in runs}
            while waiting:
                done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), _outcome(future.result)
                if stop():
                    halt.set()
                    pool.shutdown(cancel_futures=True)
                    ended = [future for future in waiting if not future.cancelled()]
                    yield from ((waiting[future], _outcome(future.result)) for future in ended)
                    return

    return run


def _outcome(result: Callable[[], Outcome]) -> Outcome:
    try:
        return result()
    except BrokenProcessPool:
        raise RunError(
            "a process of the study ended early: its error stands above, or the system lacked memory; the "
            "study goes on with the same command, and needs less memory with fewer --workers"
        ) from None


def on_ray(machine: Machine, address: str, gpus: float, stop: Stop) -> Engine:
    """A Ray cluster at `address` ("auto": the one that was started on this machine, "local": one of this machine's
    own). Each run takes one core, and `gpus` GPUs, which may be a fraction. The folder of the study must be one that
    all its machines see at the same path.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("Ray", "ray") from None

    def run(runs: Sequence[Run]) -> Iterator[tuple[Run, Outcome]]:
        library: Any = ray
        if not library.is_initialized():
            quiet = {"log_to_driver": False, "include_dashboard": False} if address == "local" else {}
            library.init(address=None if address == "local" else address, **quiet)
        task = library.remote(num_cpus=1, num_gpus=gpus, max_retries=2)(_with_one_thread)
        waiting = {task.remote(one.setup, str(one.folder), machine): one for one in runs}
        while waiting:
            done, _ = library.wait(list(waiting), timeout=0.5)
            for reference in done:
                yield waiting.pop(reference), library.get(reference)
            if stop():
                for reference in waiting:
                    library.cancel(reference)
                return

    return run


_HALT: list[Any] = []
"""In a worker, the event by which its parent asks it to stop."""


def _settle(places: Any, threads: int, halt: Any, parent: int) -> None:
    """What a worker does first: take its GPU and its threads. Stop signals are the parent's to answer, and a worker
    whose parent is gone ends, or the same run could be started beside it.
    """
    place = places.get()
    if place >= 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(place)
    torch.set_num_threads(threads)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _HALT.append(halt)
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _in_worker(setup: Setup, folder: str, machine: Machine) -> Outcome:
    """A run in a worker, a process that was started to train."""
    with launched(bool(machine.grad_checkpoint)):
        return execute(setup, Path(folder), machine, Callbacks(say=lambda _: None, stop=_HALT[0].is_set))


def _with_one_thread(setup: Setup, folder: str, machine: Machine) -> Outcome:
    """A run as a Ray task."""
    torch.set_num_threads(1)
    with launched(bool(machine.grad_checkpoint)):
        return execute(setup, Path(folder), replace(machine, tensorboard=False), Callbacks(say=lambda _: None))
