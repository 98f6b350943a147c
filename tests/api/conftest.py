"""The API in the test's own process: real database, real manager, scripted kernels."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import httpx
import pytest
import pytest_django
import zmq.asyncio
from django.db import transaction

from kernelbox_site.handler import LeanASGIHandler
from kernels.api.scope import MANAGER
from kernels.conf import KernelSettings, kernel_settings
from kernels.database import DatabaseThread
from kernels.manager import KernelManager
from kernels.models import Kernel
from kernels.runtime.types import EventKind
from sessions_app.audit import TRY_FOR
from sessions_app.models import Execution, Session
from sessions_app.services import SERVICES, Services
from sessions_app.watchers import Watcher
from tests.scripted_cell import Script
from tests.scripted_kernel import ScriptedKernel, ScriptedLauncher, Start

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds after which a test has waited in vain.
LIMIT = 10.0


async def soon(awaitable: Awaitable[T], limit: float = LIMIT) -> T:
    """Await, but not for ever."""
    async with asyncio.timeout(limit):
        return await awaitable


async def until(happened: Callable[[], Awaitable[bool]], limit: float = LIMIT) -> None:
    """Ask the service again and again until something has happened, but not for ever."""
    async with asyncio.timeout(limit):
        while not await happened():
            pass


async def heard(watcher: Watcher, kind: EventKind) -> dict[str, Any]:
    """Return what the next event of that kind carries, once the service has it."""
    async with asyncio.timeout(LIMIT):
        while (event := await watcher.get()).kind is not kind:
            pass
        return event.payload


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
    #: Everything that was answered, in order.
    answers: list[httpx.Response] = field(default_factory=list)
    _reader: DatabaseThread = field(default_factory=lambda: DatabaseThread("test-database"))

    async def execute(self, session: str, code: str, **fields: Any) -> httpx.Response:
        """Run code in a session."""
        return await self.client.post(f"/sessions/{session}/execute", json={"code": code} | fields)

    async def run(self, session: str, code: str, **fields: Any) -> dict[str, Any]:
        """Run code in a session and return the result, which must be a 200."""
        return answered(await self.execute(session, code, **fields))

    def begin(
        self, session: str, code: str, path: str = "execute", **fields: Any
    ) -> asyncio.Task[httpx.Response]:
        """Run code in a session and do not wait for it."""
        body = {"code": code} | fields
        return asyncio.create_task(self.client.post(f"/sessions/{session}/{path}", json=body))

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What is at a path, which must be a 200."""
        return answered(await self.client.get(path, params=query or None))

    async def post(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        """Post to a path and return what is answered with the expected status."""
        return answered(await self.client.post(path, json=body), status)

    async def create(self, **fields: Any) -> dict[str, Any]:
        """A new kernel."""
        return await self.post("/kernels", status=201, **fields)

    async def history(self, **query: Any) -> list[dict[str, Any]]:
        """The newest executions."""
        results: list[dict[str, Any]] = (await self.get("/executions", **query))["results"]
        return results

    @property
    def kernels(self) -> list[ScriptedKernel]:
        """Every process that was started, those of the newest kernel last."""
        return [kernel for launcher in self.launchers for kernel in launcher.kernels]

    async def starting(self) -> ScriptedKernel:
        """The newest process, as soon as there is one."""

        async def is_there() -> bool:
            await self.get("/health")
            return bool(self.kernels)

        await until(is_there)
        return self.kernels[-1]

    async def kill(self, kernel: str) -> None:
        """Kill the process of an idle kernel, and return when the service has seen it."""
        kernel_id = (await self.get(f"/kernels/{kernel}"))["kernel"]["kernel_id"]
        live = self.manager.live(kernel_id)
        assert live is not None
        process = next(k for k in self.kernels if k.connection_file == live.connection_file)
        process.die()

        async def is_noted() -> bool:
            told = (await self.get(f"/kernels/{kernel}"))["kernel"]
            return bool(told["status"] == "dead" and told["status_reason"])

        await until(is_noted)

    async def waiting(self, kernel: str, executions: int) -> None:
        """Return when so many executions wait for a kernel."""

        async def enough() -> bool:
            told = (await self.get(f"/kernels/{kernel}"))["kernel"]
            return bool(told["queue_length"] == executions)

        await until(enough)

    async def database(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database over a connection of the test's own."""
        return await soon(self._reader.run(work, *args, **kwargs))

    async def close(self) -> None:
        """End everything, in the order in which a server does."""
        await self.manager.close()
        await self.services.close()
        await self._reader.close()


def answered(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer that must have that status."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


OpenApi = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def transactional_db(
    django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[None]:
    """The database for tests whose threads commit; as pytest-django's, and then our tables are empty.

    Only ours, and by DELETE: its TRUNCATE of all tables costs Postgres 0.2 s a test.
    """
    with django_db_blocker.unblock():
        yield
        with transaction.atomic():
            for model in (Execution, Session, Kernel):
                model._default_manager.all().delete()


@pytest.fixture
def open_api(transactional_db: None) -> OpenApi:
    """Open a service; settings of kernels can be given by name: ``open_api(max_kernels=2)``.

    ``try_for``: seconds for which the history is tried again while the database is locked.
    """

    @asynccontextmanager
    async def opened(try_for: float = TRY_FOR, **changes: Any) -> AsyncIterator[Api]:
        launchers: list[ScriptedLauncher] = []
        scripts: dict[str, Script] = {}
        starts: list[Start] = []
        given: list[httpx.Response] = []

        def make(
            kernelspec: str, settings: KernelSettings, context: zmq.asyncio.Context
        ) -> ScriptedLauncher:
            launchers.append(ScriptedLauncher(context, scripts, starts))
            return launchers[-1]

        async def remember(response: httpx.Response) -> None:
            await response.aread()
            given.append(response)

        manager = KernelManager(dataclasses.replace(kernel_settings(), **changes), make)
        await manager.open()
        services = await Services.open(manager, try_for)
        state = {MANAGER: manager, SERVICES: services}
        handler = LeanASGIHandler()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await handler({**scope, "state": state}, receive, send)

        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://localhost",
            timeout=20,
            event_hooks={"response": [remember]},
        ) as client:
            api = Api(client, manager, services, scripts, starts, launchers, given)
            try:
                yield api
            finally:
                await api.close()

    return opened


@pytest.fixture
async def api(open_api: OpenApi) -> AsyncIterator[Api]:
    """A service with the default settings."""
    async with open_api() as opened:
        yield opened


@pytest.fixture
def julia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a language that is installed besides Python: its kernelspec is there."""
    folder = tmp_path / "kernels" / "julia-1"
    folder.mkdir(parents=True)
    spec = {"argv": ["julia", "{connection_file}"], "display_name": "Julia", "language": "julia"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return "julia"
