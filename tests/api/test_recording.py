"""What ran is in the database: from the moment it is sent, and whole before it is answered."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import datetime
from typing import Any

import pytest
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session as Signer

from kernels.runtime.types import EventKind, Limits
from sessions_app.models import Execution
from tests.api.conftest import Api, OpenApi, answered, heard, soon, until
from tests.scripted_cell import Cell, Gate, dies, prints

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


async def row_of(api: Api, execution_id: str) -> Execution:
    """The row, read over another connection."""
    return await api.database(Execution.objects.get, pk=execution_id)


async def test_the_row_is_committed_when_the_answer_is_here(api: Api) -> None:
    async def run_and_read(session: str) -> None:
        result = await api.run(session, "1+1")
        row = await row_of(api, result["execution_id"])
        assert (row.status, row.return_value, row.session_name) == ("success", "2", session)
        assert row.finished_at is not None

    await asyncio.gather(*(run_and_read(f"s{n % 4}") for n in range(16)))
    assert await api.database(Execution.objects.count) == 16


async def test_a_row_exists_while_the_code_runs(api: Api) -> None:
    gate = api.scripts["long"] = Gate("before\n")
    running = api.begin("demo", "long")
    await soon(gate.entered.wait())
    # Rows are written in order: with this one's end, the start of the other is committed too.
    await api.run("other", "1+1")
    [row] = await api.history(session="demo")
    assert (row["status"], row["code"], row["finished_at"]) == ("running", "long", None)
    assert (row["output"], row["error"], row["execution_count"]) == ("", None, None)
    assert (await api.get(f"/executions/{row['id']}"))["outputs"] == []
    gate.opened.set()
    result = answered(await soon(running))
    assert result["execution_id"] == row["id"]
    assert (await api.history(session="demo"))[0]["status"] == "success"


async def test_a_row_says_where_it_ran_and_who_asked(api: Api) -> None:
    kernel = await api.post("/sessions/demo")
    await api.run("demo", "1+1", language="Bash")
    [row] = await api.history()
    assert (row["door"], row["asked_by"]) == ("http", "127.0.0.1")
    assert (row["session_name"], row["kernel_name"]) == ("demo", "demo")
    assert (row["kernel_id"], row["language"]) == (kernel["kernel_id"], "bash")
    started_at, finished_at = (
        datetime.fromisoformat(row[name]) for name in ("started_at", "finished_at")
    )
    assert datetime.fromisoformat(kernel["created_at"]) <= started_at <= finished_at


async def test_a_language_has_one_name_in_the_history(api: Api) -> None:
    for language in ("python", "py", "Python", "bash", "sh", "Shell"):
        await api.run("demo", "x", language=language)
    assert len(await api.history(language="python")) == 3
    assert len(await api.history(language="bash")) == 3


async def test_what_runs_in_a_kernel_without_a_name_is_kept_too(api: Api) -> None:
    kernel = await api.create()
    await api.post(f"/kernels/{kernel['kernel_id']}/execute", code="1+1")
    [row] = await api.history()
    assert (row["session_name"], row["kernel_name"]) == (None, None)
    assert row["kernel_id"] == kernel["kernel_id"]


async def test_the_history_outlives_the_session_and_the_kernel(api: Api) -> None:
    first = await api.run("demo", "1+1")
    await api.client.delete("/sessions/demo")
    second = await api.run("demo", "1+1")
    await api.client.delete("/kernels")
    rows = await api.history(session="demo")
    assert [row["id"] for row in rows] == [second["execution_id"], first["execution_id"]]
    assert rows[0]["kernel_id"] != rows[1]["kernel_id"]
    assert [row["kernel_name"] for row in rows] == ["demo", "demo"]


async def test_an_execution_is_kept_whole_with_its_rich_outputs(api: Api) -> None:
    async def shows(cell: Cell) -> None:
        await cell.stdout("out\n")
        await cell.display({"text/plain": "<Figure>", "image/png": PIXEL}, display_id="figure")
        await cell.stderr("err\n")
        await cell.display({"text/html": "<b>bold</b>", "application/json": {"a": [1, None, "é"]}})
        await cell.update_display({"text/plain": "<Figure 2>"}, display_id="figure")
        await cell.result("42")

    api.scripts["show"] = shows
    result = await api.run("demo", "show")
    whole = await api.get(f"/executions/{result['execution_id']}")
    assert whole["outputs"] == result["outputs"]
    assert [output["kind"] for output in whole["outputs"]] == [
        "stream", "display_data", "stream", "display_data", "execute_result",
    ]  # fmt: skip
    assert whole["outputs"][1]["data"] == {"text/plain": "<Figure 2>"}
    assert whole["outputs"][3]["data"]["application/json"] == {"a": [1, None, "é"]}
    assert (whole["output"], whole["stderr"], whole["return_value"]) == ("out\n", "err\n", "42")


async def test_rich_output_is_bounded(open_api: OpenApi) -> None:
    async def shows(cell: Cell) -> None:
        await cell.display({"image/png": "x" * 600})
        await cell.display({"image/png": "y" * 600})

    async with open_api(limits=Limits(rich_bytes=1_000)) as api:
        api.scripts["show"] = shows
        result = await api.run("demo", "show")
        assert result["truncated"] is True
        first, second = (output["data"] for output in result["outputs"])
        assert first == {"image/png": "x" * 600}
        assert second == {"text/plain": "[image/png of 600 bytes left out by kernelbox]"}
        assert (await api.get(f"/executions/{result['execution_id']}"))["truncated"] is True


async def test_a_hundred_kilobytes_of_output_are_kept_as_far_as_the_limit_goes(
    open_api: OpenApi,
) -> None:
    text = "".join(f"{number:09d}\n" for number in range(10_000))
    pieces = [text[at : at + 1_000] for at in range(0, len(text), 1_000)]
    for limit in (200_000, 10_000):
        async with open_api(limits=Limits(output_chars=limit)) as api:
            api.scripts["flood"] = prints(*pieces)
            result = await api.run("demo", "flood")
            output = result["output"]
            whole = await api.get(f"/executions/{result['execution_id']}")
            assert (whole["output"], whole["outputs"]) == (output, result["outputs"])
            assert (output[:4_000], output[-4_000:]) == (text[:4_000], text[-4_000:])
            assert 0.99 <= len(output) / min(limit, len(text)) <= 1
            assert result["truncated"] is (output != text)


async def test_text_of_any_characters_is_kept(api: Api) -> None:
    text = "emoji 🦊🏳️‍🌈, accents é̂, right to left שלום, tab\t, return\r, bell \x07, \x1b[31mred\x1b[0m, '\"\\%_"
    code = f"print({text!r})"
    api.scripts[code] = prints(text)
    result = await api.run("demo", code)
    assert result["output"] == text
    whole = await api.get(f"/executions/{result['execution_id']}")
    assert (whole["code"], whole["output"]) == (code, text)
    assert whole["outputs"] == result["outputs"]


async def test_nul_in_output_is_answered_as_it_is_and_kept_as_its_symbol(api: Api) -> None:
    async def nul(cell: Cell) -> None:
        await cell.stdout("a\0b")
        await cell.display({"text/plain": "c\0d", "application/json": {"e\0f": ["g\0h"]}})
        await cell.error("Nul\0", "i\0j", ["k\0l"])

    api.scripts["nul"] = nul
    result = await api.run("demo", "nul")
    assert (result["output"], result["error"]["evalue"]) == ("a\0b", "i\0j")
    whole = await api.get(f"/executions/{result['execution_id']}")
    assert whole["output"] == "a␀b"
    assert whole["error"] == {"ename": "Nul␀", "evalue": "i␀j", "traceback": ["k␀l"]}
    assert whole["outputs"][1]["data"] == {
        "text/plain": "c␀d",
        "application/json": {"e␀f": ["g␀h"]},
    }
    assert (await api.history(search="a␀b"))[0]["id"] == whole["id"]


async def test_a_lone_surrogate_in_output_does_no_harm(api: Api) -> None:
    async def surrogate(cell: Cell) -> None:
        signer = Signer(key=api.kernels[0].info.key, pack=as_ascii)
        content = {"name": "stdout", "text": "a\ud800b \U0001f98a"}
        await cell.kernel.publish("stream", content, parent=cell.request, session=signer)

    api.scripts["surrogate"] = surrogate
    result = await api.run("demo", "surrogate")
    assert (result["status"], result["output"]) == ("success", "a?b 🦊")
    assert (await api.history())[0]["output"] == "a?b 🦊"


def as_ascii(content: Any) -> bytes:
    """JSON as ipykernel writes it: everything else as escapes, lone surrogates too."""
    return json.dumps(content, default=json_default).encode()


async def test_a_caller_that_goes_away_does_not_stop_what_it_asked_for(api: Api) -> None:
    gate = api.scripts["long"] = Gate("before\n")
    running = api.begin("demo", "long")
    await soon(gate.entered.wait())
    waiting = api.begin("demo", "1+1")
    await api.waiting("demo", 1)
    for caller in (running, waiting):
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(caller)
    gate.opened.set()

    async def all_ended() -> bool:
        return [row["status"] for row in await api.history()] == ["success", "success"]

    await until(all_ended)
    newest, oldest = await api.history()
    assert (newest["code"], newest["return_value"]) == ("1+1", "2")
    assert (oldest["code"], oldest["output"]) == ("long", "before\n")


async def test_what_runs_when_the_server_stops_is_recorded(open_api: OpenApi) -> None:
    async with open_api() as api:
        api.scripts["long"] = Gate("before\n")
        with api.services.watchers.watching("demo") as watcher:
            running = api.begin("demo", "long")
            await heard(watcher, EventKind.STREAM)
        await soon(api.manager.close())
        assert answered(await soon(running))["status"] == "interrupted"
    async with open_api() as api:
        [row] = await api.history()
        assert (row["status"], row["output"]) == ("interrupted", "before\n")
        assert row["error"]["ename"] == "KernelDestroyed"


async def test_what_an_earlier_server_left_running_is_unknown(open_api: OpenApi) -> None:
    async with open_api() as api:
        ended = await api.run("demo", "1+1")
        row = await row_of(api, ended["execution_id"])
        left = Execution(
            kernel_id=row.kernel_id, session_name="demo", code="left", status="running"
        )
        await api.database(left.save, force_insert=True)
    async with open_api() as api:
        newest, oldest = await api.history()
        assert (newest["code"], newest["status"]) == ("left", "unknown")
        assert newest["finished_at"] is not None
        assert newest["state_lost"] is True
        assert newest["state_lost_reason"].startswith("The server ended while this ran")
        assert (oldest["status"], oldest["state_lost"]) == ("success", False)


async def test_a_death_is_recorded_with_what_was_printed_before(api: Api) -> None:
    api.scripts["boom"] = dies(-signal.SIGSEGV, after="before\n")
    result = await api.run("demo", "boom")
    [row] = await api.history()
    assert (row["status"], row["output"]) == ("dead", "before\n")
    assert row["error"] == result["error"]
    assert row["state_lost_reason"] == result["state_lost_reason"]
