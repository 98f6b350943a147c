"""A server's launcher with a host: who gets the host's provisioner, and what is left afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq.asyncio

from kernels.host.client import HostClient
from kernels.host.provisioner import provisioner_config
from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.incarnation import Incarnation, KernelOptions
from kernels.runtime.process import KernelProcess, ProvisionedLauncher
from tests.unit.harness import CountingContext, soon
from tests.unit.host.harness import (
    RunningHost,
    children_with,
    eventually,
    is_gone,
    remove,
    short_folder,
)
from tests.unit.host.nest import Nest

IPYKERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
SLEEPS = ["/bin/sleep", "1001"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder for connection files and sockets."""
    made = short_folder()
    yield made
    remove(made)


@pytest.fixture
async def client(host: RunningHost, nest: Nest) -> AsyncIterator[HostClient]:
    """This process's connection to the module's host."""
    opened = await soon(HostClient.connect(host.socket))
    yield opened
    await soon(opened.close())


@pytest.fixture
def context() -> Iterator[zmq.asyncio.Context]:
    """A ZMQ context of which no socket may be left open."""
    made = CountingContext()
    yield made
    left = made.open_sockets
    made.destroy(linger=0)
    assert left == 0


class Launchers:
    """Makes launchers of kernelspecs of its own, to which the host's provisioner is offered."""

    def __init__(self, host: RunningHost, folder: Path, context: zmq.asyncio.Context) -> None:
        self._host = host
        self._context = context
        self._specs = folder / "specs"
        self.runtime_dir = folder / "run"
        self.runtime_dir.mkdir()

    def make(self, argv: list[str], **metadata: Any) -> ProvisionedLauncher:
        """A launcher of a kernelspec with that command."""
        spec = {"argv": argv, "display_name": "x", "language": "x", "metadata": metadata}
        place = self._specs / "kernels" / "mine"
        place.mkdir(parents=True)
        (place / "kernel.json").write_text(json.dumps(spec))
        return ProvisionedLauncher(
            kernelspec="mine",
            runtime_dir=self.runtime_dir,
            working_dir=self.runtime_dir,
            environment=self._host.environment,
            context=self._context,
            choose_provisioner=self._choose,
        )

    async def _choose(self) -> dict[str, Any]:
        return provisioner_config(self._host.socket, {})

    @property
    def left(self) -> list[str]:
        """What is in the runtime folder."""
        return os.listdir(self.runtime_dir)


@pytest.fixture
def launchers(
    host: RunningHost,
    client: HostClient,
    folder: Path,
    context: zmq.asyncio.Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Launchers:
    """Makes launchers."""
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "specs"))
    return Launchers(host, folder, context)


async def ended(process: KernelProcess) -> None:
    """End a process and all that belongs to it."""
    await soon(process.kill())
    await soon(process.release())


async def test_a_kernelspec_that_names_no_provisioner_gets_the_one_that_is_offered(
    launchers: Launchers, nest: Nest
) -> None:
    process = await soon(launchers.make(SLEEPS).launch())
    assert process.is_hosted is False
    [pid] = nest.peer.kernels().values()
    assert psutil.Process(pid).cmdline() == SLEEPS
    await ended(process)
    assert (nest.peer.kernels(), launchers.left) == ({}, [])


async def test_a_kernelspec_that_names_a_provisioner_gets_that_one(
    launchers: Launchers, nest: Nest
) -> None:
    named = {"provisioner_name": "local-provisioner", "config": {}}
    process = await soon(launchers.make(SLEEPS, kernel_provisioner=named).launch())
    assert process.is_hosted is False
    assert nest.peer.kernels() == {}
    [mine] = children_with(SLEEPS[1])
    await ended(process)
    assert is_gone(mine.pid)
    assert launchers.left == []


async def test_an_ipython_kernel_is_forked_and_ready_at_once(
    launchers: Launchers, nest: Nest, context: zmq.asyncio.Context
) -> None:
    started = await soon(
        Incarnation.start(
            launchers.make(IPYKERNEL), context, KernelOptions(startup_cells=("x = 1",))
        )
    )
    assert started.is_hosted is True
    assert await soon(started.answers())
    assert len(nest.peer.kernels()) == 1
    await soon(started.end())
    assert (nest.peer.kernels(), launchers.left) == ({}, [])


async def test_how_a_kernel_of_the_host_died_is_known_with_memory_and_last_words(
    launchers: Launchers,
) -> None:
    script = "echo last words >&2; kill -9 $$"
    process = await soon(launchers.make(["/bin/sh", "-c", script]).launch())
    death = await soon(process.wait())
    assert (death.exit_code, death.signal_number, death.last_words) == (None, 9, "last words")
    assert (death.peak_memory or 0) > 0
    assert process.stderr_tail == "last words"
    await soon(process.release())
    assert launchers.left == []


async def test_what_the_host_cannot_start_is_a_failed_start_in_its_words(
    launchers: Launchers, nest: Nest
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(KernelStartFailed, match="No such file or directory: '/nowhere/kernel'"):
        await soon(launchers.make(["/nowhere/kernel"]).launch())
    assert set(os.listdir("/proc/self/fd")) == before
    assert launchers.left == []
    eventually(lambda: not nest.peer.kernels())


async def test_a_launch_that_is_cancelled_leaves_nothing(launchers: Launchers, nest: Nest) -> None:
    launching = asyncio.create_task(launchers.make(IPYKERNEL).launch())
    async with asyncio.timeout(5):
        while not nest.peer.kernels():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
    launching.cancel()
    await asyncio.gather(launching, return_exceptions=True)
    if not launching.cancelled():
        await ended(launching.result())
    eventually(lambda: not nest.peer.kernels())
    assert launchers.left == []
