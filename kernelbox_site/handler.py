"""Django's ASGI handler without what the API has no use for.

For every request Django starts a task that listens for the client's going away, tells synchronous
receivers of ``request_started``, and closes the response in a thread: three hops and a task, about a
millisecond in all. The API needs none of it: an execution goes on when its client has gone, and its
views use the database through threads with connections of their own. Nor does it need the middleware,
which is all for the admin: each would be a coroutine more for every request. Pages keep Django's own
way.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse
from django.urls import set_script_prefix

PAGES = ("/admin/", "/docs", "/redoc", "/openapi.json")


class LeanASGIHandler(ASGIHandler):
    """Pages as Django does it; everything else straight from the body to the answer."""

    def __init__(self) -> None:
        super().__init__()
        self._api = _ApiHandler()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        prefix = get_script_prefix(scope)
        if scope["path"].removeprefix(prefix.rstrip("/")).startswith(PAGES):
            await super().__call__(scope, receive, send)
        else:
            await self._api.handle(scope, receive, send)


class _ApiHandler(ASGIHandler):
    """No middleware, no signals, no task."""

    def load_middleware(self, is_async: bool = False) -> None:
        """None of it."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        respond: Any = getattr(self, "_get_response_async")  # noqa: B009 - private
        self._middleware_chain = convert_exception_to_response(respond)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        body = await _whole_body(receive)
        if body is None:
            return
        set_script_prefix(get_script_prefix(scope))
        request, refusal = self.create_request(scope, BytesIO(body))
        response: Any = refusal if request is None else await self.run_get_response(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        await _send_whole(response, send)


async def _whole_body(receive: Any) -> bytes | None:
    """The body, whose size the door has bounded; None when the client has gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send_whole(response: HttpResponse, send: Any) -> None:
    """Send an answer that is all there; the API has no other."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
