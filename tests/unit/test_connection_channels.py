"""Which of a kernel's sockets are opened, and when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernels.runtime.connection import Connection
from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.types import Channel
from tests.unit.harness import Bench, Heard, Line, soon


def path_of(line: Line, channel: Channel) -> Path:
    """The file of one socket."""
    path = line.kernel.info.socket_path(channel)
    assert path is not None
    return Path(path)


async def test_control_and_stdin_are_opened_when_they_are_used(bench: Bench, line: Line) -> None:
    of_kernel = len(Channel)
    assert bench.context.open_sockets == of_kernel + 2
    for count, channel in enumerate((Channel.CONTROL, Channel.STDIN), 3):
        await soon(line.connection.request(channel, "interrupt_request", {}, Heard()))
        assert bench.context.open_sockets == of_kernel + count
        await soon(line.connection.request(channel, "interrupt_request", {}, Heard()))
        assert bench.context.open_sockets == of_kernel + count


async def test_a_channel_that_was_opened_late_is_answered_on_and_closed(
    bench: Bench, line: Line
) -> None:
    heard = Heard()
    await soon(line.connection.request(Channel.CONTROL, "interrupt_request", {}, heard))
    await heard.until(lambda heard: heard.types == ["interrupt_reply"])
    line.connection.close()
    assert bench.context.open_sockets == len(Channel)


async def test_where_a_socket_is_not_there_yet_nothing_stays_open(bench: Bench, line: Line) -> None:
    before = bench.context.open_sockets, set(os.listdir("/proc/self/fd"))
    path_of(line, Channel.IOPUB).unlink()
    with pytest.raises(FileNotFoundError):
        Connection(line.kernel.info, bench.context)
    assert bench.context.open_sockets == before[0]


async def test_where_something_else_is_in_place_of_a_socket_nothing_stays_open(
    bench: Bench, line: Line
) -> None:
    before = bench.context.open_sockets
    shell, iopub = path_of(line, Channel.SHELL), path_of(line, Channel.IOPUB)
    iopub.unlink()
    iopub.symlink_to(shell)
    with pytest.raises(KernelStartFailed, match="not its socket"):
        Connection(line.kernel.info, bench.context)
    assert bench.context.open_sockets == before


async def test_a_link_in_place_of_a_channel_that_is_opened_late_is_refused_then(
    bench: Bench, line: Line
) -> None:
    control = path_of(line, Channel.CONTROL)
    control.unlink()
    control.symlink_to(path_of(line, Channel.SHELL))
    with pytest.raises(KernelStartFailed, match="not its socket"):
        await soon(line.connection.request(Channel.CONTROL, "interrupt_request", {}, Heard()))
    _, heard = await line.send("1+1")
    await heard.until(lambda heard: "execute_reply" in heard.types)
