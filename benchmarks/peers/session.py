"""What a workload sees of a contestant: sessions that run code, behind whatever protocol."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from websockets.exceptions import WebSocketException

#: Seconds for any one answer.
LIMIT = 60.0


class CallFailed(Exception):
    """A contestant answered, but not that the code ran to its end."""


#: What a call may raise through no fault of the benchmark's.
FAILURES = (CallFailed, OSError, http.client.HTTPException, WebSocketException)


@dataclass(frozen=True, slots=True)
class Answer:
    """What code printed, and the last expression's value as text."""

    output: str
    value: str | None


class Session(Protocol):
    """One kernel of a contestant, whose variables stay."""

    def execute(self, code: str) -> Answer:
        """Run code and wait for its end; raises one of :data:`FAILURES` if it fails."""


#: Opens the session of that name, new if nobody has used it. It is the client's side that ends with
#: the context; kernels end with their server.
Open = Callable[[str], AbstractContextManager[Session]]
#: Starts a contestant, and ends it with the context.
Serving = Callable[[], AbstractContextManager[Open]]
