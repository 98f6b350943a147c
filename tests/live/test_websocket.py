"""``WS /ws/sessions/{name}``: what goes in, what comes out, and who else sees it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import SHUT_RDWR, SO_RCVBUF, SOL_SOCKET
from socket import socket as Socket  # noqa: N812 - the fixture has that name
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live.conftest import eventually
from tests.server import ROOT, Server, running_server

LIMIT = 30
PAGE = (ROOT / "docs" / "websocket.md").read_text()
Message = dict[str, Any]

#: Puts out one of everything.
EVERYTHING = """\
from IPython.display import HTML, clear_output, display
import sys
print("to stdout")
print("to stderr", file=sys.stderr)
shown = display(HTML("<b>first</b>"), display_id=True)
shown.update(HTML("<i>second</i>"))
clear_output(wait=True)
print("after")
6 * 7
"""
_names = (f"session-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for the module; it may have failed at nothing in the end."""
    with running_server() as server:
        yield server
        assert "Traceback" not in server.log()
        assert "never retrieved" not in server.log()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """An HTTP client for it."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def shared(server: Server) -> str:
    """The name of a session that has a kernel, for tests that leave nothing behind in it."""
    with open_socket(server, "shared") as socket:
        run(socket, "1")
    return "shared"


@pytest.fixture
def socket(server: Server, shared: str) -> Iterator[ClientConnection]:
    """A connection to that session."""
    with open_socket(server, shared) as opened:
        yield opened


def open_socket(server: Server, session: str, **options: Any) -> ClientConnection:
    """A connection to a session, without the environment's proxies."""
    url = f"{server.websocket_url}/ws/sessions/{session}"
    opened: ClientConnection = connect(
        url, proxy=None, open_timeout=LIMIT, max_size=None, **options
    )
    return opened


def say(socket: ClientConnection, **message: Any) -> None:
    """Send a message."""
    socket.send(json.dumps(message))


def hear(socket: ClientConnection) -> Message:
    """The next message."""
    message: Message = json.loads(socket.recv(LIMIT))
    return message


def hear_until(socket: ClientConnection, *types: str) -> list[Message]:
    """All messages up to the first of one of those types."""
    heard = [hear(socket)]
    while heard[-1]["type"] not in types:
        heard.append(hear(socket))
    return heard


def hear_all(socket: ClientConnection, *types: str) -> list[Message]:
    """All messages until there was one of each of those types, in whatever order."""
    heard: list[Message] = []
    while not {*types} <= {message["type"] for message in heard}:
        heard.append(hear(socket))
    return heard


def run(socket: ClientConnection, code: str, **fields: Any) -> list[Message]:
    """Run code and return all that was told of it, ``done`` last."""
    say(socket, type="execute", code=code, **fields)
    return hear_until(socket, "done", "refused")


