"""The process of a kernel, as far as it can be seen without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest

from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.process import STDERR_KEPT, ProvisionedLauncher, StderrReader
from tests.unit.harness import Bench, soon


def open_files() -> set[str]:
    """The file descriptors of this process."""
    return set(os.listdir("/proc/self/fd"))


def launcher(bench: Bench, folder: Path, kernelspec: str) -> ProvisionedLauncher:
    """A launcher of a kernelspec."""
    return ProvisionedLauncher(
        kernelspec=kernelspec,
        runtime_dir=folder,
        working_dir=folder,
        environment={"KERNELBOX_TOKEN": "the-secret"},
        context=bench.context,
    )


async def test_what_a_process_says_on_stderr_is_kept() -> None:
    reader = StderrReader()
    os.write(reader.write_end, b"ModuleNotFoundError: caf\xc3\xa9 \xff\n")
    assert reader.text() == "ModuleNotFoundError: café \ufffd"
    reader.close_write_end()
    reader.close()


async def test_of_much_stderr_the_end_is_kept_and_the_writer_is_never_blocked() -> None:
    reader = StderrReader()
    os.set_blocking(reader.write_end, False)
    for n in range(40):
        os.write(reader.write_end, b"%010d\n" % n * 1_000)
        reader.text()
    kept = reader.text()
    assert STDERR_KEPT - 11 <= len(kept) <= STDERR_KEPT
    assert kept.endswith("0000000039")
    reader.close_write_end()
    reader.close()


async def test_reading_stderr_ends_with_the_process_and_leaves_no_descriptor() -> None:
    before = open_files()
    reader = StderrReader()
    os.write(reader.write_end, b"last words")
    reader.close_write_end()
    assert reader.text() == "last words"
    assert reader.text() == "last words"
    reader.close()
    reader.close()
    assert reader.text() == "last words"
    assert open_files() == before


async def test_a_writer_is_never_blocked_for_long_though_nobody_asks_what_it_wrote() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(2):  # The second reader gets the descriptor of the first.
        reader, writable = StderrReader(), asyncio.Event()
        os.set_blocking(reader.write_end, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(reader.write_end, b"x" * 4_096)
        loop.add_writer(reader.write_end, writable.set)
        await soon(writable.wait())
        loop.remove_writer(reader.write_end)
        reader.close_write_end()
        reader.close()


async def test_a_kernelspec_that_is_not_installed_is_a_failed_start(
    bench: Bench, tmp_path: Path
) -> None:
    before = open_files()
    with pytest.raises(KernelStartFailed, match="no-such-kernel"):
        await launcher(bench, tmp_path, "no-such-kernel").launch()
    assert open_files() == before
    assert os.listdir(tmp_path) == []


async def test_a_program_that_is_not_there_is_a_failed_start(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"argv": ["/nowhere/kernel", "{connection_file}"], "display_name": "x", "language": "x"}
    place = tmp_path / "kernels" / "gone"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    runtime = tmp_path / "run"
    runtime.mkdir()
    before = open_files()
    with pytest.raises(KernelStartFailed, match="/nowhere/kernel"):
        await launcher(bench, runtime, "gone").launch()
    assert open_files() == before
    assert os.listdir(runtime) == []


async def test_the_environment_is_not_shown(bench: Bench, tmp_path: Path) -> None:
    shown = repr(launcher(bench, tmp_path, "python3"))
    assert "python3" in shown
    assert "the-secret" not in shown
    assert asyncio.all_tasks() == {asyncio.current_task()}
