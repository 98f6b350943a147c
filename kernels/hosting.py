"""How kernels come to life on this machine: by the kernel host, or one by one where it cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from importlib.metadata import entry_points
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory

from kernels.host import starting
from kernels.host.client import HostClient, HostRefused, HostUnavailable
from kernels.host.provisioner import NAME, provisioner_config
from kernels.host.starting import HostOptions, HostProcess

log = logging.getLogger(__name__)

#: Seconds before a host that could not be started is tried again.
TRY_AGAIN_AFTER = 30.0
FALLBACK = "local-provisioner"


class Hosting:
    """This server's connection to the kernel host, made when it is needed and made again when it
    is lost. :meth:`close` it.
    """

    def __init__(self, options: HostOptions) -> None:
        self._options = options
        self._client: HostClient | None = None
        self._process: HostProcess | None = None
        self._failed_because = _not_here()
        self._try_again_at = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._opening: asyncio.Task[Any] | None = None

    @property
    def description(self) -> str:
        """What starts the kernels, in a few words, and why not the host if it is not."""
        if self._client is not None and not self._client.gone.is_set():
            modules = ", ".join(self._client.greeting.preloaded) or "nothing"
            left_out = "".join(
                f"; {module} is left out: {why}"
                for module, why in self._client.greeting.left_out.items()
            )
            return f"kernel host: forks a kernel with {modules} preloaded{left_out}"
        if self._failed_because:
            return f"{FALLBACK}: {self._failed_because}"
        return "kernel host: starting"

    def open(self) -> None:
        """Begin to find or start the host; nobody has to wait for it yet."""
        self._opening = asyncio.create_task(self.choose_provisioner(), name="start the kernel host")

    async def choose_provisioner(self) -> dict[str, Any] | None:
        """The host's, once it answers; None where kernels have to be started without one."""
        async with self._one_at_a_time:
            if self._client is None or self._client.gone.is_set():
                await self._connect()
            return provisioner_config(self._options.socket, {}) if self._client else None

    async def close(self) -> None:
        """Give up the lease; a host that was started here ends, unless others hold one."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        ends = True
        if self._client is not None:
            with contextlib.suppress(HostUnavailable, HostRefused, TimeoutError):
                ends = await self._client.stop()
            await self._client.close()
        if self._process is not None and ends:
            await self._process.end()

    async def _connect(self) -> None:
        self._client = None
        if self._failed_because and time.monotonic() < self._try_again_at:
            return
        if (reason := _not_here()) is not None:
            self._give_up(reason)
            return
        try:
            self._client = await starting.find(self._options.socket)
            if self._client is None:
                if self._process is not None:  # It has ended without being told to.
                    await self._process.end()
                self._process = HostProcess(self._options)
                self._client = await starting.wait_for(self._process, self._options.socket)
            await self._client.lease(self._options.grace)
            await _end_kernels_of_an_earlier_server(self._client)
        except (HostUnavailable, HostRefused, OSError, TimeoutError) as error:
            self._client = None
            self._give_up(str(error) or type(error).__name__)
            return
        self._failed_because = None
        log.info(self.description, extra={"pid": self._client.greeting.pid})

    def _give_up(self, reason: str) -> None:
        log.warning("kernels are started without the kernel host", extra={"why": reason})
        self._failed_because = reason
        self._try_again_at = time.monotonic() + TRY_AGAIN_AFTER


def _not_here() -> str | None:
    """Why there can be no host; None when there can."""
    if (reason := starting.missing()) is not None:
        return reason
    if not entry_points(group=KernelProvisionerFactory.GROUP_NAME, name=NAME):
        return f"the provisioner {NAME} is not installed: pip install --no-deps -e ."
    return None


async def _end_kernels_of_an_earlier_server(client: HostClient) -> None:
    """Nobody knows them any more: their rows say that they are dead."""
    left = await client.kernels()
    if client.other_leases:  # They may belong to another server that lives.
        return
    for kernel in left:
        await client.signal(kernel, signal.SIGKILL)
        client.forget(kernel)
