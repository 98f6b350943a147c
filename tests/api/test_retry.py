"""Execution with retry: what is run after a failure, when it ends, and what is told of it."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.api.conftest import Api, OpenApi, answered, soon
from tests.scripted_cell import Cell, Gate, Script, answers, dies, raises
from tests.scripted_kernel import Start

KILLED = "The kernel died while it ran this code: killed by SIGKILL."


async def retry(api: Api, code: str, **fields: Any) -> dict[str, Any]:
    """Run with a repair in a session."""
    return await api.post("/sessions/demo/execute_with_retry", code=code, **fields)


async def replace(api: Api, code: str, *replacements: str, **fields: Any) -> dict[str, Any]:
    """Run with replacements in a kernel."""
    return await api.post(
        "/kernels/mine/execute/retry", code=code, replacement_codes=replacements, **fields
    )


def steps(result: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Number, code and status of each attempt."""
    return [(one["attempt"], one["code"], one["status"]) for one in result["attempts"]]


def succeeds_at(number: int) -> Script:
    """Code that raises until it is run for the ``number``-th time."""
    runs = iter(range(1, number + 1))

    async def script(cell: Cell) -> None:
        run = next(runs)
        await cell.stdout(f"run {run}\n")
        if run < number:
            await cell.error("NotYet", str(run))

    return script


async def test_a_success_is_not_tried_again(api: Api) -> None:
    result = await retry(api, "1+1", on_error_code="1/0")
    assert (result["status"], result["return_value"]) == ("success", "2")
    assert steps(result) == [(1, "1+1", "success")]


async def test_the_repair_runs_after_every_failure(api: Api) -> None:
    api.scripts["repair"] = succeeds_at(3)
    result = await retry(api, "1/0", on_error_code="repair", max_attempts=5)
    assert (result["status"], result["output"]) == ("success", "run 3\n")
    assert steps(result) == [
        (1, "1/0", "error"),
        (2, "repair", "error"),
        (3, "repair", "error"),
        (4, "repair", "success"),
    ]


async def test_without_a_repair_the_same_code_runs_again(api: Api) -> None:
    api.scripts["flaky"] = succeeds_at(3)
    result = await retry(api, "flaky")
    assert result["status"] == "success"
    assert steps(result) == [(1, "flaky", "error"), (2, "flaky", "error"), (3, "flaky", "success")]
    assert [one["output"] for one in result["attempts"]] == ["run 1\n", "run 2\n", "run 3\n"]
    errors = [one["error"] and one["error"]["evalue"] for one in result["attempts"]]
    assert errors == ["1", "2", None]


async def test_an_empty_repair_is_a_repair(api: Api) -> None:
    result = await retry(api, "1/0", on_error_code="")
    assert steps(result) == [(1, "1/0", "error"), (2, "", "success")]


async def test_replacements_are_run_in_order(api: Api) -> None:
    await api.create(name="mine")
    api.scripts |= {"first": raises("First"), "second": raises("Second"), "third": answers("3")}
    result = await replace(api, "1/0", "first", "second", "third", "never")
    assert (result["status"], result["return_value"]) == ("success", "3")
    assert [code for _, code, _ in steps(result)] == ["1/0", "first", "second", "third"]


async def test_past_the_last_replacement_what_ran_before_runs_again(api: Api) -> None:
    await api.create(name="mine")
    api.scripts["last"] = succeeds_at(3)
    result = await replace(api, "1/0", "last")
    assert [code for _, code, _ in steps(result)] == ["1/0", "last", "last", "last"]
    assert result["status"] == "success"
    without_any = await replace(api, "1/0", max_attempts=2)
    assert [code for _, code, _ in steps(without_any)] == ["1/0", "1/0"]


@pytest.mark.parametrize("most", [1, 2, 7])
async def test_when_no_attempt_succeeds_the_attempts_are_exceeded(api: Api, most: int) -> None:
    result = await retry(api, "1/0", max_attempts=most)
    assert result["status"] == "max_attempts_exceeded"
    assert result["error"]["ename"] == "ZeroDivisionError"
    assert steps(result) == [(number, "1/0", "error") for number in range(1, most + 1)]
    assert api.kernels[0].codes.count("1/0") == most


async def test_the_number_of_attempts_comes_from_the_settings(open_api: OpenApi) -> None:
    async with open_api(max_retries=3) as api:
        for fields in ({}, {"max_attempts": None}):
            result = await retry(api, "1/0", **fields)
            assert (result["status"], len(result["attempts"])) == ("max_attempts_exceeded", 3)
        assert len((await retry(api, "1/0", max_attempts=4))["attempts"]) == 4


async def test_by_default_there_are_five_attempts(api: Api) -> None:
    assert len((await retry(api, "1/0"))["attempts"]) == 5


async def test_an_interrupt_ends_it(api: Api) -> None:
    await api.run("demo", "1+1")
    gate = Gate()

    async def runs_long(cell: Cell) -> None:
        gate.entered.set()
        await cell.until_interrupted()

    api.scripts["long"] = runs_long
    fields = {"code": "long", "on_error_code": "1+1"}
    running = api.begin("demo", path="execute_with_retry", **fields)
    await soon(gate.entered.wait())
    assert await api.post("/sessions/demo/interrupt") == {"interrupted": True}
    result = answered(await soon(running))
    assert result["status"] == "interrupted"
    assert steps(result) == [(1, "long", "interrupted")]
    assert (await api.run("demo", "1+1"))["execution_count"] == 3


