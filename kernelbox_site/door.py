"""Who may come in: decided before anything else looks at a request, HTTP and WebSocket alike.

A page in a user's browser can send requests to a server on the same machine. So a request must call
the server by a name of its own (DNS rebinding), must not come from another site's page, and where a
token is set must carry it. Nothing here ever sends a CORS header.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson
from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    HTTPScope,
    Scope,
    WebSocketScope,
)

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
DEFAULT_PORTS = {"http": "80", "ws": "80", "https": "443", "wss": "443"}


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    """Whom the door lets in; sizes in bytes."""

    token: str = field(repr=False, default="")
    hosts: frozenset[str] = frozenset(LOCAL_NAMES)
    root_path: str = ""
    body_limit: int = 16 * 1024 * 1024
    #: Open without the token: health checks have none, and the admin has a log-in of its own.
    open_paths: tuple[str, ...] = ("/health",)
    open_prefixes: tuple[str, ...] = ("/admin/", "/static/")
    #: Where bodies may be forms: the admin's carry a token of their own against foreign pages.
    form_prefixes: tuple[str, ...] = ("/admin/",)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in."""

    status: int
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Door:
    """The ASGI application around all others."""

    def __init__(self, application: ASGI3Application, policy: DoorPolicy) -> None:
        self._application = application
        self._policy = policy

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Let the request in, or answer it here."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refuse(refusal, scope, receive, send)
        elif scope["type"] == "http":
            await self._let_in(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _let_in(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        body = _BoundedBody(receive, self._policy.body_limit)
        await self._application(scope, body.receive, send)
        if body.overflowed:
            await refuse(_too_large(self._policy.body_limit), scope, receive, send)

    def _refusal(self, scope: HTTPScope | WebSocketScope) -> Refusal | None:
        headers = _headers(scope)
        path = self._path(scope)
        return (
            self._wrong_host(headers)
            or _wrong_site(headers, scope["scheme"])
            or self._wrong_token(headers, path)
            or self._declared_too_large(headers)
            or self._wrong_type(headers, path)
        )

    def _path(self, scope: HTTPScope | WebSocketScope) -> str:
        return scope["path"].removeprefix(self._policy.root_path)

    def _wrong_host(self, headers: dict[bytes, bytes]) -> Refusal | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name in self._policy.hosts or host in self._policy.hosts:
            return None
        return Refusal(
            421,
            f"This server does not answer to the name {host!r}. "
            "KERNELBOX_ALLOWED_HOSTS lists the names that it answers to.",
        )

    def _wrong_token(self, headers: dict[bytes, bytes], path: str) -> Refusal | None:
        policy = self._policy
        is_open = path in policy.open_paths or path.startswith(policy.open_prefixes)
        if not policy.token or is_open:
            return None
        presented = presented_token(headers.get(b"authorization", b""))
        if hmac.compare_digest(presented, os.fsencode(policy.token)):
            return None
        detail = (
            "The token is not the server's."
            if presented
            else "This server wants its token: Authorization: Bearer …"
        )
        # Browsers ask for a password where they see Basic: the token is that password.
        wanted = b'Bearer, Basic realm="KernelBox: the token is the password"'
        return Refusal(401, detail, ((b"www-authenticate", wanted),))

    def _declared_too_large(self, headers: dict[bytes, bytes]) -> Refusal | None:
        declared = headers.get(b"content-length", b"0")
        limit = self._policy.body_limit
        return _too_large(limit) if declared.isdigit() and int(declared) > limit else None

    def _wrong_type(self, headers: dict[bytes, bytes], path: str) -> Refusal | None:
        """Bodies are JSON, which no page can send to another site without asking first."""
        has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        if not has_body or path.startswith(self._policy.form_prefixes):
            return None
        sent = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if sent == b"application/json":
            return None
        named = f"as {sent.decode('latin-1')!r}" if sent else "without a Content-Type"
        return Refusal(415, f"The body must be sent as 'application/json'; it came {named}.")


def presented_token(authorization: bytes) -> bytes:
    """The token in an ``Authorization`` header: as Bearer, as token, or as Basic's password."""
    scheme, _, value = authorization.partition(b" ")
    match scheme.lower():
        case b"bearer" | b"token":
            return value.strip()
        case b"basic":
            try:
                return base64.b64decode(value, validate=True).partition(b":")[2]
            except binascii.Error:
                return b""
        case _:
            return b""


def _wrong_site(headers: dict[bytes, bytes], scheme: str) -> Refusal | None:
    origin = headers.get(b"origin")
    if origin is not None:
        if _same_site(
            origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1"), scheme
        ):
            return None
        return Refusal(403, "Requests from another site's pages are not answered.")
    if headers.get(b"sec-fetch-site") == b"cross-site":
        return Refusal(403, "Requests from another site's pages are not answered.")
    return None


def _same_site(origin: str, host: str, scheme: str) -> bool:
    """Whether an ``Origin`` is the page that this very ``Host`` serves, default ports left out."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # Brackets that hold no IPv6 address.
        return False
    if not parts.netloc:
        return False
    port = DEFAULT_PORTS.get(parts.scheme, "")
    own_port = DEFAULT_PORTS.get(scheme, "")
    return parts.netloc.lower().removesuffix(f":{port}") == host.lower().removesuffix(
        f":{own_port}"
    )


def _headers(scope: HTTPScope | WebSocketScope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The body is over the limit of {limit} bytes (KERNELBOX_BODY_LIMIT).")


class _BoundedBody:
    """Passes a request's body on; past the limit the client counts as gone, and nothing is kept."""

    def __init__(self, receive: ASGIReceiveCallable, limit: int) -> None:
        self._receive = receive
        self._left = limit
        self.overflowed = False

    async def receive(self) -> ASGIReceiveEvent:
        """The next event of the request."""
        event = await self._receive()
        if event["type"] == "http.request":
            self._left -= len(event["body"])
            if self._left < 0:
                self.overflowed = True
                return {"type": "http.disconnect"}
        return event


async def refuse(
    refusal: Refusal,
    scope: HTTPScope | WebSocketScope,
    receive: ASGIReceiveCallable,
    send: ASGISendCallable,
) -> None:
    """Answer a request that is not let in; a WebSocket gets an HTTP answer where that is possible."""
    body = orjson.dumps({"detail": refusal.detail})
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *refusal.headers,
    ]
    if scope["type"] == "http":
        await send(
            {
                "type": "http.response.start",
                "status": refusal.status,
                "headers": headers,
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        await receive()  # websocket.connect
        await send(
            {
                "type": "websocket.http.response.start",
                "status": refusal.status,
                "headers": headers,
            }
        )
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail[:120]})
