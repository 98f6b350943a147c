"""Text of any length in bounded memory: the head and the tail are kept, the middle is counted."""

from __future__ import annotations

from collections import deque


def cut_marker(missing: int) -> str:
    """What stands in the place of ``missing`` characters."""
    return f"\n...[{missing} characters truncated by kernelbox]...\n"


def cut_text(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters: its head, a marker, its tail."""
    if len(text) <= limit:
        return text
    marker = cut_marker(len(text) - limit)
    # The marker's own length changes what is missing, and that its length: two rounds settle it.
    for _ in range(2):
        marker = cut_marker(len(text) - max(limit - len(marker), 0))
    keep = limit - len(marker)
    if keep < 0:  # No room for the marker itself.
        return text[:limit]
    head = keep // 2
    return text[:head] + marker + text[len(text) - (keep - head) :]


class Tail:
    """The last ``limit`` characters of a stream, whatever the size and number of its pieces."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: deque[str] = deque()
        self._length = 0
        self.dropped = 0

    def __len__(self) -> int:
        return self._length

    def append(self, text: str) -> None:
        """Add ``text`` at the end, and drop as much from the front as is over the limit."""
        if not text:
            return
        self._pieces.append(text)
        self._length += len(text)
        excess = self._length - self._limit
        while excess > 0:
            first = self._pieces.popleft()
            if len(first) > excess:
                self._pieces.appendleft(first[excess:])
                first = first[:excess]
            excess -= len(first)
            self._length -= len(first)
            self.dropped += len(first)

    def text(self) -> str:
        """What is kept, as one string."""
        return "".join(self._pieces)
