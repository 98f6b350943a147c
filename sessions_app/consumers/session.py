"""``WS /ws/sessions/{name}``: execute, interrupt, and see what a session puts out as it comes.

The messages are described in ``docs/websocket.md``. Every connection to a session sees all of its
executions, whichever door they came in by.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import InterfaceError, OperationalError
from rest_framework.exceptions import ValidationError

from kernels.api.base import checked
from kernels.api.json import dump_json
from kernels.api.names import check_path_name
from kernels.runtime.errors import KernelBoxError
from kernels.runtime.types import Event, ExecutionResult
from sessions_app.api.serializers import ExecuteSerializer
from sessions_app.models import Door
from sessions_app.orders import caller, make_order, session_target
from sessions_app.services import Services, services_of
from sessions_app.watchers import Watcher

log = logging.getLogger(__name__)

#: WebSocket close code for a message or a name that breaks the protocol.
POLICY_VIOLATION = 1008
#: Executions that one connection may have under way or waiting.
MOST_UNDER_WAY = 100


class BadRequest(Exception):
    """A message that cannot be understood; its text goes back to the client."""


class SessionConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One client's connection to one session."""

    services: Services
    session: str

    async def connect(self) -> None:
        """Accept the connection and begin to watch; the session need not exist yet."""
        self.session = self.scope["url_route"]["kwargs"]["name"]
        self.services = services_of(self.scope)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching = contextlib.ExitStack()
        await self.accept()
        try:
            check_path_name("name", self.session)
        except ValidationError as error:
            await self._send_error(_sentence(error.detail))
            await self.close(POLICY_VIOLATION)
            return
        watcher = self._watching.enter_context(self.services.watchers.watching(self.session))
        self._own(self._forward(watcher), "forward events")

    async def disconnect(self, code: int) -> None:
        """Stop watching. What runs goes on, and is recorded."""
        self._watching.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take one message of the client's."""
        request: dict[str, Any] = {}
        try:
            request = _parsed(text_data if text_data is not None else bytes_data or b"")
            match request.get("type"):
                case "execute":
                    self._begin(request)
                case "interrupt":
                    await self._interrupt(request)
                case other:
                    raise BadRequest(f"type must be execute or interrupt, not {other!r}.")
        except BadRequest as error:
            await self._send_error(str(error), request.get("request_id"))

    def _begin(self, request: dict[str, Any]) -> None:
        if len(self._tasks) > MOST_UNDER_WAY:
            raise BadRequest(f"{MOST_UNDER_WAY} executions of this connection are under way.")
        self._own(self._execute(request), "execute")

    async def _execute(self, request: dict[str, Any]) -> None:
        request_id = request.get("request_id")
        try:
            wanted = checked(ExecuteSerializer, request)
            # Owned, so that a client that goes away while its session starts is still served.
            result = await self.services.manager.owned(self._run(wanted))
        except ValidationError as error:
            await self._send_error(_sentence(error.detail), request_id)
        except (KernelBoxError, OperationalError, InterfaceError) as error:
            await self._send_error(str(error), request_id)
        else:
            if request_id is not None:
                accepted = {"execution_id": result.execution_id, "request_id": request_id}
                await self._send({"type": "answered", **accepted})

    async def _run(self, wanted: dict[str, Any]) -> ExecutionResult:
        order = await make_order(self.services, wanted, Door.WEBSOCKET, caller(self.scope))
        target = await session_target(self.services, self.session, order)
        return await self.services.executor.run(target, order)

    async def _interrupt(self, request: dict[str, Any]) -> None:
        session = self.services.sessions.at_hand(self.session)
        interrupted = session is not None and await session.kernel.interrupt()
        answer = {"type": "interrupted", "interrupted": interrupted}
        if (request_id := request.get("request_id")) is not None:
            answer["request_id"] = request_id
        await self._send(answer)

    async def _forward(self, watcher: Watcher) -> None:
        told = 0
        while True:
            event = await watcher.get()
            if watcher.dropped > told:
                await self._send({"type": "dropped", "messages": watcher.dropped - told})
                told = watcher.dropped
            await self._send(_message(event))

    def _own(self, work: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, message: dict[str, Any]) -> None:
        await self.send(text_data=dump_json(message).decode())

    async def _send_error(self, detail: str, request_id: object = None) -> None:
        message: dict[str, Any] = {"type": "refused", "detail": detail}
        if request_id is not None:
            message["request_id"] = request_id
        await self._send(message)


def _message(event: Event) -> dict[str, Any]:
    return {"type": event.kind.value, "execution_id": event.execution_id} | event.payload


def _parsed(raw: str | bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The message is not valid JSON: {error}") from error
    if not isinstance(request, dict):
        raise BadRequest("The message must be a JSON object.")
    request_id = request.get("request_id")
    if not (
        request_id is None or (isinstance(request_id, (str, int)) and len(str(request_id)) <= 128)
    ):
        raise BadRequest("request_id must be a short text or a number.")
    return request


def _sentence(detail: Any) -> str:
    """DRF's errors as one line: ``code: This field is required.``"""
    if isinstance(detail, dict):
        return "; ".join(f"{name}: {_sentence(value)}" for name, value in detail.items())
    if isinstance(detail, list):
        return " ".join(_sentence(value) for value in detail)
    return str(detail)
