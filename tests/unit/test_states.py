"""The steps of a kernel's life: which are legal, and what is said of the others."""

from __future__ import annotations

import itertools

import pytest

from kernels.runtime.errors import IllegalStep
from kernels.runtime.states import (
    ALIVE_STATES,
    LEGAL_STEPS,
    NAMED_STATES,
    KernelState,
    check_step,
)

S = KernelState

LEGAL = {
    (S.STARTING, S.RUNNING),
    (S.STARTING, S.DEAD),
    (S.STARTING, S.DESTROYED),
    (S.RUNNING, S.RESTARTING),
    (S.RUNNING, S.DEAD),
    (S.RUNNING, S.DESTROYED),
    (S.RESTARTING, S.RUNNING),
    (S.RESTARTING, S.DEAD),
    (S.RESTARTING, S.DESTROYED),
    (S.DEAD, S.RESTARTING),
    (S.DEAD, S.DESTROYED),
}
ILLEGAL = sorted(set(itertools.product(S, S)) - LEGAL)


@pytest.mark.parametrize(("current", "wanted"), ILLEGAL)
def test_an_illegal_step_is_refused_and_names_both_states(
    current: KernelState, wanted: KernelState
) -> None:
    with pytest.raises(IllegalStep) as refusal:
        check_step(current, wanted)
    assert str(refusal.value) == f"A kernel that is {current.value} cannot become {wanted.value}."


def test_the_table_holds_the_legal_steps_and_no_others() -> None:
    table = {(current, wanted) for current, steps in LEGAL_STEPS.items() for wanted in steps}
    assert table == LEGAL


@pytest.mark.parametrize(("current", "wanted"), sorted(LEGAL))
def test_a_legal_step_is_let_through(current: KernelState, wanted: KernelState) -> None:
    check_step(current, wanted)


def test_every_state_has_a_row_and_nothing_leads_out_of_the_end() -> None:
    assert set(LEGAL_STEPS) == set(S)
    assert not LEGAL_STEPS[S.DESTROYED]


def test_only_a_destroyed_kernel_gives_up_its_name() -> None:
    assert set(S) - NAMED_STATES == {S.DESTROYED}


def test_a_kernel_without_a_process_is_not_alive() -> None:
    assert set(S) - ALIVE_STATES == {S.DEAD, S.DESTROYED}
