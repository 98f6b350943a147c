"""Clients that go away, or do not keep up."""

from __future__ import annotations

from pathlib import Path
from socket import SHUT_RDWR, SO_RCVBUF, SOL_SOCKET
from socket import socket as Socket  # noqa: N812 - the fixture has that name

import httpx
import psutil
import pytest

from tests.live.conftest import eventually
from tests.live.websocket.talk import (
    hear_until,
    names,
    open_socket,
    recorded,
    say,
    waiting_for,
)
from tests.server import Server


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
    name = next(names)
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
