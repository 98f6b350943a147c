"""Django's ASGI handler without what the API has no use for.

For every request Django starts a task that listens for the client's going away, tells synchronous
receivers of ``request_started``, and closes the response in a thread: three hops and a task, about a
millisecond in all. The API needs none of it: an execution goes on when its client has gone, and its
views use the database through threads with connections of their own. Pages keep Django's own way.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.urls import set_script_prefix

PAGES = ("/admin/", "/docs", "/redoc", "/openapi.json")


class LeanASGIHandler(ASGIHandler):
    """Pages as Django does it; everything else straight from the body to the answer."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        prefix = get_script_prefix(scope)
        if scope["path"].removeprefix(prefix.rstrip("/")).startswith(PAGES):
            await super().handle(scope, receive, send)
            return
        try:
            body_file = await self.read_body(receive)
        except RequestAborted:
            return
        with body_file:
            set_script_prefix(prefix)
            request, refusal = self.create_request(scope, body_file)
            if request is not None:
                await self.send_response(await self.run_get_response(request), send)
            elif refusal is not None:
                await self.send_response(refusal, send)
