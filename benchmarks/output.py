"""A megabyte of output: the time until all of it is with the client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from benchmarks.measure import Figures, in_turns
from benchmarks.peers import original, ours
from benchmarks.peers.field import CONTESTANTS, WITH_QUICK_ACK
from benchmarks.peers.session import Serving, Session
from benchmarks.workload import Options, Panel, latency_lines, latency_summary, medians

ROUNDS = 20
WARM_UP = 2
CHARACTERS = 1_000_000
CODE = f"print('x' * {CHARACTERS:_})"
#: Both KernelBoxes know it, and keep 10,000 characters by default.
UNLIMITED = {"KERNELBOX_OUTPUT_CHAR_LIMIT": str(2 * CHARACTERS)}


@dataclass(frozen=True, slots=True)
class Output:
    """Times, and the fewest characters that any one answer had."""

    title: ClassVar[str] = "1 MB of output"
    figures: dict[str, Figures]
    returned: dict[str, int]

    def summary(self) -> dict[str, str]:
        """Each contestant's times."""
        return latency_summary(self.figures)

    def lines(self) -> list[str]:
        """All times, and who did not return everything."""
        notes = {
            name: "all of it" if count > CHARACTERS else f"truncated: {count:,} characters"
            for name, count in self.returned.items()
        }
        return latency_lines(self.figures, notes)

    def panel(self) -> Panel:
        """The medians."""
        return Panel("1 MB of output, p50 ms", medians(self.figures))


def measure(options: Options) -> Output:
    """Calls in turns, each to a server of its own whose limits are out of the way."""
    servings = CONTESTANTS | WITH_QUICK_ACK
    servings |= {peer.NAME: partial(peer.serving, UNLIMITED) for peer in (ours, original)}
    returned = dict.fromkeys(servings, CHARACTERS + 1)  # With the line's end.
    with contextlib.ExitStack() as stack:
        calls = {name: _call(stack, name, one, returned) for name, one in servings.items()}
        return Output(in_turns(calls, options.rounds or ROUNDS, WARM_UP), returned)


def _call(
    stack: contextlib.ExitStack, name: str, serving: Serving, returned: dict[str, int]
) -> Callable[[], None]:
    opened = stack.enter_context(serving())
    session: Session = stack.enter_context(opened("output"))

    def call() -> None:
        returned[name] = min(returned[name], len(session.execute(CODE).output))

    return call
