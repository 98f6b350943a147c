"""Jupyter Kernel Gateway, by WebSocket, in an environment of its own.

https://jupyter-kernel-gateway.readthedocs.io/en/latest/config-options.html
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from benchmarks.peers import jupyter
from benchmarks.peers.environments import python_with
from benchmarks.peers.session import Open

NAME = "Jupyter Kernel Gateway 3.0.1"
REQUIREMENTS = ["jupyter_kernel_gateway==3.0.1", "jupyter_server==2.21.1", "ipykernel==7.4.0"]


def serving(*, quick_ack: bool = False) -> AbstractContextManager[Open]:
    """Start it."""
    python = python_with("kernel-gateway-3.0.1", REQUIREMENTS)
    return jupyter.serving(python, "kernel_gateway", "KernelGatewayApp", {}, quick_ack=quick_ack)
