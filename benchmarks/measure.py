"""What all workloads need: a lean HTTP client, a clock, and figures of a series."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

#: Seconds for any one answer.
LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """A series of times, in milliseconds."""

    count: int
    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Figures:
        """The figures of a series of seconds."""
        p95 = statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
        return cls(len(seconds), statistics.median(seconds) * 1e3, p95 * 1e3)


class Caller:
    """One kept-alive connection to a KernelBox API."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request; raises unless it is answered by a 2xx."""
        payload = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if payload else {}
        self._connection.request(method, path, payload, headers)
        response = self._connection.getresponse()
        content = response.read()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:200]!r}")
        return json.loads(content)

    def execute(self, session: str, code: str) -> dict[str, Any]:
        """Run code in a session."""
        result: dict[str, Any] = self.request(
            "POST", f"/sessions/{session}/execute", {"code": code}
        )
        return result

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def timed(work: Callable[[], Any]) -> float:
    """Seconds that ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turns(
    contestants: dict[str, Callable[[], Any]], rounds: int, warm_up: int = 0
) -> dict[str, Figures]:
    """Time each contestant once a round: what disturbs the machine disturbs them alike."""
    took: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(warm_up + rounds):
        for name, work in contestants.items():
            seconds = timed(work)
            if number >= warm_up:
                took[name].append(seconds)
    return {name: Figures.of(seconds) for name, seconds in took.items()}
