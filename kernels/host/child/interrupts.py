"""SIGINT, but never in the middle of what must not be torn."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Literal


class InterruptGate:
    """Holds an interrupt back while the main thread is inside ``with gate``.

    ``KeyboardInterrupt`` is raised between any two bytecodes: between two parts of a ZMQ message,
    too, whose rest would then be glued to the next one. What came while the gate was shut is raised
    when it opens. Other threads pass: signals are handled in the main one alone.
    """

    def __init__(self) -> None:
        self._main = threading.get_ident()
        self._depth = 0
        self._came = False

    def on_sigint(self, number: int, frame: FrameType | None) -> None:
        """The handler to install for SIGINT while a cell runs."""
        if self._depth:
            self._came = True
        else:
            signal.default_int_handler(number, frame)

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *failure: object) -> Literal[False]:
        if threading.get_ident() == self._main:
            self._depth -= 1
            if self._came and not self._depth:
                self._came = False
                raise KeyboardInterrupt
        return False
