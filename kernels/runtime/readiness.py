"""When a kernel may be spoken to, and whether it still answers."""

from __future__ import annotations

import asyncio

from kernels.runtime.connection import Connection
from kernels.runtime.types import Channel
from kernels.runtime.wire import Message

#: Seconds between two questions to a kernel that is starting.
NUDGE_INTERVAL = 0.25


class _Probe:
    """Hears what answers a ``kernel_info_request``."""

    def __init__(self) -> None:
        self.replied = asyncio.Event()
        self.heard_iopub = asyncio.Event()

    def on_message(self, channel: Channel, message: Message) -> None:
        if channel is Channel.IOPUB:
            self.heard_iopub.set()
        elif message.msg_type == "kernel_info_reply":
            self.replied.set()


async def wait_until_subscribed(connection: Connection) -> None:
    """Return once the output of a kernel that is known to run reaches this connection.

    From a kernel that does not say so, once it has answered.
    """
    try:
        async with asyncio.timeout(NUDGE_INTERVAL):
            await connection.subscribed.wait()
    except TimeoutError:
        await wait_until_ready(connection)


async def wait_until_ready(connection: Connection) -> None:
    """Return once a ``kernel_info_reply`` and an ``iopub`` message were both seen.

    Without the second, the subscription may not be in place yet: the ``idle`` of the first
    execution is then lost, and the call hangs. Asks again until both came; the caller sets the limit.
    """
    probe = _Probe()
    asked: list[str] = []
    try:
        while not (probe.replied.is_set() and probe.heard_iopub.is_set()):
            asked.append(
                await connection.request(Channel.SHELL, "kernel_info_request", {}, probe.on_message)
            )
            await _wait_for_both(probe, NUDGE_INTERVAL)
    finally:
        for msg_id in asked:
            connection.forget(msg_id)


async def answers(connection: Connection, limit: float) -> bool:
    """Whether an idle kernel answers a ``kernel_info_request`` within ``limit`` seconds."""
    probe = _Probe()
    msg_id = await connection.request(Channel.SHELL, "kernel_info_request", {}, probe.on_message)
    try:
        async with asyncio.timeout(limit):
            await probe.replied.wait()
    except TimeoutError:
        return False
    finally:
        connection.forget(msg_id)
    return True


async def _wait_for_both(probe: _Probe, limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await probe.replied.wait()
            await probe.heard_iopub.wait()
    except TimeoutError:
        return
