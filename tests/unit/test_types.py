"""The data that passes between a kernel and its callers."""

from __future__ import annotations

import signal

import pytest

from kernels.runtime.types import Death, ExecutionResult, ExecutionStatus, signal_name


def test_a_negative_return_code_is_a_signal() -> None:
    death = Death.from_return_code(-signal.SIGKILL)
    assert (death.signal_number, death.exit_code) == (9, None)
    assert str(death) == "killed by SIGKILL"


@pytest.mark.parametrize("code", [0, 3, 255])
def test_any_other_return_code_is_an_exit_code(code: int) -> None:
    death = Death.from_return_code(code)
    assert (death.signal_number, death.exit_code) == (None, code)
    assert str(death) == f"exited with code {code}"


def test_a_death_of_which_nothing_is_known_is_an_end() -> None:
    assert str(Death()) == "ended"


@pytest.mark.parametrize("member", list(signal.Signals))
def test_every_signal_of_this_system_has_its_name(member: signal.Signals) -> None:
    assert signal_name(member.value) == member.name


@pytest.mark.parametrize("number", [0, 99])
def test_a_signal_without_a_name_is_said_by_its_number(number: int) -> None:
    assert signal_name(number) == f"signal {number}"


@pytest.mark.parametrize("status", list(ExecutionStatus))
def test_success_alone_is_a_success(status: ExecutionStatus) -> None:
    result = ExecutionResult(status)
    assert result.succeeded == (status.value == "success")
