"""The shell channel in a kernel: every request is handled, in order, and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from kernels.host.child.shell_stream import ShellStream
from tests.unit.harness import soon

COUNT = 500


class Line:
    """A kernel's socket, and that of a client."""

    def __init__(self) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.kernel = self.context.socket(zmq.ROUTER)
        self.kernel.bind("inproc://shell")
        self.client = self.context.socket(zmq.DEALER)
        self.client.connect("inproc://shell")

    async def answer(self) -> bytes:
        """The next answer."""
        frames: list[bytes] = await soon(asyncio.to_thread(self.client.recv_multipart))
        return frames[-1]

    def close(self) -> None:
        """Close both."""
        self.context.destroy(linger=0)


@pytest.fixture
def line() -> Iterator[Line]:
    """Two sockets."""
    opened = Line()
    yield opened
    opened.close()


async def test_every_request_is_handled_in_order_and_answered(line: Line) -> None:
    stream = ShellStream(line.kernel)
    handled = []

    async def answer(frames: list[zmq.Frame]) -> None:
        identity, request = (frame.bytes for frame in frames)
        handled.append(request)
        stream.send_multipart([identity, b"answer to " + request])

    line.client.send(b"0")  # It has come, and was told of, before anybody listens.
    assert await soon(asyncio.to_thread(line.kernel.poll, 5_000))
    stream.on_recv(answer)
    for n in range(1, COUNT):
        line.client.send(b"%d" % n)
        if n % 100 == 0:
            await asyncio.sleep(0)
    assert [await line.answer() for _ in range(COUNT)] == [
        b"answer to %d" % n for n in range(COUNT)
    ]
    assert handled == [b"%d" % n for n in range(COUNT)]


async def test_a_request_that_comes_while_another_is_answered_is_not_overlooked(
    line: Line,
) -> None:
    stream = ShellStream(line.kernel)

    async def answer(frames: list[zmq.Frame]) -> None:
        identity, request = (frame.bytes for frame in frames)
        if request == b"first":
            line.client.send(b"second")
        stream.send_multipart([identity, request])

    stream.on_recv(answer)
    line.client.send(b"first")
    assert [await line.answer() for _ in range(2)] == [b"first", b"second"]


async def test_a_request_may_be_answered_before_an_earlier_one(line: Line) -> None:
    stream = ShellStream(line.kernel)
    goes_on = asyncio.Event()

    async def answer(frames: list[zmq.Frame]) -> None:
        identity, request = (frame.bytes for frame in frames)
        if request == b"first":
            await goes_on.wait()
        stream.send_multipart([identity, request])

    stream.on_recv(answer)
    line.client.send(b"first")
    line.client.send(b"second")
    assert await line.answer() == b"second"
    goes_on.set()
    assert await line.answer() == b"first"
