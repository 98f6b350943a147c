"""KernelBox's HTTP API, as this project and the original speak it."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.peers.session import LIMIT, Answer, CallFailed, Open


class Caller:
    """One kept-alive connection to an API that speaks JSON; ``limit`` in seconds for an answer."""

    def __init__(
        self, port: int, headers: Mapping[str, str] | None = None, limit: float = LIMIT
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit)
        self._headers = {"Content-Type": "application/json", **(headers or {})}

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request; raises :class:`CallFailed` unless it is answered by a 2xx."""
        payload = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, payload, self._headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # The next request opens it anew.
            raise
        if not 200 <= response.status < 300:
            raise CallFailed(f"{method} {path}: {response.status} {content[:200]!r}")
        return json.loads(content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class HttpSession:
    """A session by its name."""

    def __init__(self, caller: Caller, name: str) -> None:
        self._caller = caller
        self._path = f"/sessions/{name}/execute"

    def execute(self, code: str) -> Answer:
        """Run code and wait for its end."""
        result = self._caller.request("POST", self._path, {"code": code})
        if result["status"] != "success":
            error = result["error"] or {}
            raise CallFailed(f"{result['status']} {error.get('ename')}: {error.get('evalue')}")
        return Answer(result["output"], result["return_value"])


def sessions(port: int) -> Open:
    """Sessions of the server on that port, each with a connection of its own."""

    @contextlib.contextmanager
    def opened(name: str) -> Iterator[HttpSession]:
        with contextlib.closing(Caller(port)) as caller:
            yield HttpSession(caller, name)

    return opened
