"""Warm ``1+1``: a call to a session that is open, and what nobody can be faster than."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from benchmarks.measure import Figures, in_turns
from benchmarks.peers import bare_asgi, ours, raw_zmq
from benchmarks.peers.field import CONTESTANTS, FLOORS, WITH_QUICK_ACK
from benchmarks.peers.session import CallFailed, Serving, Session
from benchmarks.workload import Options, Panel, latency_lines, latency_summary, medians

#: Calls are made in turns of so many, one after the other.
IN_A_ROW = 20
ROUNDS = 15
WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Warm:
    """Times of a call."""

    title: ClassVar[str] = "Warm `1+1`"
    figures: dict[str, Figures]

    @property
    def over_floor(self) -> float:
        """Milliseconds that our HTTP call takes beyond the kernel's own time."""
        return self.figures[ours.NAME].p50 - self.figures[raw_zmq.NAME].p50

    def summary(self) -> dict[str, str]:
        """Each contestant's times."""
        return latency_summary(self.figures)

    def lines(self) -> list[str]:
        """All times, and ours over the floor."""
        floors = {raw_zmq.NAME: "floor: no server", bare_asgi.NAME: "floor: no kernel"}
        return [
            *latency_lines(self.figures, floors),
            "",
            f"Our HTTP call takes {self.over_floor:.1f} ms longer than {raw_zmq.NAME}.",
        ]

    def panel(self) -> Panel:
        """The medians."""
        return Panel("warm 1+1, p50 ms", medians(self.figures))


def measure(options: Options) -> Warm:
    """Calls in turns of a few, each to a server and a session of its own."""
    servings = CONTESTANTS | WITH_QUICK_ACK | FLOORS
    with contextlib.ExitStack() as stack:
        calls = {name: _call(stack, serving) for name, serving in servings.items()}
        rounds = options.rounds or ROUNDS
        return Warm(in_turns(calls, rounds, WARM_UP, in_a_row=IN_A_ROW))


def _call(stack: contextlib.ExitStack, serving: Serving) -> Callable[[], None]:
    opened = stack.enter_context(serving())
    return partial(one_plus_one, stack.enter_context(opened("warm")))


def one_plus_one(session: Session) -> None:
    """One call, whose answer is looked at."""
    value = session.execute("1+1").value
    if value != "2":  # The original loses an output now and then.
        raise CallFailed(f"1+1 gave {value!r}")
