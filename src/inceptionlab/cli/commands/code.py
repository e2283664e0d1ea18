"""`inceptionlab code`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.cli.variant import Variant
from inceptionlab.errors import ConfigError
from inceptionlab.source.generation import code as text_of
from inceptionlab.source.generation import spec_of
from inceptionlab.storage import write


def code(
    network: str, *, node: str | None = None, aux: bool = False,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Write a network as plain PyTorch that needs nothing of InceptionLab, with the same logits from the same weights.

    Parameters
    ----------
    network
        A network: of the zoo, FILE.py:FUNCTION, FILE.json, a run folder, or a file that import-weights wrote; rules may
        follow, as in "small_v1 | residual(0.1)".
    node
        Write only the node at this address, with the classes that it needs.
    aux
        Keep the auxiliary heads.
    out
        The file to write (.py); without it the text is printed.
    variant
        Changes of the network.
    """
    if out is not None and out.suffix != ".py":
        raise ConfigError(f"-o {out}: what is written is Python; give a name that ends in .py")
    spec = (variant or Variant()).of(spec_of(network))
    options = [*(["--node", node] if node else []), *(["--aux"] if aux else []), *_words(variant)]
    text = text_of(spec, node, aux=aux, command=shlex.join(["inceptionlab", "code", network, *options]))
    if out is None:
        sys.stdout.write(text)
    else:
        write(out, text)
        print(out)


def _words(variant: Variant | None) -> list[str]:
    """The options of a variant as they were given."""
    given = vars(variant or Variant())
    words = (
        (f"--{name.replace('_', '-')}", str(value)) for name, value in given.items() if value not in (None, "auto")
    )
    return [word for pair in words for word in pair]
