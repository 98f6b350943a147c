"""What an asynchronous DRF view costs by its base: adrf's, or ``kernels/api/base.py``.

``python -m benchmarks.view_bases``: a POST of a small JSON body to a view that validates it and
answers it, through Django's ASGI handler, without a socket; the two take turns.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import Any

import django
from django.core.handlers.asgi import ASGIHandler
from django.test.utils import override_settings
from django.urls import path

django.setup()

from adrf.viewsets import ViewSet as AdrfViewSet  # noqa: E402 - needs the apps
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from kernels.api.base import AsyncViewSet  # noqa: E402
from sessions_app.api.serializers import ExecuteSerializer  # noqa: E402

ROUNDS = 1_500
WARM_UP = 100
BODY = b'{"code": "1+1"}'
ANSWER = {"status": "success", "output": "", "return_value": "2"}


class OwnView(AsyncViewSet):
    """On this project's base."""

    async def create(self, request: Request) -> Response:
        """Validate and answer."""
        self.valid(ExecuteSerializer)
        return Response(ANSWER)


class AdrfView(AdrfViewSet):  # type: ignore[misc]
    """On adrf's base."""

    async def create(self, request: Request) -> Response:
        """Validate and answer."""
        serializer = ExecuteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(ANSWER)


urlpatterns = [
    path("own", OwnView.as_view({"post": "create"})),
    path("adrf", AdrfView.as_view({"post": "create"})),
]


async def one_request(application: ASGIHandler, where: str) -> float:
    """Seconds for one request."""
    messages: list[dict[str, Any]] = []
    body_sent = False

    async def receive() -> dict[str, Any]:
        nonlocal body_sent
        if body_sent:
            await asyncio.Event().wait()  # a client that waits for its answer
        body_sent = True
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": f"/{where}",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(BODY)).encode()),
        ],
        "state": {},
    }
    begun = time.perf_counter()
    await application(scope, receive, send)  # type: ignore[arg-type]
    took = time.perf_counter() - begun
    assert messages[0]["status"] == 200, messages
    return took


async def measure() -> dict[str, list[float]]:
    """Both bases in turns."""
    with override_settings(ROOT_URLCONF=__name__):
        application = ASGIHandler()
        took: dict[str, list[float]] = {"own": [], "adrf": []}
        for number in range(WARM_UP + ROUNDS):
            for where, seconds in took.items():
                spent = await one_request(application, where)
                if number >= WARM_UP:
                    seconds.append(spent)
    return took


def main() -> int:
    """Measure, and print a table."""
    print("| base | p50 ms | p95 ms |\n|---|---|---|")
    for name, seconds in asyncio.run(measure()).items():
        p95 = statistics.quantiles(seconds, n=20)[-1]
        print(f"| {name} | {statistics.median(seconds) * 1e3:.2f} | {p95 * 1e3:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
