"""What is executed by WebSocket, who sees it, and how it is interrupted."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.live.websocket.talk import (
    EVERYTHING,
    Message,
    hear,
    hear_all,
    hear_until,
    names,
    open_socket,
    recorded,
    run,
    say,
    waiting_for,
)
from tests.server import Server


def test_what_an_execution_puts_out_comes_in_its_order(socket: ClientConnection) -> None:
    messages = run(socket, EVERYTHING)
    assert [message["type"] for message in messages] == [
        "started", "stream", "stream", "display", "update_display", "clear_output", "stream", "result", "done",
    ]  # fmt: skip
    assert len({message["execution_id"] for message in messages}) == 1
    started, stdout, stderr, display, update, clear, after, result, done = messages
    assert (started["code"], started["language"]) == (EVERYTHING, "python")
    assert (stdout["name"], stdout["text"]) == ("stdout", "to stdout\n")
    assert (stderr["name"], stderr["text"]) == ("stderr", "to stderr\n")
    assert display["data"]["text/html"] == "<b>first</b>"
    assert update["data"]["text/html"] == "<i>second</i>"
    assert clear["wait"] is True
    assert after["text"] == "after\n"
    assert result["data"] == {"text/plain": "42"}
    assert result["execution_count"] == done["execution_count"]
    assert (done["status"], done["output"], done["return_value"]) == ("success", "after\n", "42")


def test_code_that_raises_is_told_before_it_is_done(socket: ClientConnection) -> None:
    started, error, done = run(socket, "1 / 0")
    assert [started["type"], error["type"], done["type"]] == ["started", "error", "done"]
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert "ZeroDivisionError" in "".join(error["traceback"])
    assert done["status"] == "error"
    assert done["error"] == {name: error[name] for name in ("ename", "evalue", "traceback")}


@pytest.mark.parametrize("code", [EVERYTHING, "1 / 0", "print('x' * 20_000)"])
def test_the_end_of_it_is_what_http_answers_and_the_history_keeps(
    socket: ClientConnection, client: httpx.Client, shared: str, code: str
) -> None:
    done = run(socket, code)[-1]
    answer = client.post(f"/sessions/{shared}/execute", json={"code": code}).json()
    assert done.pop("type") == "done"
    assert done.keys() == answer.keys()
    hear_until(socket, "done")
    differs = {"execution_id", "execution_count", "duration_ms", "queued_ms", "error", "outputs"}
    assert {n: done[n] for n in done if n not in differs} == {
        n: answer[n] for n in answer if n not in differs
    }
    kept = recorded(client, done["execution_id"])
    assert {name: kept[name] for name in done if name != "execution_id"} == {
        name: value for name, value in done.items() if name != "execution_id"
    }


def test_the_history_says_by_which_door_it_came(
    socket: ClientConnection, client: httpx.Client, shared: str
) -> None:
    done = run(socket, "'by this door'")[-1]
    kept = recorded(client, done["execution_id"])
    assert (kept["door"], kept["asked_by"]) == ("websocket", "127.0.0.1")
    assert (kept["session_name"], kept["code"]) == (shared, "'by this door'")


def test_bash_and_a_limit_of_time_work_as_by_http(socket: ClientConnection) -> None:
    said = run(socket, "echo $((6 * 7))", language="bash")
    assert (said[0]["language"], said[-1]["output"]) == ("bash", "42\n")
    done = run(socket, "import time\nwhile True: time.sleep(0.01)", timeout=0.3)[-1]
    assert (done["status"], done["error"]["ename"]) == ("timeout", "ExecutionTimeout")


def test_variables_stay_between_messages_and_doors(
    socket: ClientConnection, client: httpx.Client, shared: str
) -> None:
    run(socket, "kept = 6")
    client.post(f"/sessions/{shared}/execute", json={"code": "kept *= 7"}).raise_for_status()
    hear_until(socket, "done")
    assert run(socket, "kept")[-1]["return_value"] == "42"


@pytest.mark.parametrize("request_id", ["a", "x" * 128, 0, 7, -1])
def test_a_request_with_an_id_is_answered_with_it(
    socket: ClientConnection, request_id: str | int
) -> None:
    say(socket, type="execute", code="1", request_id=request_id)
    *_, done, answered = hear_until(socket, "answered")
    assert answered == {
        "type": "answered", "execution_id": done["execution_id"], "request_id": request_id,
    }  # fmt: skip


def test_requests_sent_at_once_run_one_after_another(socket: ClientConnection) -> None:
    for number in range(5):
        say(socket, type="execute", code=f"print({number})")
    messages: list[Message] = []
    for _ in range(5):
        messages += hear_until(socket, "done")
    # One may start before the end of the one before it is in the history, and told.
    of_each: dict[str, list[Message]] = {}
    for message in messages:
        of_each.setdefault(message["execution_id"], []).append(message)
    for number, told in enumerate(of_each.values()):
        assert [message["type"] for message in told] == ["started", "stream", "done"]
        assert told[-1]["output"] == f"{number}\n"


def test_all_who_watch_a_session_see_all_of_it(
    server: Server, socket: ClientConnection, shared: str
) -> None:
    with open_socket(server, shared) as other, open_socket(server, "elsewhere") as elsewhere:
        mine = run(socket, EVERYTHING)
        assert hear_until(other, "done") == mine
        theirs = run(other, "1 / 0")
        assert hear_until(socket, "done") == theirs
        say(elsewhere, type="interrupt")
        assert hear(elsewhere)["type"] == "interrupted"  # and nothing of the other session before


def test_what_comes_by_http_is_seen_too(
    socket: ClientConnection, client: httpx.Client, shared: str
) -> None:
    answer = client.post(f"/sessions/{shared}/execute", json={"code": EVERYTHING}).json()
    messages = hear_until(socket, "done")
    assert messages[0]["type"] == "started"
    assert messages[-1] == {"type": "done"} | answer
    with_retry = {"code": "1 / 0", "on_error_code": "'mended'", "max_attempts": 3}
    client.post(f"/sessions/{shared}/execute_with_retry", json=with_retry).raise_for_status()
    kinds = [message["type"] for message in hear_until(socket, "done")]
    assert kinds == ["started", "error", "result", "done"]


def test_a_watcher_of_a_session_that_does_not_exist_yet_sees_it_begin(
    server: Server, client: httpx.Client
) -> None:
    name = next(names)
    with open_socket(server, name) as socket:
        assert client.get(f"/sessions/{name}").status_code == 404
        client.post(f"/sessions/{name}/execute", json={"code": "'first'"}).raise_for_status()
        assert [m["type"] for m in hear_until(socket, "done")] == ["started", "result", "done"]


def test_output_comes_while_the_code_runs(socket: ClientConnection, tmp_path: Path) -> None:
    say(socket, type="execute", code=waiting_for(tmp_path / "go"))
    assert hear_until(socket, "stream")[-1]["text"] == "waiting\n"
    (tmp_path / "go").touch()
    assert hear_until(socket, "done")[-1]["output"] == "waiting\nwent on\n"


@pytest.mark.parametrize("by_another", [False, True], ids=["by the same", "by another"])
def test_a_running_execution_is_interrupted(
    server: Server,
    client: httpx.Client,
    socket: ClientConnection,
    shared: str,
    tmp_path: Path,
    by_another: bool,
) -> None:
    with open_socket(server, shared) as other:
        say(socket, type="execute", code=waiting_for(tmp_path / "never"))
        hear_until(socket, "stream")
        interrupting = other if by_another else socket
        say(interrupting, type="interrupt", request_id="stop")
        (answer,) = (
            m for m in hear_all(interrupting, "interrupted", "done") if m["type"] == "interrupted"
        )
        assert answer == {"type": "interrupted", "interrupted": True, "request_id": "stop"}
        if by_another:
            hear_until(socket, "done")
    kept = client.get(f"/executions?session={shared}&page_size=1").json()["results"][0]
    assert (kept["status"], kept["output"]) == ("interrupted", "waiting\n")
    assert run(socket, "6 * 7")[-1]["return_value"] == "42"


def test_an_interrupt_is_heeded_however_soon_it_comes(server: Server) -> None:
    with open_socket(server, next(names)) as socket:
        run(socket, "import time")
        for _ in range(12):
            say(socket, type="execute", code="for _ in range(20): time.sleep(0.01)", timeout=2)
            assert hear(socket)["type"] == "started"
            say(socket, type="interrupt")
            heard = {m["type"]: m for m in hear_all(socket, "interrupted", "done")}
            assert heard["interrupted"]["interrupted"]
            assert heard["done"]["status"] == "interrupted"


@pytest.mark.parametrize("session", ["shared", "nothing-of-that-name"])
def test_with_nothing_running_there_is_nothing_to_interrupt(
    server: Server, shared: str, client: httpx.Client, session: str
) -> None:
    with open_socket(server, session) as socket:
        say(socket, type="interrupt")
        assert hear(socket) == {"type": "interrupted", "interrupted": False}
    assert session == shared or client.get(f"/sessions/{session}").status_code == 404
