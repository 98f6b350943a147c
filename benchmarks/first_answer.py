"""From a session name that nobody has used to its first answer."""

from __future__ import annotations

import contextlib
import itertools

from benchmarks.measure import Figures, in_turns
from benchmarks.peers import original, ours

ROUNDS = 12


def measure(rounds: int = ROUNDS) -> dict[str, Figures]:
    """New sessions in turns."""
    with contextlib.ExitStack() as stack:
        own = ours.caller(stack.enter_context(ours.serving()))
        theirs = original.caller(stack.enter_context(original.serving()))
        names = (f"new-{number}" for number in itertools.count())
        contestants = {
            ours.NAME: lambda: own.execute(next(names), "1+1"),
            original.NAME: lambda: theirs.execute(next(names), "1+1"),
        }
        return in_turns(contestants, rounds, warm_up=1)
