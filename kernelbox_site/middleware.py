"""What the admin needs, and the API does not pay for.

Django runs a synchronous middleware in a thread, at 0.2 ms a hop. Each of these steps aside for
every request that is not for the admin's pages.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.deprecation import MiddlewareMixin

ADMIN = "/admin/"
#: No script but our own files, no request to another host; kernels' HTML is shown in frames that
#: inherit this and are sandboxed besides.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-src 'self'; "
    "worker-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class _ForAdmin(MiddlewareMixin):
    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(ADMIN):
            return await super().__acall__(request)
        return await self.get_response(request)  # type: ignore[misc,no-any-return]


class AdminSecurityMiddleware(_ForAdmin, SecurityMiddleware):
    """``nosniff``, ``Referrer-Policy`` and their like."""


class AdminSessionMiddleware(_ForAdmin, SessionMiddleware):
    """Who is logged in."""


class AdminCsrfViewMiddleware(_ForAdmin, CsrfViewMiddleware):
    """Forms come from our own pages."""

    async def process_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Check forms of the admin; the API takes JSON alone, and no foreign ``Origin``.

        A coroutine, because Django would give a synchronous one a thread for every request.
        """
        if not request.path_info.startswith(ADMIN):
            return None
        return await sync_to_async(super().process_view)(request, *args, **kwargs)


class AdminAuthenticationMiddleware(_ForAdmin, AuthenticationMiddleware):
    """The user of a request."""


class AdminMessageMiddleware(_ForAdmin, MessageMiddleware):
    """What an action has to say."""


class PageHeadersMiddleware(MiddlewareMixin):
    """Headers of every page; what it may load among them. The API has its own handler."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers without a thread."""
        response: HttpResponseBase = await self.get_response(request)  # type: ignore[misc]
        return self.process_response(request, response)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the headers."""
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            response.headers["X-Frame-Options"] = "DENY"
            response.headers["Referrer-Policy"] = "same-origin"
        return response
