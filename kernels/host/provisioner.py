"""The kernel host as ``jupyter_client`` sees it: a provisioner, by the name ``kernelbox-host``.

https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Dict, Unicode

from kernels.host import client as clients
from kernels.host.client import HostClient, HostRefused, HostUnavailable
from kernels.host.protocol import Certificate, StartOrder
from kernels.host.workplace import Workplace

NAME = "kernelbox-host"
#: How the command line of a kernel begins that the host has already built.
FORKABLE = ("-m", "ipykernel_launcher", "-f")

#: Options that the kernel which the host has built was given too.
BUILT_IN = frozenset(["--HistoryManager.enabled=False"])


class HostProvisioner(LocalProvisioner):
    """Has the kernel host start, signal and end a kernel.

    Its configuration is the host's socket; the process must be connected to that host.
    """

    host_socket = Unicode(config=True, help="Path of the kernel host's Unix socket.")
    limits = Dict(config=True, help="Limits of the kernel's process, by rlimit's name.")

    #: Whether it is a fork of the host, which runs by the time that it is launched.
    forked = False
    #: Its process, and its name at the host; with the start time, who that is.
    pid: int | None = None  # type: ignore[assignment]
    pgid: int | None = None  # type: ignore[assignment]
    cwd: str | None = None  # type: ignore[assignment]
    _kernel = ""
    _started = 0

    @property
    def has_process(self) -> bool:
        """Whether a kernel was started, or found again."""
        return self.pid is not None

    @property
    def _client(self) -> HostClient:
        client = clients.connected(Path(self.host_socket))
        if client is None:
            raise RuntimeError("There is no connection to the kernel host.")
        return client

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel; raises RuntimeError with the host's reason."""
        self.cwd = kwargs.get("cwd") or str(Path.cwd())
        self.forked = is_forkable(cmd)
        workplace = Workplace(kwargs["env"], str(self.cwd), self.limits)
        self._kernel = str(self.kernel_id)
        order = StartOrder(
            kernel=self._kernel,
            argv=tuple(cmd),
            fork=self.forked,
            connection_file=self._connection_file(),
            workplace=workplace,
        )
        try:
            started = await self._client.start(order)
        except (HostRefused, HostUnavailable) as error:
            raise RuntimeError(str(error)) from error
        self.pid, self._started = started.pid, started.started
        self.pgid = self.pid
        return self.connection_info

    async def poll(self) -> int | None:
        """None while it lives; then its exit code, or the number of a signal, negative."""
        certificate = self._certificate()
        return None if certificate is None else _return_code(certificate)

    async def wait(self) -> int | None:
        """Return when it has died, with what :meth:`poll` then says."""
        return _return_code(await self.ended())

    async def ended(self) -> Certificate:
        """Return when it has died, with all that the host knows of it."""
        death = self._client_death()
        # Whoever waits may be cancelled; the kernel's death is not.
        return Certificate(self.pid or 0) if death is None else await asyncio.shield(death)

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel's process group; nothing when it is gone."""
        if self._certificate() is None:
            await self._client.signal(self._kernel, signum)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel now; what it has started goes with it."""
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """Ask the kernel to end."""
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """Forget the kernel."""
        client = clients.connected(Path(self.host_socket))
        if client is not None:
            client.forget(self._kernel)
        await super().cleanup(restart)

    async def get_provisioner_info(self) -> dict[str, Any]:
        """All that another process needs to find the kernel again."""
        info = await super().get_provisioner_info()
        mine = {
            "forked": self.forked,
            "host_socket": self.host_socket,
            "started": self._started,
            "kernel": self._kernel,
        }
        return info | mine

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        """Find the kernel again; if it is another process by now, or none, it counts as dead."""
        await super().load_provisioner_info(provisioner_info)
        self.host_socket = provisioner_info["host_socket"]
        self.forked = provisioner_info["forked"]
        self._kernel = provisioner_info["kernel"]
        self._started = provisioner_info["started"]
        living = (await self._client.kernels()).get(self._kernel)
        if living is None or (living.pid, living.started) != (self.pid, self._started):
            self._kernel = ""

    def _connection_file(self) -> str:
        if self.parent is None:
            raise RuntimeError("A kernel of the host needs a kernel manager.")
        return str(self.parent.connection_file)

    def _client_death(self) -> asyncio.Future[Certificate] | None:
        client = clients.connected(Path(self.host_socket))
        return None if client is None else client.death_of(self._kernel)

    def _certificate(self) -> Certificate | None:
        """How it died; None while it lives."""
        death = self._client_death()
        if death is None:
            return Certificate(self.pid or 0)
        return death.result() if death.done() else None


def is_forkable(command: list[str]) -> bool:
    """Whether a command is the kernel that the host has built: this Python's ipykernel, as it is."""
    python, *rest = command
    return (
        tuple(rest[: len(FORKABLE)]) == FORKABLE
        and set(rest[len(FORKABLE) + 1 :]) <= BUILT_IN
        and os.path.normpath(python) == os.path.normpath(sys.executable)
    )


def provisioner_config(socket: Path, limits: Mapping[str, int]) -> dict[str, Any]:
    """What a kernelspec says that wants this provisioner."""
    config = {"host_socket": str(socket), "limits": dict(limits)}
    return {"provisioner_name": NAME, "config": config}


def _return_code(certificate: Certificate) -> int:
    if certificate.signal is not None:
        return -certificate.signal
    return certificate.exit_code if certificate.exit_code is not None else -9
