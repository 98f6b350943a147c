"""Eight sessions that call at one time, each as fast as it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.measure import Caller, Figures, timed
from benchmarks.peers import original, ours

SESSIONS = 8
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Calls a second of all sessions together, and how long one took."""

    per_second: float
    figures: Figures


def measure(seconds: float = SECONDS) -> dict[str, Throughput]:
    """One server after the other: together they would share the cores."""
    measured = {}
    for peer in (ours, original):
        with peer.serving() as port:
            measured[peer.NAME] = _load(lambda port=port: Caller(port), seconds)  # type: ignore[misc]
    return measured


def _load(connect: Callable[[], Caller], seconds: float) -> Throughput:
    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(lambda n: connect().execute(f"s{n}", "1"), range(SESSIONS)))
        begun = time.perf_counter()
        series = list(pool.map(lambda n: _call_until(connect(), f"s{n}", seconds), range(SESSIONS)))
        took = time.perf_counter() - begun
    calls = [call for one in series for call in one]
    return Throughput(len(calls) / took, Figures.of(calls))


def _call_until(caller: Caller, session: str, seconds: float) -> list[float]:
    end = time.perf_counter() + seconds
    took = []
    while time.perf_counter() < end:
        took.append(timed(lambda: caller.execute(session, "1+1")))
    return took
