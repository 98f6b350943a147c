"""Who watches a session: every event of its executions goes to all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

from kernels.runtime.types import Event, EventKind

#: Events, and characters in them, that wait for one slow watcher; past that, output is dropped.
WAITING_EVENTS = 1_000
WAITING_CHARS = 8 * 1024 * 1024
NEVER_DROPPED = frozenset({EventKind.STARTED, EventKind.ERROR, EventKind.DONE})


class Watcher:
    """One watcher's queue of events, bounded: a slow reader loses output, never the ends."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[Event, int]] = asyncio.Queue()
        self._chars = 0
        self.dropped = 0

    def put(self, event: Event) -> None:
        """Hand over one event; output past the bounds is dropped and counted."""
        chars = _chars(event)
        full = self._events.qsize() >= WAITING_EVENTS or self._chars + chars > WAITING_CHARS
        if full and event.kind not in NEVER_DROPPED:
            self.dropped += 1
            return
        self._chars += chars
        self._events.put_nowait((event, chars))

    async def get(self) -> Event:
        """The next event."""
        event, chars = await self._events.get()
        self._chars -= chars
        return event


class Watchers:
    """The watchers of each session of this process."""

    def __init__(self) -> None:
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)

    def publish(self, session: str, event: Event) -> None:
        """Give an event to all who watch that session."""
        for watcher in self._watchers.get(session, ()):
            watcher.put(event)

    @contextlib.contextmanager
    def watching(self, session: str) -> Iterator[Watcher]:
        """Watch a session, which need not exist yet, for as long as the block runs."""
        watcher = Watcher()
        self._watchers[session].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[session].discard(watcher)
            if not self._watchers[session]:
                del self._watchers[session]


def _chars(event: Event) -> int:
    """About how much an event weighs: the text of a stream, the data of a display."""
    data = event.payload.get("data")
    values = data.values() if isinstance(data, dict) else event.payload.values()
    return sum(len(value) for value in values if isinstance(value, str))
