"""Eight sessions that call at one time, each as fast as it is answered."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from benchmarks.measure import Figures, Series, figures
from benchmarks.peers import ours
from benchmarks.peers.field import CONTESTANTS, WITH_QUICK_ACK
from benchmarks.peers.session import Open, Session
from benchmarks.warm import one_plus_one
from benchmarks.workload import Options, Panel, failures

SESSIONS = 8
SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Calls a second of all sessions together, and how long one took."""

    per_second: float
    figures: Figures


@dataclass(frozen=True, slots=True)
class AtOnce:
    """What each contestant did in the time."""

    title: ClassVar[str] = "Eight sessions at once"
    throughput: dict[str, Throughput]

    def summary(self) -> dict[str, str]:
        """Calls a second, and failures where there are any."""
        return {
            name: f"{one.per_second:.0f}/s" + failures(one.figures)
            for name, one in self.throughput.items()
        }

    def lines(self) -> list[str]:
        """All figures; the ratio is that of calls a second to this project's."""
        base = self.throughput[ours.NAME].per_second
        lines = ["| | calls/s | p50 ms | p95 ms | failed | ratio |", "|---|--:|--:|--:|--:|--:|"]
        lines += [
            f"| {name} | {one.per_second:.0f} | {one.figures.p50:.1f} | {one.figures.p95:.1f} "
            f"| {one.figures.failed} | {one.per_second / base:.2f} |"
            for name, one in self.throughput.items()
        ]
        return lines

    def panel(self) -> Panel:
        """Calls a second."""
        values = {name: one.per_second for name, one in self.throughput.items()}
        return Panel("eight sessions at once, calls/s", values)


def measure(options: Options) -> AtOnce:
    """One server after the other: together they would share the cores."""
    throughput = {}
    for name, serving in (CONTESTANTS | WITH_QUICK_ACK).items():
        with serving() as opened:
            throughput[name] = _load(name, opened, options.seconds or SECONDS)
    return AtOnce(throughput)


def _load(name: str, opened: Open, seconds: float) -> Throughput:
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(opened(f"s{number}")) for number in range(SESSIONS)]
        for session in sessions:
            Series(name).call(partial(one_plus_one, session))  # Starts its kernel.
        series = [Series(name) for _ in sessions]
        end = time.perf_counter() + seconds
        with ThreadPoolExecutor(SESSIONS) as pool:
            in_time = sum(pool.map(partial(_call_until, end), sessions, series))
    return Throughput(in_time / seconds, figures(series))


def _call_until(end: float, session: Session, series: Series) -> int:
    """Call until then; returns how many calls were answered by then."""
    in_time = 0
    while time.perf_counter() < end:
        answered = series.call(partial(one_plus_one, session))
        in_time += answered and time.perf_counter() <= end
    return in_time
