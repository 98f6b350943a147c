"""The shell channel in the kernel: requests in, replies out, on the main event loop.

Stands where ipykernel expects pyzmq's ``ZMQStream``, of which it needs little; that one makes
a callback object and asks ZMQ for its state several times a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any

import zmq
from tornado import ioloop

Handler = Callable[[list[zmq.Frame]], Coroutine[Any, Any, Any]]


class ShellStream:
    """Hands every request to one handler, and sends what answers it at once."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self._loop = asyncio.get_event_loop()
        #: For whoever wants to stop it.
        self.io_loop = ioloop.IOLoop.current()
        self._handler: Handler | None = None
        self._context = copy_context()
        #: The requests that are being handled: the event loop holds its tasks but weakly.
        self._handling: set[asyncio.Future[Any]] = set()

    def on_recv(self, handler: Handler, copy: bool = False) -> None:
        """Begin to take requests, as ``zmq.Frame``\\ s."""
        # ipykernel wraps it in another task, for a context that outlives a request: that is here.
        self._handler = getattr(handler, "__wrapped__", handler)
        self._context = copy_context()
        self._loop.add_reader(int(self._socket.getsockopt(zmq.FD)), self._take)
        self._loop.call_soon(self._take)

    def send_multipart(self, parts: Sequence[Any], copy: bool = True) -> None:
        """Send a reply; a request that has come meanwhile is taken next."""
        self._socket.send_multipart(parts, copy=True)
        if int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._loop.call_soon(self._take)

    def flush(self, *_: object) -> None:
        """Nothing: a reply is sent when it is made."""

    def _take(self) -> None:
        """Take all requests; ZMQ's descriptor tells of a change once."""
        while not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if self._handler is not None:
                work: Coroutine[Any, Any, Any] = self._handler(frames)
                handling = self._loop.create_task(work, context=self._context)
                self._handling.add(handling)
                handling.add_done_callback(self._handling.discard)
