"""How a server speaks to the kernel host over its Unix socket. Version 1.

A frame is four bytes, its length in network order, and that many bytes of JSON: an object. Frames
longer than ``LONGEST`` and anything that is no object end the connection.

The host greets with ``{"protocol": 1, "pid": …, "preloaded": […], "left_out": {module: why}}``.
After that the server asks and the host answers, in any order, by ``id``; what comes without one is
done and not answered::

    -> {"id": 1, "op": "start", "kernel": "…", "argv": […], "fork": true, "connection_file": "…",
        "workplace": {"environment": {…}, "working_dir": "…", "limits": {…}}}
    <- {"id": 1, "pid": 4711, "started": 987654}        once it can be connected to (fork), or has
                                                        been executed
    <- {"id": 1, "error": "…"}                          it could not be started, in a sentence

``signal`` {kernel, signal}
    To the kernel's process group. ``{"sent": false}`` when it is gone.
``list`` {}
    ``{"kernels": [{kernel, pid, started}], "deaths": [the last ones], "other_leases": …}``, the
    number of leases that other connections hold.
``lease`` {seconds}
    Holds the host and its kernels alive while this connection is open, and for as long after it.
    Without any, the host ends.
``stop`` {}
    Ends this lease at once, and so the host and its kernels if no other is held.
    ``{"stopping": …}`` says which.

And of its own accord the host tells every connection of every death, with ``pid``, ``exit_code`` or
``signal``, ``peak_memory`` in bytes, and the last of what the kernel itself wrote to stderr::

    <- {"death": "<kernel>", "pid": …, "exit_code": null, "signal": 9, "peak_memory": …, "stderr": "…"}

The key of a kernel's connection never passes here: it is in the connection file, which the kernel
reads itself.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from kernels.host.workplace import Workplace

VERSION = 1
#: Bytes of one frame: an environment and a command line are far smaller.
LONGEST = 4 * 1024 * 1024
_LENGTH = struct.Struct("!I")


class ProtocolError(Exception):
    """What came is not this protocol."""


def encode(message: dict[str, Any]) -> bytes:
    """One frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Cuts bytes, as they come, into messages."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete by now; raises :class:`ProtocolError`."""
        self._pending += data
        while len(self._pending) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._pending)
            if length > LONGEST:
                raise ProtocolError(f"a frame of {length} bytes")
            end = _LENGTH.size + length
            if len(self._pending) < end:
                return
            body = bytes(self._pending[_LENGTH.size : end])
            del self._pending[:end]
            yield _parse(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a frame that is no JSON") from error
    if not isinstance(message, dict):
        raise ProtocolError("a frame that is no object")
    return message


@dataclass(frozen=True, slots=True)
class StartOrder:
    """What is to be started."""

    #: A name for it, made up by whoever wants it.
    kernel: str
    #: Its command line; of a kernel that is forked, what it would have been.
    argv: tuple[str, ...]
    #: Whether the host is to fork itself, which already is that kernel, in place of executing it.
    fork: bool
    connection_file: str
    workplace: Workplace

    def as_message(self) -> dict[str, Any]:
        """The fields of a ``start``."""
        return {
            "op": "start",
            "kernel": self.kernel,
            "argv": list(self.argv),
            "fork": self.fork,
            "connection_file": self.connection_file,
            "workplace": self.workplace.as_mapping(),
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> StartOrder:
        """Read a ``start``; raises ValueError or KeyError."""
        argv, workplace = message["argv"], message["workplace"]
        if not isinstance(argv, list) or not argv or not isinstance(workplace, dict):
            raise ValueError("argv must be a list, and workplace an object")
        return cls(
            str(message["kernel"]),
            tuple(map(str, argv)),
            bool(message["fork"]),
            str(message["connection_file"]),
            Workplace.from_mapping(workplace),
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """How a kernel's process ended."""

    pid: int
    exit_code: int | None = None
    signal: int | None = None
    #: Bytes of memory at its peak, those it shared with the host included.
    peak_memory: int | None = None
    #: The last of what the process itself wrote to stderr.
    stderr: str = field(default="", repr=False)

    def as_message(self, kernel: str) -> dict[str, Any]:
        """What every connection is told."""
        return {"death": kernel} | asdict(self)

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Certificate:
        """Read a death."""
        return cls(
            int(message["pid"]),
            message.get("exit_code"),
            message.get("signal"),
            message.get("peak_memory"),
            str(message.get("stderr", "")),
        )
