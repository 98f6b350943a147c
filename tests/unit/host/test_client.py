"""A server's connection to its host: asks, is answered, is told of deaths, and is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kernels.host import client as clients
from kernels.host.client import HostClient, HostRefused, HostUnavailable, Started, connected
from kernels.host.protocol import VERSION, Certificate, encode
from tests.unit.harness import soon
from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import RunningHost, eventually, has_ended, paused, sleeps
from tests.unit.host.nest import Nest

#: Answers one connection in place of a host.
Speaker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SERVED = "the kernel host has ended"


@pytest.fixture
async def client(host: RunningHost, nest: Nest) -> AsyncIterator[HostClient]:
    """A connection to the module's host; its kernels end with the test."""
    opened = await soon(HostClient.connect(host.socket))
    yield opened
    await soon(opened.close())


async def served_by(speaker: Speaker, path: Path) -> asyncio.Server:
    """A listener that is no host."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speaker(reader, writer)
        finally:
            writer.close()

    return await asyncio.start_unix_server(speak, str(path))


async def test_a_connection_knows_who_greeted_it(host: RunningHost, client: HostClient) -> None:
    assert client.greeting == clients.Greeting(host.process.pid, (), {})
    assert connected(host.socket) is client
    assert not client.gone.is_set()


async def test_nobody_at_a_socket_is_an_os_error(host: RunningHost) -> None:
    with pytest.raises(FileNotFoundError):
        await HostClient.connect(host.folder / "nobody.sock")
    assert connected(host.folder / "nobody.sock") is None


async def test_a_host_of_another_version_is_refused_by_both_numbers(host: RunningHost) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode({"protocol": VERSION + 1, "pid": 1}))
        await reader.read()

    path = host.folder / "other.sock"
    async with await served_by(speak, path):
        with pytest.raises(HostUnavailable, match=f"version {VERSION + 1} .* version {VERSION}"):
            await soon(HostClient.connect(path))
    assert connected(path) is None


async def test_one_that_hangs_up_without_a_word_is_an_os_error(host: RunningHost) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing."""

    path = host.folder / "silent.sock"
    async with await served_by(speak, path):
        with pytest.raises(ConnectionResetError, match="before it said a word"):
            await soon(HostClient.connect(path))