def recorded(client: httpx.Client, execution_id: str) -> dict[str, Any]:
    """An execution of the history."""
    response = client.get(f"/executions/{execution_id}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def waiting_for(path: Path) -> str:
    """Code that says so and runs until a file is there."""
    return (
        "import pathlib, time\n"
        f"print('waiting', flush=True)\nwhile not pathlib.Path({str(path)!r}).exists(): time.sleep(0.01)\n"
        "print('went on')"
    )


# -- one execution ---------------------------------------------------------------------------


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


# -- watching --------------------------------------------------------------------------------


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
    name = next(_names)
    with open_socket(server, name) as socket:
        assert client.get(f"/sessions/{name}").status_code == 404
        client.post(f"/sessions/{name}/execute", json={"code": "'first'"}).raise_for_status()
        assert [m["type"] for m in hear_until(socket, "done")] == ["started", "result", "done"]


def test_output_comes_while_the_code_runs(socket: ClientConnection, tmp_path: Path) -> None:
    say(socket, type="execute", code=waiting_for(tmp_path / "go"))
    assert hear_until(socket, "stream")[-1]["text"] == "waiting\n"
    (tmp_path / "go").touch()
    assert hear_until(socket, "done")[-1]["output"] == "waiting\nwent on\n"


# -- interrupting ----------------------------------------------------------------------------


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


@pytest.mark.xfail(strict=True, reason="a kernel that has not begun yet passes a SIGINT over")
def test_an_interrupt_is_heeded_however_soon_it_comes(socket: ClientConnection) -> None:
    ends = []
    for _ in range(12):
        say(socket, type="execute", code="import time\nfor _ in range(20): time.sleep(0.01)")
        assert hear(socket)["type"] == "started"
        say(socket, type="interrupt")
        heard = {m["type"]: m for m in hear_all(socket, "interrupted", "done")}
        ends.append((heard["interrupted"]["interrupted"], heard["done"]["status"]))
    assert ends == [(True, "interrupted")] * 12


@pytest.mark.parametrize("session", ["shared", "nothing-of-that-name"])
def test_with_nothing_running_there_is_nothing_to_interrupt(
    server: Server, shared: str, client: httpx.Client, session: str
) -> None:
    with open_socket(server, session) as socket:
        say(socket, type="interrupt")
        assert hear(socket) == {"type": "interrupted", "interrupted": False}
    assert session == shared or client.get(f"/sessions/{session}").status_code == 404


# -- what is not understood ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", "not valid JSON"),
        ("execute", "not valid JSON"),
        ('{"type": "execute", ', "not valid JSON"),
        ('{"type": "execute", "code": "\\ud800"}', "not valid JSON"),
        ("[" * 10_000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{}", "type must be execute or interrupt, not None."),
        ('{"type": "restart"}', "type must be execute or interrupt, not 'restart'."),
        ('{"type": ["execute"]}', "type must be execute or interrupt"),
        ('{"type": "execute"}', "code: This field is required."),
        ('{"type": "execute", "code": null}', "code: This field may not be null."),
        ('{"type": "execute", "code": 1}', "code: Not a valid string."),
        ('{"type": "execute", "code": "a\\u0000b"}', "code: Null characters are not allowed."),
        ('{"type": "execute", "code": "1", "timeout": "1"}', "timeout: A valid number is required."),
        ('{"type": "execute", "code": "1", "timeout": 0}', "timeout: Ensure this value is greater"),
        ('{"type": "execute", "code": "1", "language": "cobol"}', "No installed kernel runs 'cobol'"),
        ('{"type": "execute", "timeout": -1, "code": 2}', "code: Not a valid string.; timeout: "),
        ('{"type": "execute", "code": "1", "request_id": {}}', "request_id must be"),
        ('{"type": "interrupt", "request_id": 1.5}', "request_id must be"),
        (json.dumps({"type": "interrupt", "request_id": "x" * 129}), "request_id must be"),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_a_message_that_makes_no_sense_is_refused_and_the_connection_stays(
    socket: ClientConnection, message: str | bytes, words: str
) -> None:
    socket.send(message)
    refused = hear(socket)
    assert refused.keys() == {"type", "detail"}
    assert refused["type"] == "refused"
    assert words in refused["detail"]
    assert run(socket, "6 * 7")[-1]["return_value"] == "42"


def test_what_is_refused_is_told_by_its_id(socket: ClientConnection) -> None:
    say(socket, type="execute", request_id=3)
    assert hear(socket)["request_id"] == 3
    say(socket, type="nonsense", request_id="n")
    assert hear(socket)["request_id"] == "n"


def test_another_language_than_the_session_s_is_refused(
    server: Server, client: httpx.Client
) -> None:
    with open_socket(server, "shared") as socket:
        say(socket, type="execute", code="1", language="x" * 65)
        assert hear(socket)["detail"].startswith("language: Ensure this field has no more than 64")


def test_a_message_in_binary_is_read_as_text(socket: ClientConnection) -> None:
    socket.send(json.dumps({"type": "execute", "code": "'é'"}).encode())
    assert hear_until(socket, "done")[-1]["return_value"] == "'é'"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "at least one character"), ("%20", "at least one character"), ("a%2Fb", "no slash"), ("a/b", "no slash"),
        ("x" * 129, "at most 128 characters"), ("a%00b", "no control characters"), ("a%0Ab", "no control characters"),
    ],
)  # fmt: skip
def test_a_name_that_no_session_can_have_is_refused_and_the_connection_closed(
    server: Server, name: str, words: str
) -> None:
    with open_socket(server, name) as socket:
        refused = hear(socket)
        assert (refused["type"], words in refused["detail"]) == ("refused", True)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(LIMIT)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize("name", ["ünï-cödé", "with%20space", "x" * 128, "a%3Fb%23c"])
def test_a_name_may_be_any_text(server: Server, name: str) -> None:
    with open_socket(server, name) as socket:
        say(socket, type="interrupt")
        assert hear(socket)["type"] == "interrupted"


def test_a_message_over_the_limit_closes_the_connection_and_nothing_else(
    server: Server, socket: ClientConnection
) -> None:
    with open_socket(server, "shared") as large:
        large.send(" " * (16 * 1024 * 1024 + 1))  # Compressed, it is sent before it is refused.
        with pytest.raises(ConnectionClosed) as closed:
            large.recv(LIMIT)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert run(socket, "6 * 7")[-1]["return_value"] == "42"


def test_one_connection_may_have_a_hundred_executions_under_way(
    socket: ClientConnection, tmp_path: Path
) -> None:
    say(socket, type="execute", code=waiting_for(tmp_path / "go"))
    hear_until(socket, "stream")
    for number in range(99):
        say(socket, type="execute", code=str(number))
    say(socket, type="execute", code="'one too many'", request_id="last")
    refused = hear(socket)
    assert refused == {
        "type": "refused", "detail": "100 executions of this connection are under way.", "request_id": "last",
    }  # fmt: skip
    (tmp_path / "go").touch()
    ends = [hear_until(socket, "done")[-1] for _ in range(100)]
    assert [end["return_value"] for end in ends[1:]] == [str(number) for number in range(99)]


