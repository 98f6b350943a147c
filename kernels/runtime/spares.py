"""Kernels that are started, warm and connected, and wait for their first session."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from kernels.runtime.incarnation import Incarnation

log = logging.getLogger(__name__)

#: Seconds between the hand-out of a spare and the start of the next: the session that took it makes
#: its first call then, and a start would slow it.
REFILL_PAUSE = 0.05
#: Seconds before another try after a start that failed, at first and at most.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


class Spares:
    """Keeps a number of processes ready; made one after the other, by one task."""

    def __init__(self, make: Callable[[], Awaitable[Incarnation]], wanted: int) -> None:
        """``make``: starts one, and returns when it has run a first cell."""
        self._make = make
        self._wanted = wanted
        self._ready: deque[Incarnation] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._ready)

    def open(self) -> None:
        """Begin to make them."""
        if self._wanted:
            self._filling = asyncio.create_task(self._keep_filled(), name="make spare kernels")

    async def close(self) -> None:
        """Make no more, and end those that wait."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        while self._ready:
            self._discard(self._ready.popleft())
        await asyncio.gather(*self._ending, return_exceptions=True)

    def take(self) -> Incarnation | None:
        """The oldest spare, which is the caller's from now on; None when there is none."""
        while self._ready:
            spare = self._ready.popleft()
            self._changed.set()
            if not spare.death.done():
                return spare
            self._discard(spare)
        return None

    async def _keep_filled(self) -> None:
        pause = FIRST_PAUSE
        while True:
            self._changed.clear()
            if len(self._ready) >= self._wanted:
                await self._changed.wait()
                await asyncio.sleep(REFILL_PAUSE)
                continue
            try:
                spare = await self._make()
            except Exception as error:  # noqa: BLE001 - a provisioner of somebody else's may raise any
                log.warning("no spare kernel could be made", extra={"why": str(error)})
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                self._ready.append(spare)
                spare.death.add_done_callback(functools.partial(self._on_death, spare))

    def _on_death(self, spare: Incarnation, _: object) -> None:
        """A spare that dies is never handed out; another one is made."""
        with contextlib.suppress(ValueError):  # It was handed out before.
            self._ready.remove(spare)
            log.warning("a spare kernel died")
            self._discard(spare)
            self._changed.set()

    def _discard(self, spare: Incarnation) -> None:
        ending = asyncio.create_task(spare.end(), name="end a spare kernel")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
