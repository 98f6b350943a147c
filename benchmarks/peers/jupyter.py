"""What Kernel Gateway and Jupyter Server have in common: folders, a token, kernels over WebSocket.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from websockets.sync.client import ClientConnection, connect

from benchmarks.peers.http_session import Caller
from benchmarks.peers.jupyter_messages import Heard, execute_request
from benchmarks.peers.process import folder, started
from benchmarks.peers.session import LIMIT, Answer, Open
from tests.server import free_port

#: By default they drop what passes 1 MB a second; a workload may ask for that much.
OUTPUT_LIMIT = {"ZMQChannelsWebsocketConnection.iopub_data_rate_limit": "1e9"}
#: Added to the name of a contestant with ``quick_ack``.
QUICK_ACK = "TCP_QUICKACK"


@contextlib.contextmanager
def serving(
    python: Path, module: str, application: str, options: Mapping[str, str], *, quick_ack: bool
) -> Iterator[Open]:
    """Start one of them on loopback with a token; ``application`` is its class, for its options."""
    port, token = free_port(), secrets.token_hex(16)
    address = {"ip": "127.0.0.1", "port": str(port), "port_retries": "0"}
    configured = {f"{application}.{name}": value for name, value in {**address, **options}.items()}
    command = [str(python), "-m", module]
    command += [f"--{name}={value}" for name, value in (configured | OUTPUT_LIMIT).items()]
    caller = Caller(port, {"Authorization": f"token {token}"})
    with folder() as home, contextlib.closing(caller):
        environment = _folders(home) | {"JUPYTER_TOKEN": token, "KG_AUTH_TOKEN": token}
        with started(command, environment, home, lambda: caller.request("GET", "/api")):
            yield _sessions(port, token, quick_ack=quick_ack)


def _folders(home: Path) -> dict[str, str]:
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return {name: str(home / name.lower()) for name in names}


def _sessions(port: int, token: str, *, quick_ack: bool) -> Open:
    """Sessions of that server: to open one is to start a kernel and to connect to it."""
    headers = {"Authorization": f"token {token}"}

    @contextlib.contextmanager
    def opened(name: str) -> Iterator[WebSocketSession]:
        with contextlib.closing(Caller(port, headers)) as caller:
            kernel = caller.request("POST", "/api/kernels", {"name": "python3"})["id"]
        session = uuid4().hex
        with connect(
            f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels?session_id={session}",
            additional_headers=headers,
            open_timeout=LIMIT,  # The handshake waits for the kernel.
            ping_interval=None,
            max_size=None,
            compression=None,
            proxy=None,
        ) as connection:
            yield WebSocketSession(connection, session, quick_ack=quick_ack)

    return opened


class WebSocketSession:
    """A kernel behind one WebSocket, in the default protocol: every message is JSON text.

    ``quick_ack`` has the client's TCP acknowledge at once. These servers leave Nagle's algorithm
    on: the second of a few small messages waits until the first is acknowledged, which Linux
    delays by 40 ms.
    """

    def __init__(self, connection: ClientConnection, session: str, *, quick_ack: bool) -> None:
        self._connection = connection
        self._session = session
        self._quick_ack = quick_ack

    def execute(self, code: str) -> Answer:
        """Run code until both its reply and ``idle`` are here."""
        request = self._request(code)
        self._connection.send(json.dumps(request))
        heard = Heard(request["header"]["msg_id"])
        while not (heard.is_idle and heard.is_replied):
            heard.take(self._receive())
        return heard.answer()

    def _receive(self) -> dict[str, Any]:
        if self._quick_ack:  # Linux forgets it, so it is said again each time.
            self._connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        message: dict[str, Any] = json.loads(self._connection.recv(LIMIT))
        return message

    def _request(self, code: str) -> dict[str, Any]:
        header = {
            "msg_id": uuid4().hex,
            "session": self._session,
            "username": "",
            "date": datetime.now(UTC).isoformat(),
            "msg_type": "execute_request",
            "version": "5.4",
        }
        return {
            "channel": "shell",
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": execute_request(code),
        }
