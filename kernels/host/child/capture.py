"""What is written to a file descriptor itself, by a subprocess or a library in C."""

from __future__ import annotations

import codecs
import contextlib
import os

#: Bytes of one read, and at most of one turn: a finished subprocess leaves no more than a pipe
#: holds, and one that never stops must not keep a flush for ever.
READ_SIZE = 64 * 1024
MOST_A_TURN = 4 * READ_SIZE


class Capture:
    """A pipe in place of stdout or stderr."""

    def __init__(self, name: str, target: int, pipe: tuple[int, int] | None = None) -> None:
        """Put a pipe in the place of descriptor ``target``: a new one, or the one given."""
        self.name = name
        self.target = target
        self.read_end, write_end = pipe or os.pipe()
        os.set_blocking(self.read_end, False)
        os.dup2(write_end, target)
        os.close(write_end)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> str:
        """What has come since, or an empty string; never waits."""
        pieces = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_A_TURN // READ_SIZE):
                piece = os.read(self.read_end, READ_SIZE)
                if not piece:
                    break
                pieces.append(piece)
        return self._decoder.decode(b"".join(pieces))
