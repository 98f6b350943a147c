"""From a session that does not exist to its first answer."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from benchmarks.measure import Figures, in_turns
from benchmarks.peers import ours
from benchmarks.peers.field import CONTESTANTS
from benchmarks.peers.session import Serving
from benchmarks.warm import one_plus_one
from benchmarks.workload import Options, Panel, latency_lines, latency_summary, medians

ROUNDS = 12
#: Seconds before each turn: a server with spares makes the next one meanwhile.
PAUSE = 0.5
WITHOUT_SPARES = f"{ours.NAME}, KERNELBOX_SPARES=0"


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """Times from nothing to an answer."""

    title: ClassVar[str] = "A new session to its first answer"
    figures: dict[str, Figures]

    def summary(self) -> dict[str, str]:
        """Each contestant's times."""
        return latency_summary(self.figures)

    def lines(self) -> list[str]:
        """All times."""
        return latency_lines(self.figures)

    def panel(self) -> Panel:
        """The medians."""
        return Panel("new session to first answer, p50 ms", medians(self.figures))


def measure(options: Options) -> FirstAnswer:
    """New sessions in turns; they stay open until the end."""
    without_spares = partial(ours.serving, {"KERNELBOX_SPARES": "0"})
    servings: dict[str, Serving] = {
        ours.NAME: ours.serving,
        WITHOUT_SPARES: without_spares,
        **CONTESTANTS,
    }
    with contextlib.ExitStack() as stack:
        starts = {name: _start(stack, serving) for name, serving in servings.items()}
        figures = in_turns(starts, options.rounds or ROUNDS, warm_up=1, pause=PAUSE)
        return FirstAnswer(figures)


def _start(stack: contextlib.ExitStack, serving: Serving) -> Callable[[], None]:
    opened = stack.enter_context(serving())
    names = (f"new-{number}" for number in itertools.count())
    return lambda: one_plus_one(stack.enter_context(opened(next(names))))