async def test_one_that_says_nothing_is_given_up(
    host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    monkeypatch.setattr(clients, "ANSWER_LIMIT", 0.1)
    path = host.folder / "mute.sock"
    async with await served_by(speak, path):
        with pytest.raises(TimeoutError):
            await soon(HostClient.connect(path))


async def test_one_that_talks_nonsense_is_gone(host: RunningHost) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = {"protocol": VERSION, "pid": 1, "preloaded": [], "left_out": {}}
        writer.write(encode(greeting))
        await reader.read(1)
        writer.write(b"\xff" * 100)
        await reader.read()

    path = host.folder / "nonsense.sock"
    async with await served_by(speak, path):
        client = await soon(HostClient.connect(path))
        with pytest.raises(HostUnavailable, match=SERVED):
            await soon(client.kernels())
        await soon(client.gone.wait())
        await client.close()


async def test_a_kernel_is_started_listed_signalled_and_known_to_have_died(
    host: RunningHost, client: HostClient
) -> None:
    order = host.order()
    started = await soon(client.start(order))
    assert await soon(client.kernels()) == {order.kernel: started}
    death = client.death_of(order.kernel)
    assert death is not None
    assert not death.done()
    assert await soon(client.signal(order.kernel, signal.SIGKILL)) is True
    certificate = await soon(asyncio.shield(death))
    assert (certificate.pid, certificate.signal) == (started.pid, signal.SIGKILL)
    assert await soon(client.signal(order.kernel, signal.SIGKILL)) is False
    client.forget(order.kernel)
    assert client.death_of(order.kernel) is None


async def test_what_cannot_be_started_is_refused_and_not_remembered(
    host: RunningHost, client: HostClient
) -> None:
    order = host.order("/nowhere/kernel")
    with pytest.raises(HostRefused, match="No such file or directory"):
        await soon(client.start(order))
    assert client.death_of(order.kernel) is None


async def test_a_second_start_under_the_same_name_does_not_lose_the_first(
    host: RunningHost, client: HostClient
) -> None:
    order = host.order()
    started = await soon(client.start(order))
    first = client.death_of(order.kernel)
    with pytest.raises(HostRefused, match="already"):
        await soon(client.start(order))
    os.kill(started.pid, signal.SIGKILL)
    assert client.death_of(order.kernel) is first is not None
    assert (await soon(first)).signal == signal.SIGKILL


async def test_a_start_that_is_cancelled_leaves_no_kernel(
    host: RunningHost, client: HostClient, nest: Nest
) -> None:
    order = host.order(fork=True)
    starting = asyncio.create_task(client.start(order))
    await asyncio.sleep(0)  # until it is sent
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(starting)
    assert client.death_of(order.kernel) is None
    death = await asyncio.to_thread(nest.peer.death_of, order.kernel)
    assert death["signal"] == signal.SIGKILL
    assert await soon(client.kernels()) == {}


async def test_kernels_may_be_started_all_at_once(host: RunningHost, client: HostClient) -> None:
    orders = [host.order(fork=fork) for fork in (True, False) * 4]
    started = await soon(asyncio.gather(*map(client.start, orders)))
    assert len({one.pid for one in started}) == len(orders)
    expected = {order.kernel: one for order, one in zip(orders, started, strict=True)}
    assert await soon(client.kernels()) == expected


async def test_deaths_of_kernels_that_others_have_started_are_known_once_they_are_listed(
    client: HostClient, nest: Nest
) -> None:
    kernel = nest.shell("echo last words >&2; exec /bin/sleep 1000")
    assert client.death_of(kernel.name) is None
    assert await soon(client.kernels()) == {kernel.name: Started(kernel.pid, kernel.started)}
    death = client.death_of(kernel.name)
    assert death is not None
    eventually(lambda: sleeps(kernel.pid))
    kernel.signal(signal.SIGTERM)
    certificate = await soon(asyncio.shield(death))
    assert (certificate.signal, certificate.stderr) == (signal.SIGTERM, "last words")


async def test_a_host_that_does_not_answer_in_time_is_a_timeout_and_no_more(
    host: RunningHost, client: HostClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "ANSWER_LIMIT", 0.1)
    with paused(host), pytest.raises(TimeoutError):
        await client.kernels()
    monkeypatch.undo()
    assert await soon(client.kernels()) == {}


async def test_a_host_that_is_killed_is_gone_and_so_are_its_kernels(new_host: NewHost) -> None:
    host = new_host()
    client = await soon(HostClient.connect(host.socket))
    order = host.order()
    pid = (await soon(client.start(order))).pid
    death = client.death_of(order.kernel)
    assert death is not None
    with paused(host):
        asking = asyncio.create_task(client.kernels())
        await asyncio.sleep(0)  # until it is sent
        host.process.kill()
        with pytest.raises(HostUnavailable, match=SERVED):
            await soon(asking)
    assert death.result() == Certificate(0, stderr="The kernel host has ended.")
    assert client.gone.is_set()
    assert connected(host.socket) is None
    with pytest.raises(HostUnavailable, match=SERVED):
        await client.start(host.order())
    eventually(lambda: has_ended(pid))
    await client.close()


async def test_a_host_that_ends_tells_how_its_kernels_died(new_host: NewHost) -> None:
    host = new_host()
    client = await soon(HostClient.connect(host.socket))
    order = host.order()
    pid = (await soon(client.start(order))).pid
    death = client.death_of(order.kernel)
    assert death is not None
    host.process.terminate()
    certificate = await soon(asyncio.shield(death))
    assert (certificate.pid, certificate.signal) == (pid, signal.SIGKILL)
    await soon(client.gone.wait())
    await client.close()


async def test_a_client_that_was_closed_knows_nothing_more(host: RunningHost) -> None:
    client = await soon(HostClient.connect(host.socket))
    await soon(client.kernels())
    await soon(client.close())
    await soon(client.close())
    assert client.gone.is_set()
    assert connected(host.socket) is None
    with pytest.raises(HostUnavailable):
        await client.lease(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_client_may_be_closed_at_once(host: RunningHost) -> None:
    client = await soon(HostClient.connect(host.socket))
    await soon(client.close())
    try:
        assert client.gone.is_set()
        assert connected(host.socket) is None
    finally:
        client._writer.close()


async def test_a_lease_and_its_end_are_as_the_host_says(new_host: NewHost) -> None:
    host = new_host(lease=False)
    first = await soon(HostClient.connect(host.socket))
    second = await soon(HostClient.connect(host.socket))
    await soon(first.lease(60))
    await soon(second.lease(60))
    assert await soon(first.stop()) is False
    assert await soon(second.stop()) is True
    assert host.wait() == 0
    await soon(first.gone.wait())
    await asyncio.gather(first.close(), second.close())
