"""The original KernelBox from PyPI, by its HTTP API, in an environment of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from benchmarks.peers.environments import python_with
from benchmarks.peers.http_session import Caller, sessions
from benchmarks.peers.process import folder, started
from benchmarks.peers.session import Open
from tests.server import free_port

NAME = "KernelBox 0.1.2"
REQUIREMENTS = ["kernelbox==0.1.2", "ipykernel==7.4.0", "uvicorn[standard]==0.54.0"]


@contextlib.contextmanager
def serving(settings: Mapping[str, str] | None = None) -> Iterator[Open]:
    """Start it."""
    python, port = python_with("kernelbox-0.1.2", REQUIREMENTS), free_port()
    command = [str(python), "-m", "uvicorn", "kernelbox.server.app:app", "--port", str(port)]
    with folder() as home, contextlib.closing(Caller(port)) as caller:
        environment = {
            "KERNELBOX_HOME": str(home),
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            **(settings or {}),
        }
        with started(command, environment, home, lambda: caller.request("GET", "/health")):
            yield sessions(port)
