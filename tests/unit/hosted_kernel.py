"""Scripted kernels that are the kernel host's own: they welcome subscribers, and can be settled."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import zmq.asyncio

from kernels.runtime.incarnation import Incarnation, KernelOptions
from kernels.runtime.types import Channel
from tests.scripted_cell import DEFAULT_SCRIPTS, Script
from tests.scripted_kernel import ScriptedKernel, Start
from tests.unit.harness import Bench

#: What a kernel does when it is settled; what it returns is the answer's content.
Settling = Callable[["HostedScriptedKernel"], Awaitable[dict[str, Any]]]


async def settles(kernel: HostedScriptedKernel) -> dict[str, Any]:
    """Answer that all is well."""
    return {"status": "ok"}


async def refuses(kernel: HostedScriptedKernel) -> dict[str, Any]:
    """Answer that it cannot be."""
    return {"status": "error", "ename": "OSError", "evalue": "no such folder"}


async def dies(kernel: HostedScriptedKernel) -> dict[str, Any]:
    """Die, having said why."""
    kernel.stderr_tail = "Out of memory."
    kernel.die(9)
    return await is_mute(kernel)


async def is_mute(kernel: HostedScriptedKernel) -> dict[str, Any]:
    """Never answer."""
    await asyncio.Event().wait()
    return {}


class HostedScriptedKernel(ScriptedKernel):
    """A scripted kernel as if the host had made it."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        scripts: Mapping[str, Script],
        settling: Settling,
        *,
        welcomes: bool,
    ) -> None:
        """``welcomes``: whether it tells subscribers that they have subscribed."""
        #: What it was settled in, in order.
        self.workplaces: list[dict[str, Any]] = []
        #: The types of all requests that it was sent, in order.
        self.asked: list[str] = []
        self._settling = settling
        self._welcomes = welcomes
        super().__init__(context, scripts, Start())
        self.is_hosted = True

    async def _serve_iopub(self) -> None:
        while True:
            notice = await self._sockets[Channel.IOPUB].recv()
            if notice.startswith(b"\x01"):
                self._listened_to.set()
                if self._welcomes:
                    await self.publish("iopub_welcome", {"subscription": ""})

    async def _receive(self, channel: Channel) -> tuple[list[bytes], dict[str, Any]]:
        while True:
            identities, request = await super()._receive(channel)
            self.asked.append(request["msg_type"])
            if request["msg_type"] != "settle_request":
                return identities, request
            self.workplaces.append(request["content"])
            await self._answer(channel, identities, request, await self._settling(self))


class HostedLauncher:
    """Launches such kernels."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        #: How the coming ones are settled, the next one first; then all is well.
        self.settlings: list[Settling] = []
        #: Every kernel that was started, the newest last.
        self.kernels: list[HostedScriptedKernel] = []
        self.welcomes = True

    async def launch(self) -> HostedScriptedKernel:
        """Start one."""
        scripts = ChainMap(self._bench.scripts, DEFAULT_SCRIPTS)
        settling = self.settlings.pop(0) if self.settlings else settles
        context = self._bench.context
        kernel = HostedScriptedKernel(context, scripts, settling, welcomes=self.welcomes)
        self.kernels.append(kernel)
        return kernel

    async def start(self, **options: Any) -> Incarnation:
        """One that is ready."""
        return await Incarnation.start(self, self._bench.context, KernelOptions(**options))

    async def close(self) -> None:
        """End and remove whatever still lives."""
        for kernel in self.kernels:
            await kernel.kill()
            await kernel.release()
