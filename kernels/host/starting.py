"""Find the kernel host at a socket, and start one where there is none."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kernels.host.client import HostClient, HostUnavailable

log = logging.getLogger(__name__)

#: Seconds for a host to have built a kernel and preloaded, and between two looks whether it has.
START_LIMIT = 120.0
LOOK_AGAIN_AFTER = 0.02
#: Seconds after which a start that goes on is worth a word.
SLOW = 2.0
#: Seconds for whoever has started a host to take a lease on it.
FIRST_LEASE = 60.0
#: Seconds for a host that was told to stop to be gone.
STOP_LIMIT = 10.0
#: Of a host that did not start: characters of the line that says why.
LAST_WORDS = 200
#: Exit code of a host that found another one at its socket.
ALREADY_SERVED = 3


def missing() -> str | None:
    """Why there can be no kernel host on this system; None when there can."""
    if not sys.platform.startswith("linux"):
        return f"the kernel host needs Linux, and this is {sys.platform}"
    if not hasattr(os, "fork") or not hasattr(os, "pidfd_open"):
        return "the kernel host needs fork and pidfd_open, which this Python does not have"
    return None


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What a host is started with."""

    socket: Path
    preload: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    #: Seconds for which it and its kernels outlive the connection of a server.
    grace: float

    @property
    def command(self) -> list[str]:
        """The command line."""
        preload = ",".join(self.preload)
        options = ["--socket", str(self.socket), "--preload", preload]
        return [sys.executable, "-m", "kernels.host", *options, "--grace", f"{FIRST_LEASE:g}"]


class HostProcess:
    """A host that this process has started; it lives in a session of its own, and may outlive it."""

    def __init__(self, options: HostOptions) -> None:
        options.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = options.socket.with_suffix(".log")
        with self._log.open("a") as output:
            self._process = subprocess.Popen(
                options.command,
                env=dict(options.environment),
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """None while it lives."""
        return self._process.poll()

    def last_words(self) -> str:
        """The last line that it has logged."""
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:LAST_WORDS] if lines else ""

    async def end(self) -> None:
        """Have it end its kernels and itself, and return when it is gone."""
        try:
            async with asyncio.timeout(STOP_LIMIT):
                if self.exit_code is None:
                    self._process.terminate()
                while self.exit_code is None:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(LOOK_AGAIN_AFTER)
        except TimeoutError:
            log.error("the kernel host did not stop, and is killed")
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


async def find(socket: Path) -> HostClient | None:
    """A connection to the host at a socket; None when nobody answers there."""
    try:
        return await HostClient.connect(socket)
    except (OSError, TimeoutError):
        return None


async def wait_for(process: HostProcess, socket: Path) -> HostClient:
    """A connection to a host that was just started; raises :class:`HostUnavailable`."""
    try:
        async with asyncio.timeout(START_LIMIT):
            return await _wait_for(process, socket)
    except TimeoutError:
        raise HostUnavailable(f"the kernel host was not ready within {START_LIMIT:g} s") from None


async def _wait_for(process: HostProcess, socket: Path) -> HostClient:
    loop = asyncio.get_running_loop()
    word_at = loop.time() + SLOW
    while True:
        client = await find(socket)
        if client is not None:
            return client
        if process.exit_code not in (None, ALREADY_SERVED):
            raise HostUnavailable(f"the kernel host did not start: {process.last_words()}")
        if loop.time() > word_at:
            log.info("the kernel host is still preloading")
            word_at = loop.time() + SLOW
        await asyncio.sleep(LOOK_AGAIN_AFTER)
