"""Jupyter Server, by WebSocket, in an environment of its own.

https://jupyter-server.readthedocs.io/en/latest/other/full-config.html
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from benchmarks.peers import jupyter
from benchmarks.peers.environments import python_with
from benchmarks.peers.session import Open

NAME = "Jupyter Server 2.21.1"
REQUIREMENTS = ["jupyter_server==2.21.1", "ipykernel==7.4.0"]
OPTIONS = {
    "open_browser": "False",
    "allow_root": "True",  # As in a container.
    "root_dir": ".",
}


def serving(*, quick_ack: bool = False) -> AbstractContextManager[Open]:
    """Start it."""
    python = python_with("jupyter-server-2.21.1", REQUIREMENTS)
    return jupyter.serving(python, "jupyter_server", "ServerApp", OPTIONS, quick_ack=quick_ack)
