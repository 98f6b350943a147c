"""The base of the views on sessions, executions and history."""

from __future__ import annotations

from typing import Any

from kernels.api.base import AsyncViewSet
from kernels.api.scope import scope_of
from sessions_app.services import Services, services_of


class ServicesViewSet(AsyncViewSet):
    """A viewset that reaches the server's services."""

    def scope(self) -> dict[str, Any]:
        """The ASGI scope of the request."""
        return scope_of(self.request)

    def services(self) -> Services:
        """The server's services."""
        return services_of(self.scope())
