"""Warm ``1+1``: by HTTP here, by HTTP in the original, by a raw client on an equal kernel."""

from __future__ import annotations

import contextlib

from benchmarks.measure import Figures, in_turns
from benchmarks.peers import original, ours, raw_client

ROUNDS = 300
WARM_UP = 30


def measure(rounds: int = ROUNDS) -> dict[str, Figures]:
    """Calls in turns, each to a session that is warm."""
    with contextlib.ExitStack() as stack:
        own = ours.caller(stack.enter_context(ours.serving()))
        theirs = original.caller(stack.enter_context(original.serving()))
        client = stack.enter_context(raw_client.kernel())
        contestants = {
            ours.NAME: lambda: own.execute("warm", "1+1"),
            raw_client.NAME: lambda: raw_client.execute(client, "1+1"),
            original.NAME: lambda: theirs.execute("warm", "1+1"),
        }
        return in_turns(contestants, rounds, WARM_UP)
