"""Talking to a session by WebSocket."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.server import ROOT, Server

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
names = (f"session-{number}" for number in itertools.count())


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
