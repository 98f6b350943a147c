"""A kernel that puts out 10 MB a second, and what another session and the server's memory feel."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import psutil

from benchmarks.measure import Figures, Series, figures
from benchmarks.peers.http_session import sessions
from benchmarks.peers.session import Answer, Session
from benchmarks.warm import one_plus_one
from benchmarks.workload import Options
from tests.server import running_server

SECONDS = 20.0
QUIET_CALLS = 300
BYTES_A_SECOND = 10_000_000
FLOOD = f"""
import time
chunk = "x" * 99_999 + chr(10)
begun, sent = time.time(), 0
while (elapsed := time.time() - begun) < {{seconds}}:
    while sent < elapsed * {BYTES_A_SECOND}:
        print(chunk, end="")
        sent += len(chunk)
    time.sleep(0.005)
sent
"""
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Flood:
    """What a flood does to others; memory in MiB."""

    title: ClassVar[str] = "A flood in another session"
    quiet: Figures
    flooded: Figures
    bytes_a_second: float
    memory_before: float
    memory_most: float

    def summary(self) -> dict[str, str]:
        """Ours runs alone."""
        return {}

    def lines(self) -> list[str]:
        """A sentence."""
        return [
            f"{self.bytes_a_second / 1e6:.1f} MB a second in one session: another's `1+1` "
            f"p50 {self.quiet.p50:.1f} -> {self.flooded.p50:.1f} ms, "
            f"p95 {self.quiet.p95:.1f} -> {self.flooded.p95:.1f} ms "
            f"({self.flooded.p95 / self.quiet.p95:.2f} times); the server's memory "
            f"{self.memory_before:.0f} -> at most {self.memory_most:.0f} MiB.",
        ]

    def panel(self) -> None:
        """Nothing to compare."""


def measure(options: Options) -> Flood:
    """Calls to a session without a flood in another, and then with it."""
    seconds = options.seconds or SECONDS
    with running_server() as server:
        process, opened = psutil.Process(server.process.pid), sessions(server.port)
        with opened("quiet") as quiet, opened("flood") as flood, ThreadPoolExecutor(1) as pool:
            one_plus_one(flood)
            one_plus_one(quiet)
            before = Series("quiet")
            for _ in range(QUIET_CALLS):
                before.call(partial(one_plus_one, quiet))
            memory = process.memory_info().rss
            flooding = pool.submit(flood.execute, FLOOD.format(seconds=seconds))
            during, most = _calls_during(flooding, quiet, process)
    return Flood(
        quiet=figures([before]),
        flooded=figures([during]),
        bytes_a_second=int(flooding.result().value or 0) / seconds,
        memory_before=memory / MIB,
        memory_most=max(memory, most) / MIB,
    )


def _calls_during(
    flooding: Future[Answer], quiet: Session, process: psutil.Process
) -> tuple[Series, int]:
    """The calls, and the most bytes of memory that the server had meanwhile."""
    series, most = Series("flooded"), 0
    while not flooding.done():
        series.call(partial(one_plus_one, quiet))
        most = max(most, process.memory_info().rss)
    return series, most
