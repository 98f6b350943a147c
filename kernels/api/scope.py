"""What the ASGI scope carries to the views."""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from rest_framework.request import Request

from kernels.manager import KernelManager

#: The key of the manager in the state that the server's lifespan hands to every request.
MANAGER = "kernel_manager"


def state_of(request: Request) -> dict[str, Any]:
    """The objects that live as long as the server."""
    http_request = request._request
    assert isinstance(http_request, ASGIRequest)  # noqa: S101 - the project has no WSGI door
    state: dict[str, Any] = http_request.scope["state"]
    return state


def manager_of(request: Request) -> KernelManager:
    """The server's kernel manager."""
    manager: KernelManager = state_of(request)[MANAGER]
    return manager
