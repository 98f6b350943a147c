"""A kernel as its user meets it: cells go in by jupyter_client's own session, output comes back."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.session import Session

from tests.unit.host.peer import LIMIT


@dataclass(slots=True)
class Said:
    """What a cell put out."""

    stdout: str = ""
    stderr: str = ""
    value: str = ""
    #: The exception's name and what it says.
    error: str = ""
    #: The types of all messages on iopub, in order.
    types: list[str] = field(default_factory=list)


class Notebook:
    """Sockets to one kernel; :meth:`close` them."""

    def __init__(self, connection_file: Path) -> None:
        """Connect, and return when the kernel has said that its output arrives here."""
        info = json.loads(connection_file.read_text())
        self._session = Session(key=info["key"].encode())
        self._context = zmq.Context()
        self._context.linger = 0
        separator = "-" if info["transport"] == "ipc" else ":"
        self._address = f"{info['transport']}://{info['ip']}{separator}"
        self._ports = info
        self._shell = self._connected("shell", zmq.DEALER)
        self._control: zmq.Socket[bytes] | None = None
        self._iopub = self._connected("iopub", zmq.SUB)
        self._iopub.subscribe(b"")
        try:
            self.welcome = self._receive(self._iopub)
        except BaseException:
            self.close()
            raise

    def send(self, code: str) -> str:
        """Send a cell; returns the id of the message."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        return self.request("execute_request", content)

    def request(self, msg_type: str, content: dict[str, Any], channel: str = "shell") -> str:
        """Send any request; returns its id."""
        if channel == "control" and self._control is None:
            self._control = self._connected("control", zmq.DEALER)
        socket = self._control if channel == "control" else self._shell
        message = self._session.msg(msg_type, content)
        self._session.send(socket, message)
        return str(message["header"]["msg_id"])

    def reply(self, msg_id: str) -> dict[str, Any]:
        """The reply to a request on the shell channel."""
        while (message := self._receive(self._shell))["parent_header"]["msg_id"] != msg_id:
            continue
        return message

    def run(self, code: str) -> Said:
        """Run a cell, and return when it is done."""
        return self.until_idle(self.send(code))

    def value(self, code: str) -> Any:
        """The value, a literal, of a cell."""
        said = self.run(code)
        assert not said.error, said.error
        return ast.literal_eval(said.value)

    def until_idle(self, msg_id: str) -> Said:
        """What a cell put out, once it is done."""
        said = Said()
        while True:
            message = self._receive(self._iopub)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            said.types.append(message["msg_type"])
            content = message["content"]
            if message["msg_type"] == "stream":
                setattr(said, content["name"], getattr(said, content["name"]) + content["text"])
            elif message["msg_type"] == "execute_result":
                said.value = content["data"]["text/plain"]
            elif message["msg_type"] == "error":
                said.error = f"{content['ename']}: {content['evalue']}"
            elif content.get("execution_state") == "idle":
                return said

    def wait_for_text(self, text: str) -> None:
        """Wait for what a cell that still runs has printed."""
        while text not in self._receive(self._iopub)["content"].get("text", ""):
            continue

    def close(self) -> None:
        """Close the sockets."""
        self._context.destroy(linger=0)

    def _connected(self, channel: str, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.connect(f"{self._address}{self._ports[f'{channel}_port']}")
        return socket

    def _receive(self, socket: zmq.Socket[bytes]) -> dict[str, Any]:
        assert socket.poll(round(LIMIT * 1_000)), "the kernel says nothing"
        _, frames = self._session.feed_identities(socket.recv_multipart())
        message: dict[str, Any] = self._session.deserialize(frames)
        return message
