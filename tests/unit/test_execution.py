"""One execution: when it has ended, and what it came to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kernels.runtime.execution import IDLE_GRACE, End, Execution
from kernels.runtime.types import (
    Channel,
    ErrorInfo,
    ExecutionStatus,
    Limits,
    RunRequest,
)
from kernels.runtime.wire import Message
from tests.scripted_cell import Cell
from tests.unit.harness import Bench, Line, soon

OK = {"status": "ok", "execution_count": 3}
KEYBOARD_INTERRUPT = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}


def execution(limits: Limits | None = None) -> Execution:
    """An execution that was not sent anywhere: the test plays the kernel."""
    return Execution(RunRequest("f()", 5.0, "e1"), limits or Limits())


def reply(running: Execution, content: dict[str, Any] | None = None) -> None:
    """Let the reply come."""
    running.on_message(Channel.SHELL, Message("execute_reply", "", content or OK))


def iopub(running: Execution, msg_type: str, content: dict[str, Any]) -> None:
    """Let a message come on iopub."""
    running.on_message(Channel.IOPUB, Message(msg_type, "", content))


def idle(running: Execution) -> None:
    """Let the kernel be idle."""
    iopub(running, "status", {"execution_state": "idle"})


def stdout(running: Execution, text: str) -> None:
    """Let the code print."""
    iopub(running, "stream", {"name": "stdout", "text": text})


async def test_it_ends_when_the_reply_and_idle_were_both_seen() -> None:
    running = execution()
    iopub(running, "status", {"execution_state": "busy"})
    reply(running)
    assert not running.ended.done()
    idle(running)
    assert running.ended.result() is End.FINISHED


async def test_it_ends_as_well_when_idle_comes_before_the_reply() -> None:
    running = execution()
    idle(running)
    assert not running.ended.done()
    reply(running)
    assert running.ended.result() is End.FINISHED


async def test_output_between_the_reply_and_idle_is_kept() -> None:
    running = execution()
    reply(running)
    stdout(running, "late")
    idle(running)
    assert running.result(queued_ms=0).output == "late"


async def test_only_the_first_reason_to_end_counts() -> None:
    running = execution()
    running.end(End.DIED)
    running.end(End.RESTARTED)
    assert running.ended.result() is End.DIED


async def test_a_success_carries_all_that_it_came_to() -> None:
    running = execution()
    stdout(running, "out")
    iopub(running, "stream", {"name": "stderr", "text": "err"})
    iopub(running, "execute_result", {"data": {"text/plain": "42"}, "execution_count": 3})
    reply(running)
    idle(running)
    result = running.result(queued_ms=12)
    assert result.status is ExecutionStatus.SUCCESS
    assert (result.output, result.stderr, result.return_value) == ("out", "err", "42")
    assert (result.execution_count, result.queued_ms, result.execution_id) == (3, 12, "e1")
    assert [item.kind for item in result.outputs] == ["stream", "stream", "execute_result"]
    assert (result.error, result.truncated, result.state_lost) == (None, False, False)


async def test_an_exception_is_taken_from_iopub_or_else_from_the_reply() -> None:
    published, replied = execution(), execution()
    iopub(published, "error", {"ename": "A", "evalue": "a", "traceback": ["t"]})
    for running in (published, replied):
        reply(running, {"status": "error", "ename": "B", "evalue": "b", "traceback": ["u"]})
        idle(running)
    assert published.result(queued_ms=0).error == ErrorInfo("A", "a", ("t",))
    assert replied.result(queued_ms=0).error == ErrorInfo("B", "b", ("u",))


async def test_a_reply_that_fails_without_a_reason_is_an_abort() -> None:
    running = execution()
    reply(running, {"status": "aborted"})
    idle(running)
    result = running.result(queued_ms=0)
    assert result.status is ExecutionStatus.ERROR
    assert result.error == ErrorInfo("ExecutionAborted", "")


@pytest.mark.parametrize("traceback", [5, "line", None])
async def test_a_reply_with_a_traceback_that_is_no_list_still_makes_a_result(
    traceback: object,
) -> None:
    running = execution()
    reply(running, {"status": "error", "ename": "E", "evalue": "e", "traceback": traceback})
    idle(running)
    assert running.result(queued_ms=0).error == ErrorInfo("E", "e")


async def test_the_count_comes_from_the_input_when_the_reply_has_none() -> None:
    running = execution()
    iopub(running, "execute_input", {"code": "f()", "execution_count": 8})
    reply(running, {"status": "ok", "execution_count": None})
    idle(running)
    assert running.result(queued_ms=0).execution_count == 8


@pytest.mark.parametrize(
    ("why", "timed_out", "interrupted", "error", "status"),
    [
        (End.FINISHED, False, False, None, "success"),
        (End.FINISHED, False, True, None, "success"),
        (End.FINISHED, False, False, "ValueError", "error"),
        (End.FINISHED, False, True, "ValueError", "error"),
        (End.FINISHED, False, True, "KeyboardInterrupt", "interrupted"),
        (End.FINISHED, False, False, "KeyboardInterrupt", "error"),
        (End.FINISHED, True, False, "KeyboardInterrupt", "timeout"),
        (End.FINISHED, True, True, None, "timeout"),
        (End.RESTARTED, True, False, None, "timeout"),
        (End.RESTARTED, False, False, None, "interrupted"),
        (End.DESTROYED, False, False, None, "interrupted"),
        (End.DIED, False, False, None, "dead"),
        (End.DIED, True, True, "KeyboardInterrupt", "dead"),
    ],
)
async def test_the_status_says_how_it_ended(
    why: End, timed_out: bool, interrupted: bool, error: str | None, status: str
) -> None:
    running = execution()
    running.timed_out, running.interrupted = timed_out, interrupted
    if error is not None:
        iopub(running, "error", {"ename": error})
    running.end(why)
    assert running.result(queued_ms=0).status == status


async def test_a_failure_stands_in_place_of_the_error_and_is_the_last_output() -> None:
    running = execution()
    stdout(running, "before")
    iopub(running, "error", KEYBOARD_INTERRUPT)
    running.end(End.DIED)
    failure = ErrorInfo("KernelDied", "It died.")
    result = running.result(queued_ms=0, failure=failure, state_lost="It died.")
    assert result.error is failure
    assert [item.text for item in result.outputs] == [
        "before",
        "KeyboardInterrupt: ",
        "KernelDied: It died.",
    ]
    assert (result.state_lost, result.state_lost_reason) == (True, "It died.")


async def test_a_message_on_stdin_is_no_output() -> None:
    running = execution()
    running.on_message(Channel.STDIN, Message("stream", "", {"name": "stdout", "text": "x"}))
    running.end(End.FINISHED)
    assert running.result(queued_ms=0).outputs == ()


async def test_cut_output_makes_the_result_truncated() -> None:
    running = execution(Limits(output_chars=200))
    stdout(running, "x" * 1_000)
    reply(running)
    idle(running)
    assert running.result(queued_ms=0).truncated


async def test_a_lost_idle_ends_it_once_nothing_more_has_come_for_a_while() -> None:
    running = execution()
    loop = asyncio.get_running_loop()
    reply(running)
    still_printing = 0.2 * IDLE_GRACE
    loop.call_later(still_printing, stdout, running, "still printing")
    begun = loop.time()
    assert await soon(running.ended) is End.FINISHED
    assert loop.time() - begun >= still_printing + IDLE_GRACE - 0.01
    result = running.result(queued_ms=0)
    assert (result.status, result.output) == (ExecutionStatus.SUCCESS, "still printing")
    assert result.truncated


async def test_the_kernel_gets_the_request_as_it_was_made(bench: Bench, line: Line) -> None:
    contents: list[dict[str, Any]] = []

    async def note(cell: Cell) -> None:
        contents.append(cell.request["content"])

    bench.scripts["f()"] = note
    for silent, store_history in ((False, True), (True, False)):
        request = RunRequest("f()", 5.0, silent=silent, store_history=store_history)
        running = Execution(request, Limits())
        await running.send(line.connection)
        await soon(running.ended)
    asked = {"code": "f()", "user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
    assert contents == [
        asked | {"silent": False, "store_history": True},
        asked | {"silent": True, "store_history": False},
    ]
