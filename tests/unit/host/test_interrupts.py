"""SIGINT that is held back while something must not be torn."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from kernels.host.child.interrupts import InterruptGate


@pytest.fixture
def gate() -> Iterator[InterruptGate]:
    """A gate that handles SIGINT."""
    made = InterruptGate()
    before = signal.signal(signal.SIGINT, made.on_sigint)
    yield made
    signal.signal(signal.SIGINT, before)


def steps_of(work: Callable[[list[str]], None]) -> list[str]:
    """What is done until an interrupt comes; it ends with that one, and never this run of tests."""
    steps: list[str] = []
    try:
        work(steps)
    except KeyboardInterrupt:
        steps.append("interrupted")
    return steps


def interrupt() -> None:
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def test_outside_an_interrupt_is_raised_at_once(gate: InterruptGate) -> None:
    def work(steps: list[str]) -> None:
        with gate:
            steps.append("inside")
        interrupt()
        steps.append("after")

    assert steps_of(work) == ["inside", "interrupted"]


def test_inside_it_is_held_back_until_the_gate_opens(gate: InterruptGate) -> None:
    def work(steps: list[str]) -> None:
        with gate:
            interrupt()
            steps.append("inside")
        steps.append("after")

    assert steps_of(work) == ["inside", "interrupted"]


def test_it_is_held_back_until_the_outermost_gate_opens(gate: InterruptGate) -> None:
    def work(steps: list[str]) -> None:
        with gate:
            with gate:
                interrupt()
            steps.append("still inside")
        steps.append("after")

    assert steps_of(work) == ["still inside", "interrupted"]


def test_many_are_raised_once(gate: InterruptGate) -> None:
    def work(steps: list[str]) -> None:
        with gate:
            interrupt()
            interrupt()

    def again(steps: list[str]) -> None:
        with gate:
            steps.append("inside")
        steps.append("after")

    assert steps_of(work) == ["interrupted"]
    assert steps_of(again) == ["inside", "after"]


def test_an_error_inside_is_not_lost_when_an_interrupt_came(gate: InterruptGate) -> None:
    def work(steps: list[str]) -> None:
        try:
            with gate:
                interrupt()
                raise ValueError("inside")
        except KeyboardInterrupt as raised:
            steps.append(repr(raised.__context__))
            raise

    assert steps_of(work) == ["ValueError('inside')", "interrupted"]


def test_an_error_inside_goes_on_when_none_came(gate: InterruptGate) -> None:
    with pytest.raises(ValueError, match="inside"), gate:
        raise ValueError("inside")


def test_a_thread_inside_holds_nothing_back(gate: InterruptGate) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with gate:
            entered.set()
            leave.wait()

    def work(steps: list[str]) -> None:
        interrupt()
        steps.append("after")

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait()
    try:
        assert steps_of(work) == ["interrupted"]
    finally:
        leave.set()
        thread.join()


def test_a_thread_that_leaves_does_not_open_it_for_the_main_one(gate: InterruptGate) -> None:
    def pass_through() -> None:
        with gate:
            pass

    def work(steps: list[str]) -> None:
        with gate:
            interrupt()
            thread = threading.Thread(target=pass_through)
            thread.start()
            thread.join()
            steps.append("inside")
        steps.append("after")

    assert steps_of(work) == ["inside", "interrupted"]
