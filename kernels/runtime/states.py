"""The states of a kernel, and the steps that are legal between them."""

from __future__ import annotations

from enum import StrEnum

from kernels.runtime.errors import IllegalStep


class KernelState(StrEnum):
    """Where a kernel is in its life; ``running`` covers idle and busy."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    DEAD = "dead"
    DESTROYED = "destroyed"


LEGAL_STEPS: dict[KernelState, frozenset[KernelState]] = {
    KernelState.STARTING: frozenset({KernelState.RUNNING, KernelState.DEAD, KernelState.DESTROYED}),
    KernelState.RUNNING: frozenset(
        {KernelState.RESTARTING, KernelState.DEAD, KernelState.DESTROYED}
    ),
    KernelState.RESTARTING: frozenset(
        {KernelState.RUNNING, KernelState.DEAD, KernelState.DESTROYED}
    ),
    # A dead kernel keeps its id and its name: the next call may bring it back without its state.
    KernelState.DEAD: frozenset({KernelState.RESTARTING, KernelState.DESTROYED}),
    KernelState.DESTROYED: frozenset(),
}

#: States in which a kernel still owns its name.
NAMED_STATES = frozenset(KernelState) - {KernelState.DESTROYED}
#: States in which a process exists, or is being made.
ALIVE_STATES = frozenset({KernelState.STARTING, KernelState.RUNNING, KernelState.RESTARTING})


def check_step(current: KernelState, wanted: KernelState) -> None:
    """Raise :class:`IllegalStep`, naming both states, unless the step is in the table."""
    if wanted not in LEGAL_STEPS[current]:
        raise IllegalStep(current, wanted)
