"""The part of Jupyter's messages that is needed to run code.

https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers.session import Answer, CallFailed


def execute_request(code: str) -> dict[str, Any]:
    """The content of a request to run code."""
    return {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }


class Heard:
    """What has been heard of one execution, by the ``msg_id`` of its request."""

    def __init__(self, msg_id: str) -> None:
        self._msg_id = msg_id
        self._output: list[str] = []
        self._value: str | None = None
        self._status: str | None = None
        #: Whether the kernel said that it has sent all there is on ``iopub``.
        self.is_idle = False

    @property
    def is_replied(self) -> bool:
        """Whether the reply on ``shell`` is here."""
        return self._status is not None

    def take(self, message: dict[str, Any]) -> None:
        """Take one message in; what belongs to another request is passed over."""
        if message["parent_header"].get("msg_id") != self._msg_id:
            return
        content = message["content"]
        match message["header"]["msg_type"]:
            case "status":
                self.is_idle = content["execution_state"] == "idle"
            case "execute_reply":
                self._status = content["status"]
            case "stream":
                self._output.append(content["text"])
            case "execute_result":
                self._value = content["data"].get("text/plain")

    def answer(self) -> Answer:
        """What came of it; raises :class:`CallFailed` if the code failed."""
        if self._status != "ok":
            raise CallFailed(f"the kernel replied {self._status}")
        return Answer("".join(self._output), self._value)
