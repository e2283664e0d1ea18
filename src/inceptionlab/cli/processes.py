"""The processes that torchrun started, as one group."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def joined() -> Generator[bool]:
    """Within it the processes that torchrun started are one group, on the CPU; gives whether this one prints.

    Several processes end with it, without the destructors of torch's threads, of which one aborts now and then.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    from torch import distributed

    distributed.init_process_group("gloo")
    try:
        yield distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
