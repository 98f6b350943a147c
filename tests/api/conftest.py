"""The API in the test's own process: real database, real manager, scripted kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import httpx
import pytest
import zmq.asyncio
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler

from kernels.api.scope import MANAGER
from kernels.conf import KernelSettings, kernel_settings
from kernels.manager import KernelManager
from sessions_app.services import SERVICES, Services
from tests.scripted_cell import Script
from tests.scripted_kernel import ScriptedLauncher, Start

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Api:
    """A service with scripted kernels, and a client that calls it without a socket."""

    client: httpx.AsyncClient
    manager: KernelManager
    services: Services
    #: What code does, for every kernel; may be added to.
    scripts: dict[str, Script] = field(default_factory=dict)
    #: How the next starts of kernels go.
    starts: list[Start] = field(default_factory=list)
    #: One for every kernel that was made, the newest last.
    launchers: list[ScriptedLauncher] = field(default_factory=list)

    async def execute(self, session: str, code: str, **fields: Any) -> httpx.Response:
        """Run code in a session."""
        return await self.client.post(f"/sessions/{session}/execute", json={"code": code} | fields)

    async def run(self, session: str, code: str, **fields: Any) -> dict[str, Any]:
        """Run code in a session and return the result, which must be a 200."""
        response = await self.execute(session, code, **fields)
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()
        return result

    @staticmethod
    async def database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database, in a thread."""
        return await sync_to_async(work, thread_sensitive=False)(*args, **kwargs)


OpenApi = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def open_api(transactional_db: None) -> OpenApi:
    """Open a service; settings of kernels can be given by name: ``open_api(max_kernels=2)``."""

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[Api]:
        launchers: list[ScriptedLauncher] = []
        scripts: dict[str, Script] = {}
        starts: list[Start] = []

        def make(
            kernelspec: str, settings: KernelSettings, context: zmq.asyncio.Context
        ) -> ScriptedLauncher:
            launchers.append(ScriptedLauncher(context, scripts, starts))
            return launchers[-1]

        manager = KernelManager(dataclasses.replace(kernel_settings(), **changes), make)
        await manager.open()
        services = await Services.open(manager)
        state = {MANAGER: manager, SERVICES: services}
        handler = ASGIHandler()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await handler({**scope, "state": state}, receive, send)

        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", timeout=20
        ) as client:
            try:
                yield Api(client, manager, services, scripts, starts, launchers)
            finally:
                await manager.close()
                await services.close()

    return opened


@pytest.fixture
async def api(open_api: OpenApi) -> AsyncIterator[Api]:
    """A service with the default settings."""
    async with open_api() as opened:
        yield opened
