"""A server on a port."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import import_module

from inceptionlab.errors import ConfigError, MissingExtra
from inceptionlab.runs.prediction import Trained


def serve(
    trained: Trained, engine: str, host: str = "127.0.0.1", port: int = 8000, batch: int = 8,
    ready: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Answer until the process is asked to stop (SIGINT or SIGTERM; requests under way are answered first).

    `port` 0 takes any free one. `ready` is told the address. Raises `ConfigError` where the port is taken,
    `MissingExtra` where the libraries are missing.
    """
    try:
        import uvicorn

        import_module("python_multipart")  # starlette reads forms by it
        from inceptionlab.web.app import application
    except ImportError:
        raise MissingExtra("the web server", "web") from None
    if batch < 1:
        raise ConfigError(f"--batch {batch}: a batch has at least 1 image")
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port {port}: a port is a number from 0 to 65535; 0 takes any free one")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on: {error}; give another --port (0: any free one)"
        ) from None
    config = uvicorn.Config(application(trained, engine, batch), log_level="warning")
    name = f"[{host}]" if ":" in host else host
    with listening:
        ready(f"http://{name}:{listening.getsockname()[1]}")
        uvicorn.Server(config).run([listening])