# -- clients that go away, or do not keep up -------------------------------------------------


def has_connection(server: Server, port: int) -> bool:
    """Whether the server still has its end of a connection from that port."""
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    listening = psutil.CONN_LISTEN
    return any(c.status != listening and c.raddr.port == port for c in connections)


@pytest.mark.parametrize("politely", [True, False], ids=["closing", "cut off"])
def test_what_a_client_leaves_running_ends_in_the_history(
    server: Server, client: httpx.Client, shared: str, tmp_path: Path, politely: bool
) -> None:
    with open_socket(server, shared) as leaving:
        port = leaving.local_address[1]
        say(leaving, type="execute", code=waiting_for(tmp_path / "go"))
        execution_id = hear_until(leaving, "stream")[-1]["execution_id"]
        if not politely:
            leaving.socket.shutdown(SHUT_RDWR)
    eventually(lambda: not has_connection(server, port))
    assert recorded(client, execution_id)["status"] == "running"
    (tmp_path / "go").touch()
    eventually(lambda: recorded(client, execution_id)["finished_at"] is not None)
    kept = recorded(client, execution_id)
    assert (kept["status"], kept["output"]) == ("success", "waiting\nwent on\n")
    assert kept["door"] == "websocket"


def test_a_client_that_leaves_while_its_session_starts_is_served(
    server: Server, client: httpx.Client
) -> None:
    name = next(_names)
    with open_socket(server, name) as socket:
        say(socket, type="execute", code="'all the same'")
    page = f"/executions?session={name}&status=success"
    eventually(lambda: len(client.get(page).json()["results"]) == 1)
    assert client.get(page).json()["results"][0]["return_value"] == "'all the same'"


def test_a_slow_reader_stops_neither_the_kernel_nor_the_server(
    server: Server, client: httpx.Client, shared: str
) -> None:
    flood = "for number in range(250): print('x' * 100_000, flush=True)\n'all out'"
    # Neither deep buffers nor compression may do the reader's work.
    narrow = Socket()
    narrow.setsockopt(SOL_SOCKET, SO_RCVBUF, 16 * 1024)
    narrow.connect(("127.0.0.1", server.port))
    with open_socket(server, shared, sock=narrow, compression=None, max_queue=1) as slow:
        answer = client.post(f"/sessions/{shared}/execute", json={"code": flood}).json()
        assert (answer["status"], answer["return_value"]) == ("success", "'all out'")
        client.get("/health").raise_for_status()
        messages = hear_until(slow, "done")
    dropped = [message for message in messages if message["type"] == "dropped"]
    assert all(message.keys() == {"type", "messages"} for message in dropped)
    lost = sum(message["messages"] for message in dropped)
    assert lost > 0
    seen = [message for message in messages if message["type"] != "dropped"]
    assert seen[0]["type"] == "started"
    assert messages[-1] == {"type": "done"} | answer
    text = sum(len(message["text"]) for message in seen if message["type"] == "stream")
    assert 1_000_000 < text < 250 * 100_001


# -- the page --------------------------------------------------------------------------------


def documented() -> dict[str, set[str]]:
    """The messages of the page, and the fields in the table of each."""
    sections = re.split(r"^### `(\w+)`.*$", PAGE, flags=re.MULTILINE)[1:]
    return {
        kind: set(re.findall(r"^\| `(\w+)` \|", text.split("\n## ")[0], re.MULTILINE))
        for kind, text in zip(sections[::2], sections[1::2], strict=True)
    }


def test_the_page_has_every_message_and_every_field_and_no_other(
    server: Server, socket: ClientConnection, shared: str
) -> None:
    messages = run(socket, EVERYTHING) + run(socket, "1 / 0")
    say(socket, type="execute", code="1", request_id=1)
    messages += hear_until(socket, "answered")
    say(socket, type="interrupt", request_id=2)
    messages += hear_until(socket, "interrupted")
    say(socket, type="execute", request_id=3)
    messages += hear_until(socket, "refused")
    sent: dict[str, set[str]] = {"dropped": {"type", "messages"}}
    for message in messages:
        sent.setdefault(message["type"], set()).update(message)
    taken = {"execute": {"type", "code", "language", "timeout", "request_id"}, "interrupt": {"type", "request_id"}}  # fmt: skip
    assert documented() == sent | taken


def test_the_page_s_example_runs_and_prints_what_the_page_says(server: Server) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (printed,) = re.findall(r"^It prints:\n\n```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    program = program.replace("ws://127.0.0.1:8080", server.websocket_url)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert re.sub(r"[0-9a-f]{32}", "…", done.stdout) == re.sub(r"[0-9a-f]{32}", "…", printed)
