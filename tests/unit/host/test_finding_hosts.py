"""Finding the host at a socket, starting one where there is none, and ending it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from kernels.environment import kernel_environment
from kernels.host import starting
from kernels.host.client import HostClient, HostUnavailable
from kernels.host.starting import ALREADY_SERVED, HostOptions, HostProcess, find, missing, wait_for
from tests.unit.harness import soon
from tests.unit.host.harness import children_with, remove, short_folder


@pytest.fixture
def socket() -> Iterator[Path]:
    """A path for a socket in a folder that is not there yet."""
    folder = short_folder()
    yield folder / "run" / "host.sock"
    remove(folder)


@pytest.fixture
async def processes() -> AsyncIterator[list[HostProcess]]:
    """Hosts that this test has started; they are ended after it."""
    started: list[HostProcess] = []
    yield started
    for process in started:
        await process.end()


def options(socket: Path) -> HostOptions:
    """A host with nothing preloaded."""
    return HostOptions(socket, (), kernel_environment(os.environ) | {"TOKEN": "s3cret"}, 0)


def started(processes: list[HostProcess], socket: Path) -> HostProcess:
    """A host that is starting."""
    processes.append(HostProcess(options(socket)))
    return processes[-1]


async def connected(process: HostProcess, socket: Path) -> HostClient:
    """A connection to a host that is starting."""
    return await soon(wait_for(process, socket), 10)


def test_this_system_can_have_a_host() -> None:
    assert missing() is None


def test_options_do_not_show_the_environment(socket: Path) -> None:
    assert "s3cret" not in repr(options(socket))
    assert "s3cret" not in " ".join(options(socket).command)


async def test_where_nobody_listens_no_host_is_found(socket: Path) -> None:
    assert await find(socket) is None
    os.mkdir(socket.parent)
    os.close(os.open(socket, os.O_CREAT))
    assert await find(socket) is None


async def test_a_host_that_was_started_is_found_and_ended(
    socket: Path, processes: list[HostProcess]
) -> None:
    process = started(processes, socket)
    client = await connected(process, socket)
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert process.exit_code is None
    assert "serving" in process.last_words()
    again = await find(socket)
    assert again is not None
    assert again.greeting == client.greeting
    await asyncio.gather(client.close(), again.close())
    await process.end()
    assert process.exit_code == 0
    assert list(socket.parent.iterdir()) == []
    assert process.last_words() == ""


async def test_a_host_is_out_of_reach_of_signals_to_whoever_started_it(
    socket: Path, processes: list[HostProcess]
) -> None:
    client = await connected(started(processes, socket), socket)
    pid = client.greeting.pid
    assert os.getsid(pid) == os.getpgid(pid) == pid != os.getsid(0)
    await client.close()


async def test_of_two_that_are_started_one_serves_both(
    socket: Path, processes: list[HostProcess]
) -> None:
    pair = [started(processes, socket), started(processes, socket)]
    clients = await asyncio.gather(*(connected(process, socket) for process in pair))
    assert clients[0].greeting == clients[1].greeting
    exited = {process.exit_code for process in pair}
    assert exited <= {None, ALREADY_SERVED}
    for client in clients:
        await client.close()


async def test_a_host_that_cannot_start_says_why(
    socket: Path, processes: list[HostProcess]
) -> None:
    long = socket.with_name("x" * 107)
    with pytest.raises(HostUnavailable) as failure:
        await connected(started(processes, long), long)
    assert "AF_UNIX path too long" in str(failure.value)


async def test_a_host_that_dies_before_it_serves_is_unavailable(
    socket: Path, processes: list[HostProcess]
) -> None:
    process = started(processes, socket)
    [child] = children_with(str(socket))
    child.send_signal(signal.SIGKILL)
    with pytest.raises(HostUnavailable, match="did not start"):
        await connected(process, socket)
    assert process.exit_code == -signal.SIGKILL


async def test_a_host_that_takes_too_long_is_unavailable(
    socket: Path, processes: list[HostProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "START_LIMIT", 0.05)
    with pytest.raises(HostUnavailable, match=r"not ready within 0\.05 s"):
        await connected(started(processes, socket), socket)


async def test_a_host_that_does_not_end_is_killed(
    socket: Path, processes: list[HostProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = started(processes, socket)
    client = await connected(process, socket)
    psutil.Process(client.greeting.pid).suspend()
    monkeypatch.setattr(starting, "STOP_LIMIT", 0.1)
    await soon(process.end())
    assert process.exit_code == -signal.SIGKILL
    await soon(client.gone.wait())
    await client.close()
