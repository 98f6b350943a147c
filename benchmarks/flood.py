"""A kernel that puts out 10 MB a second, and what another session and the server's memory feel."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import psutil

from benchmarks.measure import Caller, Figures, timed
from tests.server import running_server

SECONDS = 20
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


@dataclass(frozen=True, slots=True)
class FloodFigures:
    """What a flood does to others; memory in MiB."""

    quiet: Figures
    flooded: Figures
    bytes_a_second: float
    memory_before: float
    memory_most: float


def measure(seconds: int = SECONDS) -> FloodFigures:
    """Calls to a session for as long without a flood in another as with it."""
    with running_server() as server:
        process = psutil.Process(server.process.pid)
        caller = Caller(server.port)
        for session in ("quiet", "flood"):
            caller.execute(session, "1")
        quiet = [timed(lambda: caller.execute("quiet", "1+1")) for _ in range(300)]
        before = most = process.memory_info().rss
        result: dict[str, object] = {}

        def flood() -> None:
            result.update(Caller(server.port).execute("flood", FLOOD.format(seconds=seconds)))

        flooding = threading.Thread(target=flood)
        flooding.start()
        flooded = []
        while flooding.is_alive():
            flooded.append(timed(lambda: caller.execute("quiet", "1+1")))
            most = max(most, process.memory_info().rss)
        flooding.join()
        sent = int(str(result["return_value"]))
    mib = 1024 * 1024
    return FloodFigures(
        Figures.of(quiet), Figures.of(flooded), sent / seconds, before / mib, most / mib
    )
