"""What an asynchronous DRF view costs by its base and by the ASGI handler in front of it.

``python -m benchmarks.view_bases``: a POST of a small JSON body to a view that validates it and
answers it, without a socket; the contestants take turns.
"""

from __future__ import annotations

import asyncio
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

from benchmarks.measure import Figures  # noqa: E402
from kernelbox_site.handler import LeanASGIHandler  # noqa: E402
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


async def measure() -> dict[str, Figures]:
    """All in turns."""
    with override_settings(ROOT_URLCONF=__name__):
        django_s, lean = ASGIHandler(), LeanASGIHandler()
        contestants = {
            "own base, lean handler": (lean, "own"),
            "own base, Django's handler": (django_s, "own"),
            "adrf's base, Django's handler": (django_s, "adrf"),
        }
        took: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(WARM_UP + ROUNDS):
            for name, (handler, where) in contestants.items():
                seconds = await one_request(handler, where)
                if number >= WARM_UP:
                    took[name].append(seconds)
    return {name: Figures.of(seconds) for name, seconds in took.items()}


def main() -> int:
    """Measure, and print a table."""
    print("| | p50 ms | p95 ms |\n|---|---|---|")
    for name, figures in asyncio.run(measure()).items():
        print(f"| {name} | {figures.p50:.2f} | {figures.p95:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
