"""stdout and stderr of a kernel: everything in the order in which it was written.

Both streams, and what subprocesses write to descriptors 1 and 2, go through one buffer, so that the
order holds between them too; stock ipykernel keeps it within each stream alone.
"""

from __future__ import annotations

import io
import os
import select
from collections.abc import Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.session import Session, extract_header

from kernels.host.child.capture import Capture
from kernels.host.child.publisher import Publisher

Header = dict[str, Any]

#: Characters that wait at most: more are sent at once.
MOST_BUFFERED = 512 * 1024


@dataclass(slots=True)
class _Chunk:
    """Text of one stream and one cell that nothing came between."""

    stream: str
    parent: Header
    pieces: list[str] = field(default_factory=list)


class Output:
    """What was written and not yet sent."""

    def __init__(
        self, publisher: Publisher, session: Session, captures: Iterable[Capture], wake: int
    ) -> None:
        """``wake``: an eventfd that is written when something begins to wait to be sent."""
        self._publisher = publisher
        self._session = session
        self._captures = {capture.name: capture for capture in captures}
        self._wake = wake
        self._chunks: list[_Chunk] = []
        self._buffered = 0
        #: What was left to be finished at the last look.
        self._begun: _Chunk | None = None
        self._in_child = False
        self.streams = {name: Stream(self, name) for name in self._captures}
        self._ready = select.poll()
        for capture in self._captures.values():
            self._ready.register(capture.read_end, select.POLLIN)
        #: Whether somebody will come and flush by himself.
        self.attended = False

    @property
    def descriptors(self) -> list[int]:
        """Readable when a subprocess has written something."""
        return [capture.read_end for capture in self._captures.values()]

    def write(self, stream: str, text: str, parent: Header) -> None:
        """Add text to a stream; it is sent soon, or at the next :meth:`flush`."""
        if self._in_child:
            _write_all(self._captures[stream].target, text)
            return
        with self._publisher.lock:
            self._take_captured()
            self._add(stream, text, parent)
        if self._buffered > MOST_BUFFERED:
            self.flush()

    def flush(self) -> bool:
        """Send all that was written; whether there was anything."""
        if self._in_child:
            return False
        with self._publisher.gate, self._publisher.lock:
            self._take_captured()
            return self._send_all()

    def flush_lines(self) -> bool:
        """The same, but a line that has only just begun may wait until it is asked for again.

        ``print`` writes its text, and then the end of the line.
        """
        with self._publisher.gate, self._publisher.lock:
            self._take_captured()
            last = self._chunks[-1] if self._chunks else None
            if last is None or last is self._begun or last.pieces[-1].endswith("\n"):
                return self._send_all()
            self._begun = self._chunks.pop()
            self._send_all()
            self._chunks.append(self._begun)
            return True

    def _send_all(self) -> bool:
        chunks, self._chunks, self._buffered = self._chunks, [], 0
        for chunk in chunks:
            self._send(chunk)
        return bool(chunks)

    def collect(self) -> None:
        """Take what subprocesses have written, to be sent with the next flush."""
        with self._publisher.lock:
            self._take_captured()

    def after_fork(self) -> None:
        """In a forked child of the kernel: write to the descriptors, which the kernel reads."""
        self._in_child = True
        self._chunks = []

    def _take_captured(self) -> None:
        """What a subprocess wrote came before what is written now."""
        for descriptor, _ in self._ready.poll(0):
            for capture in self._captures.values():
                if capture.read_end == descriptor and (text := capture.read()):
                    self._add(capture.name, text, self.streams[capture.name].last_parent)

    def _add(self, stream: str, text: str, parent: Header) -> None:
        last = self._chunks[-1] if self._chunks else None
        if last is None or last.stream != stream or last.parent is not parent:
            last = _Chunk(stream, parent)
            self._chunks.append(last)
        last.pieces.append(text)
        self._buffered += len(text)
        if not self.attended:
            self.attended = True
            os.eventfd_write(self._wake, 1)

    def _send(self, chunk: _Chunk) -> None:
        text = "".join(chunk.pieces)
        if not text:
            return
        topic = f"stream.{chunk.stream}".encode()
        message = self._session.msg("stream", {"name": chunk.stream, "text": text}, chunk.parent)
        try:
            self._session.send(self._publisher, message, ident=topic)  # type: ignore[arg-type]
        except UnicodeEncodeError:  # Lone surrogates: shown as Python's own stderr would.
            message["content"]["text"] = text.encode("utf-8", "backslashreplace").decode()
            self._session.send(self._publisher, message, ident=topic)  # type: ignore[arg-type]


class Stream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr`` of a kernel, with what ipykernel asks of them."""

    encoding = "UTF-8"

    def __init__(self, output: Output, name: str) -> None:
        self.name = name
        self._output = output
        self._parent: ContextVar[Header] = ContextVar(f"parent_of_{name}")
        #: Of the cell that ran last, for threads and for subprocesses.
        self.last_parent: Header = {}

    @property
    def parent_header(self) -> Header:
        """Of the message that this thread or task answers."""
        return self._parent.get(self.last_parent)

    def set_parent(self, parent: Header) -> None:
        """What is written from now on answers ``parent``."""
        self.last_parent = extract_header(parent)
        self._parent.set(self.last_parent)

    def set_thread_parent(self, parent: Header) -> Token[Header]:
        """As :meth:`set_parent`, for the calling thread alone."""
        return self._parent.set(extract_header(parent))

    def reset_thread_parent(self, token: Token[Header]) -> None:
        """Undo :meth:`set_thread_parent`."""
        self._parent.reset(token)

    def write(self, text: str) -> int:
        """Add text; returns its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._output.write(self.name, text, self.parent_header)
        return len(text)

    def flush(self) -> None:
        """Send what was written so far, to either stream."""
        self._output.flush()

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The descriptor: what a subprocess writes there arrives as this stream's output."""
        return {"stdout": 1, "stderr": 2}[self.name]

    def close(self) -> None:
        """Nothing: the streams of a kernel live as long as it does."""


def _write_all(descriptor: int, text: str) -> None:
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    while data:
        data = data[os.write(descriptor, data) :]
