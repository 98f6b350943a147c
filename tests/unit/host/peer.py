"""A connection to a host, byte by byte as the protocol says."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import Any

from kernels.host.protocol import Decoder, StartOrder, encode

Frame = dict[str, Any]

#: Seconds after which a test has waited in vain.
LIMIT = 10.0


class Peer:
    """A connection to a host: frames go out as they are, and come in with a limit."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        #: Deaths that came, by the kernel's name, and all answers that nobody has taken.
        self.deaths: dict[str, Frame] = {}
        self._answers: dict[Any, Frame] = {}
        self._ids = itertools.count(1)
        self._decoder = Decoder()
        self._frames: list[Frame] = []
        try:
            self.socket.connect(str(path))
            self.greeting = self.take()
        except BaseException:
            self.socket.close()
            raise

    def send(self, *messages: Frame) -> None:
        """Send messages, all at once."""
        self.socket.sendall(b"".join(map(encode, messages)))

    def take(self) -> Frame:
        """The next frame; raises ConnectionError when the host has ended the connection."""
        while not self._frames:
            data = self.socket.recv(64 * 1024)
            if not data:
                raise ConnectionResetError("the host has ended the connection")
            self._frames.extend(self._decoder.feed(data))
        return self._frames.pop(0)

    def ask(self, op: str, **fields: Any) -> Frame:
        """The answer to a message."""
        number = next(self._ids)
        self.send({"id": number, "op": op, **fields})
        return self.answer_to(number)

    def order(self, order: StartOrder) -> int:
        """Order a start; its answer is for :meth:`answer_to`."""
        number = next(self._ids)
        self.send({"id": number, **order.as_message()})
        return number

    def start(self, order: StartOrder) -> Frame:
        """The answer to a start."""
        return self.answer_to(self.order(order))

    def answer_to(self, number: int | str) -> Frame:
        """Wait for an answer."""
        while number not in self._answers:
            self._sort(self.take())
        return self._answers.pop(number)

    def death_of(self, kernel: str) -> Frame:
        """Wait for a death."""
        while kernel not in self.deaths:
            self._sort(self.take())
        return self.deaths.pop(kernel)

    def kernels(self) -> dict[str, int]:
        """The pids of the kernels that live, by name."""
        return {k["kernel"]: k["pid"] for k in self.ask("list")["kernels"]}

    def was_ended(self) -> bool:
        """Wait until the host has ended the connection; False if it stays open."""
        try:
            while True:
                self._sort(self.take())
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        """Close this end."""
        self.socket.close()

    def _sort(self, frame: Frame) -> None:
        if "death" in frame:
            self.deaths[frame["death"]] = frame
        else:
            self._answers[frame.get("id")] = frame
