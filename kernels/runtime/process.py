"""The process of a kernel: started through ``jupyter_client``'s provisioners, watched, ended.

A kernelspec may name a provisioner of its own (Kubernetes, Docker, YARN); everything here goes
through that interface.
https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import zmq.asyncio
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from kernels.runtime.bounded import Tail
from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.types import Death
from kernels.runtime.wire import ConnectionInfo

#: Seconds between looks at a process that has no pid on this machine.
POLL_INTERVAL = 0.25
#: Seconds for a killed process to be gone.
KILL_LIMIT = 10.0
#: Characters of a kernel's own stderr that are kept, to say why it did not start.
STDERR_KEPT = 4_000
#: The length of a Unix socket's path is at most 107 bytes; ``/kernel-<16>-ipc-5`` takes 30 of them.
LONGEST_RUNTIME_DIR = 75


class KernelProcess(Protocol):
    """A started kernel as its owner sees it."""

    @property
    def info(self) -> ConnectionInfo:
        """Where it listens."""

    @property
    def connection_file(self) -> str:
        """The path of its Jupyter connection file."""

    @property
    def interrupts_by_message(self) -> bool:
        """Whether it wants an ``interrupt_request`` in place of SIGINT."""

    @property
    def is_hosted(self) -> bool:
        """Whether the kernel host has made it: it runs already, and can be handed out later."""

    @property
    def stderr_tail(self) -> str:
        """The last of what the process itself wrote to stderr."""

    async def wait(self) -> Death:
        """Return when the process has ended, however it did."""

    async def interrupt(self) -> None:
        """Send SIGINT to the kernel and its children."""

    async def kill(self) -> None:
        """End the process and its children now, and return when it is gone."""

    async def release(self) -> None:
        """Remove its files and sockets, once it has ended."""


class Launcher(Protocol):
    """Whatever can start a kernel process."""

    async def launch(self) -> KernelProcess:
        """Start one; raises :class:`KernelStartFailed`."""


class Certificate(Protocol):
    """How a process ended, as its provisioner tells it."""

    exit_code: int | None
    signal: int | None
    peak_memory: int | None
    stderr: str


@runtime_checkable
class CertifyingProvisioner(Protocol):
    """A provisioner that knows more of a death than a return code."""

    #: Whether what it has started runs, and is the kernel host's own.
    forked: bool

    async def ended(self) -> Certificate:
        """Return when the process has ended."""


#: The ``kernel_provisioner`` of a kernelspec that names none; None for jupyter_client's default.
ProvisionerChoice = Callable[[], Awaitable[dict[str, Any] | None]]


async def default_provisioner() -> dict[str, Any] | None:
    """Leave the choice to jupyter_client."""
    return None


@dataclass(frozen=True, slots=True)
class ProvisionedLauncher:
    """Starts kernels of one kernelspec by the provisioner that it names, or by the one chosen."""

    kernelspec: str
    runtime_dir: Path
    working_dir: Path
    environment: Mapping[str, str] = field(repr=False)
    context: zmq.asyncio.Context = field(repr=False)
    choose_provisioner: ProvisionerChoice = default_provisioner

    async def launch(self) -> KernelProcess:
        """Start one process; it is not yet known to answer."""
        manager = AsyncKernelManager(
            kernel_name=self.kernelspec,
            transport="ipc",
            connection_file=str(self.runtime_dir / f"kernel-{secrets.token_hex(8)}.json"),
            context=self.context,
        )
        chosen = await self.choose_provisioner()
        stderr = StderrReader()
        try:
            if chosen is not None and manager.kernel_spec is not None:
                manager.kernel_spec.metadata.setdefault("kernel_provisioner", chosen)
            await self._start(manager, stderr)
        except (NoSuchKernel, OSError, RuntimeError, ValueError) as error:
            stderr.close()
            await manager.cleanup_resources()
            raise KernelStartFailed(f"The kernel could not be started: {error}") from error
        except asyncio.CancelledError:  # at the limit of a start
            stderr.close()
            if manager.has_kernel:
                await manager.shutdown_kernel(now=True)
            await manager.cleanup_resources()
            raise
        finally:
            stderr.close_write_end()
        return ProvisionedProcess(manager, stderr)

    async def _start(self, manager: AsyncKernelManager, stderr: StderrReader) -> None:
        """``start_kernel`` without its pause of 10 ms and its socket for shutting down politely."""
        command, options = await manager.pre_start_kernel(
            env=dict(self.environment),
            cwd=str(self.working_dir),
            stdout=subprocess.DEVNULL,
            stderr=stderr.write_end,
            extra_arguments=self._arguments(manager),
        )
        provisioner = manager.provisioner
        if provisioner is None:  # pragma: no cover - made by pre_start_kernel
            raise RuntimeError("The kernel has no provisioner.")
        await provisioner.launch_kernel(command, **options)
        await provisioner.post_launch(**options)

    @staticmethod
    def _arguments(manager: AsyncKernelManager) -> list[str]:
        argv = manager.kernel_spec.argv if manager.kernel_spec else []
        # The history that counts is the database's; IPython's own costs 0.7 ms a cell.
        is_ipykernel = any("ipykernel" in argument for argument in argv)
        return ["--HistoryManager.enabled=False"] if is_ipykernel else []


class ProvisionedProcess:
    """A kernel process behind a ``jupyter_client`` provisioner."""

    def __init__(self, manager: AsyncKernelManager, stderr: StderrReader) -> None:
        self._manager = manager
        self._stderr = stderr
        self._last_words = ""
        self.info = ConnectionInfo.from_mapping(manager.get_connection_info())
        self.connection_file = str(manager.connection_file)
        if isinstance(manager.provisioner, CertifyingProvisioner):
            stderr.close()  # It keeps the last words itself.
        spec = manager.kernel_spec
        self.interrupts_by_message = spec is not None and spec.interrupt_mode == "message"

    @property
    def is_hosted(self) -> bool:
        """Whether it is a fork of the kernel host."""
        provisioner = self._provisioner
        return isinstance(provisioner, CertifyingProvisioner) and provisioner.forked

    @property
    def stderr_tail(self) -> str:
        """The last of what the process itself wrote to stderr."""
        return self._last_words or self._stderr.text()

    @property
    def _provisioner(self) -> KernelProvisionerBase:
        provisioner = self._manager.provisioner
        if provisioner is None:  # pragma: no cover - set by the start
            raise KernelStartFailed("The kernel has no provisioner.")
        return provisioner

    async def wait(self) -> Death:
        """Return when the process has ended: at once where that can be seen, or by polling."""
        provisioner = self._provisioner
        if isinstance(provisioner, CertifyingProvisioner):
            told = await provisioner.ended()
            self._last_words = told.stderr
            return Death(told.exit_code, told.signal, told.peak_memory, told.stderr)
        pid = getattr(provisioner, "pid", None)
        if isinstance(pid, int) and hasattr(os, "pidfd_open"):
            await _wait_for_exit(pid)
        while (code := await provisioner.poll()) is None:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(POLL_INTERVAL)
        return Death.from_return_code(code)

    async def interrupt(self) -> None:
        """Send SIGINT to the kernel and its children."""
        await self._provisioner.send_signal(signal.SIGINT)

    async def kill(self) -> None:
        """End the process group now."""
        await self._provisioner.kill()
        async with asyncio.timeout(KILL_LIMIT):
            await self.wait()

    async def release(self) -> None:
        """Remove the connection file, the sockets and the pipe."""
        self._stderr.close()
        await self._manager.cleanup_resources()


async def _wait_for_exit(pid: int) -> None:
    """Return when that child has exited; it is not reaped here."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    exited = asyncio.Event()
    loop.add_reader(descriptor, exited.set)
    try:
        await exited.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class StderrReader:
    """Keeps the last of what a process writes to stderr, and takes the rest off its hands."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._tail = Tail(STDERR_KEPT)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_end, self._read)
        self._open = True

    def text(self) -> str:
        """What is kept."""
        self._read()
        return self._tail.text().strip()

    def close_write_end(self) -> None:
        """Leave the writing end to the child alone."""
        os.close(self.write_end)

    def close(self) -> None:
        """Stop reading."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)

    def _read(self) -> None:
        if not self._open:
            return
        try:
            chunk = os.read(self._read_end, 64 * 1024)
        except BlockingIOError:
            return
        if chunk:
            self._tail.append(chunk.decode("utf-8", "replace"))
        else:
            self._loop.remove_reader(self._read_end)
