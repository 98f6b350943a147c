"""What all workloads need: a clock, turns, and figures of a series."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.session import FAILURES


@dataclass(frozen=True, slots=True)
class Figures:
    """A series of calls: the times of those that were answered, in milliseconds."""

    count: int
    p50: float
    p95: float
    failed: int = 0

    @classmethod
    def of(cls, seconds: Sequence[float], failed: int = 0) -> Figures:
        """The figures of a series of seconds; not-a-number if nothing was answered."""
        if not seconds:
            return cls(0, math.nan, math.nan, failed)
        p50 = p95 = statistics.median(seconds)
        if len(seconds) > 1:
            # Inclusive: of a dozen, the other method gives more than the slowest took.
            p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
        return cls(len(seconds), p50 * 1e3, p95 * 1e3, failed)


class Series:
    """Calls of one contestant. One that fails is told, counted, and has no time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.seconds: list[float] = []
        self.failed = 0

    def call(self, work: Callable[[], Any]) -> bool:
        """Time one; returns whether it was answered."""
        try:
            self.seconds.append(timed(work))
        except FAILURES as error:
            self.failed += 1
            print(f"{self._name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return False
        return True


def figures(series: Sequence[Series]) -> Figures:
    """The figures of several series together."""
    seconds = [took for one in series for took in one.seconds]
    return Figures.of(seconds, sum(one.failed for one in series))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turns(
    contestants: Mapping[str, Callable[[], Any]],
    rounds: int,
    warm_up: int = 0,
    pause: float = 0.0,
    in_a_row: int = 1,
) -> dict[str, Figures]:
    """Time each contestant in every round: what disturbs the machine disturbs them alike.

    ``pause`` seconds before each turn, for what a server still does after an answer; ``in_a_row``
    calls a turn: a program that calls, and calls again, finds caches as it left them.
    """
    for _ in range(warm_up):
        _round(contestants, {name: Series(name) for name in contestants}, pause, in_a_row)
    series = {name: Series(name) for name in contestants}
    for _ in range(rounds):
        _round(contestants, series, pause, in_a_row)
    return {name: figures([one]) for name, one in series.items()}


def _round(
    contestants: Mapping[str, Callable[[], Any]],
    series: Mapping[str, Series],
    pause: float,
    in_a_row: int,
) -> None:
    for name, work in contestants.items():
        time.sleep(pause)
        for _ in range(in_a_row):
            series[name].call(work)
