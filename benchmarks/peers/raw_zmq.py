"""Plain ZMQ sockets on a kernel of our server: what a call costs without the server.

It is a server of its own, that the other's calls do not disturb. It stays connected to that kernel
and reads along, as it does for any client beside it.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.session import DELIM
from jupyter_client.session import Session as Signer

from benchmarks.peers.http_session import Caller
from benchmarks.peers.jupyter_messages import Heard, execute_request
from benchmarks.peers.session import LIMIT, Answer, CallFailed, Open
from tests.server import running_server

NAME = "raw zmq on the same kernel"
#: Milliseconds between two questions to a kernel that was not heard on ``iopub`` yet.
NUDGE_INTERVAL = 250


@contextlib.contextmanager
def serving() -> Iterator[Open]:
    """Start our server; its sessions are then spoken to past it, by their connection files."""
    with running_server() as server, contextlib.closing(Caller(server.port)) as caller:

        @contextlib.contextmanager
        def attached(name: str) -> Iterator[RawSession]:
            kernel = caller.request("POST", f"/sessions/{name}")
            info = json.loads(Path(kernel["connection_file"]).read_text())
            with contextlib.closing(RawSession(info)) as session:
                yield session

        yield attached


class RawSession:
    """A kernel's ``shell`` and ``iopub``, by the content of its connection file."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._signer = Signer(key=info["key"].encode(), signature_scheme=info["signature_scheme"])
        self._context = zmq.Context()
        self._shell = self._connected(zmq.DEALER, info, "shell")
        self._iopub = self._connected(zmq.SUB, info, "iopub")
        self._iopub.setsockopt(zmq.SUBSCRIBE, b"")
        while not self._iopub.poll(NUDGE_INTERVAL):  # The subscription takes its time.
            self._send("kernel_info_request", {})

    def execute(self, code: str) -> Answer:
        """Run code until both ``idle`` and its reply are here."""
        heard = Heard(self._send("execute_request", execute_request(code)))
        while not heard.is_idle:
            heard.take(self._receive(self._iopub))
        while not heard.is_replied:
            heard.take(self._receive(self._shell))
        return heard.answer()

    def close(self) -> None:
        """Close the sockets."""
        self._context.destroy(linger=0)

    def _connected(self, kind: int, info: dict[str, Any], channel: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.RCVTIMEO, int(LIMIT * 1_000))
        separator = "-" if info["transport"] == "ipc" else ":"
        socket.connect(f"{info['transport']}://{info['ip']}{separator}{info[f'{channel}_port']}")
        return socket

    def _send(self, msg_type: str, content: dict[str, Any]) -> str:
        message = self._signer.msg(msg_type, content)
        self._shell.send_multipart(self._signer.serialize(message))
        msg_id: str = message["header"]["msg_id"]
        return msg_id

    def _receive(self, socket: zmq.Socket[bytes]) -> dict[str, Any]:
        frames = socket.recv_multipart()
        signature, *parts = frames[frames.index(DELIM) + 1 :][:5]
        if not hmac.compare_digest(signature, self._signer.sign(parts)):
            raise CallFailed("the signature is not the kernel's")
        header, parent, _, content = parts
        return {
            "header": json.loads(header),
            "parent_header": json.loads(parent),
            "content": json.loads(content),
        }
