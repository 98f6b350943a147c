"""Where a live kernel gets its processes from: started when needed, or taken from the spares."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import zmq.asyncio

from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.incarnation import Incarnation, KernelOptions
from kernels.runtime.process import Launcher
from kernels.runtime.spares import Spares

log = logging.getLogger(__name__)


class Starter(Protocol):
    """Whatever can come up with a process that is ready to run code."""

    async def start(self) -> Incarnation:
        """One that belongs to the caller; raises :class:`KernelBoxError`."""


@dataclass(frozen=True, slots=True)
class FreshStarter:
    """Starts a process when one is asked for."""

    launcher: Launcher
    context: zmq.asyncio.Context = field(repr=False)
    options: KernelOptions

    async def start(self) -> Incarnation:
        """Launch one, and return when it is ready."""
        return await Incarnation.start(self.launcher, self.context, self.options)


@dataclass(frozen=True, slots=True)
class SpareStarter:
    """Hands out a spare, and starts a process when there is none."""

    spares: Spares
    fresh: Starter
    options: KernelOptions
    #: Environment, working folder and limits of the kernel.
    workplace: Mapping[str, Any] = field(repr=False)

    async def start(self) -> Incarnation:
        """A spare that is now the caller's; one that dies on the way is not told of."""
        while (spare := self.spares.take()) is not None:
            try:
                await spare.settle(self.workplace, self.options)
            except BaseException as error:
                died = spare.death.done()
                await spare.end()
                if not (died and isinstance(error, KernelStartFailed)):
                    raise
                log.warning("a spare died when it was handed out", extra={"why": str(error)})
            else:
                return spare
        return await self.fresh.start()
