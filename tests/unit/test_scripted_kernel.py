"""The fake itself: it keeps to the protocol of a process, and to the limits of the system."""

from __future__ import annotations

import os

import pytest

from kernels.runtime.process import KernelProcess, Launcher
from kernels.runtime.types import Channel
from tests.scripted_kernel import ScriptedKernel
from tests.unit.harness import Bench, Heard, Line, soon


async def test_it_is_a_kernel_process_and_its_launcher_a_launcher(bench: Bench) -> None:
    launcher: Launcher = bench.launcher
    process: KernelProcess = await launcher.launch()
    assert isinstance(process, ScriptedKernel)
    assert os.path.basename(process.connection_file) in os.listdir(process.folder)
    assert process.info.key.decode() not in repr(process.info)


async def test_its_sockets_have_paths_that_the_system_takes(bench: Bench) -> None:
    kernel = await bench.launcher.launch()
    for channel in Channel:
        path = kernel.info.address(channel).removeprefix("ipc://")
        assert os.path.basename(path) in os.listdir(kernel.folder)
        assert len(os.fsencode(path)) <= 107


async def test_a_request_to_shut_down_ends_it_without_a_signal(line: Line) -> None:
    heard = Heard()
    await line.connection.request(Channel.CONTROL, "shutdown_request", {}, heard)
    assert str(await soon(line.kernel.wait())) == "exited with code 0"
    await heard.until(lambda heard: heard.types == ["shutdown_reply"])


async def test_it_is_not_released_while_it_lives(bench: Bench) -> None:
    kernel = await bench.launcher.launch()
    with pytest.raises(RuntimeError, match="lives"):
        await kernel.release()
    await kernel.kill()
    await kernel.release()
    assert not kernel.folder.exists()
