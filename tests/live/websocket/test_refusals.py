"""What makes no sense is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.live.websocket.talk import (
    LIMIT,
    hear,
    hear_until,
    open_socket,
    run,
    say,
    waiting_for,
)
from tests.server import Server


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
    def send_and_hear(large: ClientConnection) -> None:
        # The server may hang up before all of it is sent: the sender then sees no code.
        large.send(" " * (16 * 1024 * 1024 + 1))
        large.recv(LIMIT)

    with open_socket(server, "shared") as large, pytest.raises(ConnectionClosed):
        send_and_hear(large)
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