async def test_an_exception_named_like_an_interrupt_is_tried_again(api: Api) -> None:
    result = await retry(api, "raise KeyboardInterrupt", on_error_code="1+1")
    assert [status for _, _, status in steps(result)] == ["error", "success"]


async def test_a_timeout_is_a_failure_and_each_attempt_has_its_own_time(api: Api) -> None:
    result = await retry(api, "while True: pass", timeout=0.1, max_attempts=2)
    assert result["status"] == "max_attempts_exceeded"
    assert [status for _, _, status in steps(result)] == ["timeout", "timeout"]
    assert result["error"]["ename"] == "ExecutionTimeout"
    assert result["duration_ms"] >= 2 * 100


async def test_an_attempt_that_kills_the_kernel_is_followed_by_one_in_a_new_one(api: Api) -> None:
    api.scripts["boom"] = dies(-signal.SIGKILL, after="before\n")
    await api.run("demo", "1+1")
    result = await retry(api, "boom", on_error_code="1+1")
    assert (result["status"], result["return_value"]) == ("success", "2")
    assert result["execution_count"] == 1
    assert steps(result) == [(1, "boom", "dead"), (2, "1+1", "success")]
    assert result["attempts"][0]["output"] == "before\n"
    assert result["attempts"][0]["error"]["evalue"] == KILLED
    assert (result["state_lost"], result["state_lost_reason"]) == (
        True,
        "The kernel died: killed by SIGKILL.",
    )
    assert len(api.kernels) == 2


async def test_a_state_lost_in_an_earlier_attempt_is_told_in_the_end(api: Api) -> None:
    api.scripts |= {"boom": dies(-signal.SIGKILL), "repair": succeeds_at(3)}
    result = await retry(api, "boom", on_error_code="repair")
    assert [status for _, _, status in steps(result)] == ["dead", "error", "error", "success"]
    assert (result["state_lost"], result["state_lost_reason"]) == (
        True,
        "The kernel died: killed by SIGKILL.",
    )
    assert not (await api.run("demo", "1+1"))["state_lost"]


async def test_attempts_that_each_kill_the_kernel_come_to_an_end(api: Api) -> None:
    api.scripts["boom"] = dies(-signal.SIGKILL)
    result = await retry(api, "boom", max_attempts=3)
    assert result["status"] == "max_attempts_exceeded"
    assert [status for _, _, status in steps(result)] == ["dead"] * 3
    assert (result["state_lost"], result["error"]["evalue"]) == (True, KILLED)


async def test_when_no_kernel_can_be_started_any_more_the_attempts_so_far_are_kept(
    api: Api,
) -> None:
    api.scripts["boom"] = dies(-signal.SIGKILL, after="before\n")
    await api.run("demo", "1+1")
    api.starts.append(Start(refused="No more of them."))
    body = {"code": "boom", "on_error_code": "1+1"}
    response = await api.client.post("/sessions/demo/execute_with_retry", json=body)
    assert answered(response, 503) == {"detail": "No more of them."}
    [newest, _] = await api.history()
    assert (newest["status"], newest["error"]["ename"]) == ("error", "KernelStartFailed")
    whole = await api.get(f"/executions/{newest['id']}")
    assert steps(whole) == [(1, "boom", "dead")]
    assert whole["attempts"][0]["output"] == "before\n"
    assert (whole["state_lost"], whole["state_lost_reason"]) == (True, KILLED)


async def test_the_history_keeps_one_row_with_all_attempts(api: Api) -> None:
    api.scripts["flaky"] = succeeds_at(2)
    result = await retry(api, "1/0", on_error_code="flaky")
    [row] = await api.history()
    assert (row["code"], row["status"], row["id"]) == ("1/0", "success", result["execution_id"])
    whole = await api.get(f"/executions/{row['id']}")
    assert whole["attempts"] == result["attempts"]
    assert len(whole["attempts"]) == 3


async def test_times_are_those_of_all_attempts_together(api: Api) -> None:
    result = await retry(api, "while True: pass", on_error_code="1+1", timeout=0.1)
    assert result["status"] == "success"
    assert result["duration_ms"] >= 100
    assert (await api.history())[0]["duration_ms"] == result["duration_ms"]


async def test_bash_goes_through_the_python_kernel_in_every_attempt(api: Api) -> None:
    api.scripts["%%bash\nfalse"] = raises("CalledProcessError")
    result = await retry(api, "false", on_error_code="true", language="bash")
    assert [code for _, code, _ in steps(result)] == ["false", "true"]
    assert api.kernels[0].codes[-2:] == ["%%bash\nfalse", "%%bash\ntrue"]


async def test_a_kernel_counts_the_attempts_that_were_made_in_it(open_api: OpenApi) -> None:
    async with open_api() as api:
        await retry(api, "1/0", max_attempts=3)
        await retry(api, "1+1")
        await api.run("demo", "1+1")
    async with open_api() as api:  # What is a second behind is written in the end.
        kernel = (await api.get("/kernels/demo"))["kernel"]
        assert (kernel["attempt_count"], kernel["runs"]) == (4, 3)
