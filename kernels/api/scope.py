"""What the ASGI scope carries to the views."""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from rest_framework.request import Request

from kernels.manager import KernelManager

#: The key of the manager in the state that the server's lifespan hands to every request.
MANAGER = "kernel_manager"


def scope_of(request: Request) -> dict[str, Any]:
    """The ASGI scope of a request."""
    http_request = request._request
    assert isinstance(http_request, ASGIRequest)  # noqa: S101 - the project has no WSGI door
    return dict(http_request.scope)


def manager_of(request: Request) -> KernelManager:
    """The server's kernel manager."""
    manager: KernelManager = scope_of(request)["state"][MANAGER]
    return manager
