"""Whom the door lets in, asked at its ASGI side: every rule, without a server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from hypothesis import given
from hypothesis import strategies as st

from kernelbox_site.door import Door, DoorPolicy, presented_token

Header = tuple[bytes, bytes]

LOCAL = (b"host", b"localhost:8080")
JSON = (b"content-type", b"application/json")
TOKEN = "t0k:en"
ALLOWED = DoorPolicy(hosts=frozenset({"localhost", "127.0.0.1", "[::1]", "box.example"}))
GUARDED = DoorPolicy(token=TOKEN)


@dataclass
class Behind:
    """The application behind the door: it reads the whole body, and answers 200."""

    scopes: list[str] = field(default_factory=list)
    body: bytes = b""
    was_cut: bool = False

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self.scopes.append(scope["type"])
        if scope["type"] != "http":
            return
        while True:
            event = await receive()
            if event["type"] != "http.request":
                self.was_cut = True
                return
            self.body += event["body"]
            if not event["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": False})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})


@dataclass
class Answer:
    """What came out of the door, and whether anything behind it was reached."""

    messages: list[dict[str, Any]]
    behind: Behind

    @property
    def status(self) -> int:
        """The status of the one answer."""
        (start,) = [m for m in self.messages if m["type"].endswith("response.start")]
        return int(start["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the one answer."""
        (start,) = [m for m in self.messages if m["type"].endswith("response.start")]
        return dict(start["headers"])

    @property
    def detail(self) -> str:
        """The sentence in it."""
        (body,) = [m["body"] for m in self.messages if m["type"].endswith("response.body")]
        return str(json.loads(body)["detail"])


async def ask(
    policy: DoorPolicy,
    *headers: Header,
    path: str = "/kernels",
    kind: str = "http",
    scheme: str = "http",
    body: Sequence[bytes] = (b"",),
    extensions: Iterable[str] = (),
) -> Answer:
    """Bring one request, whose body comes in the given pieces, to a door with that policy."""
    messages: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = (
        [{"type": "websocket.connect"}]
        if kind == "websocket"
        else [
            {"type": "http.request", "body": piece, "more_body": number < len(body)}
            for number, piece in enumerate(body, start=1)
        ]
    )

    async def receive() -> Any:
        return events.pop(0)

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        "type": kind,
        "path": path,
        "scheme": scheme,
        "headers": headers,
        "extensions": {name: {} for name in extensions},
    }
    behind = Behind()
    await Door(behind, policy)(cast("Any", scope), receive, send)
    return Answer(messages, behind)


# -- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        b"localhost", b"localhost:8080", b"LocalHost:8080", b"127.0.0.1", b"127.0.0.1:80",
        b"[::1]", b"[::1]:8080", b"box.example", b"BOX.example:443",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_server_answers_to_its_own_names_with_and_without_a_port(
    host: bytes, kind: str
) -> None:
    answer = await ask(ALLOWED, (b"host", host), kind=kind)
    assert answer.behind.scopes == [kind]


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example", b"evil.example:8080", b"localhost.evil.example", b"evil-localhost",
        b"127.0.0.1.evil.example:8080", b"evil.example:localhost", b"localhost:80:80", b"::1",
        b"[::1", b"[::1]evil", b"[::2]:8080", b"localhost.", b"*", b"", b":8080", b"\xff",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/health", "/admin/", "/static/admin/css/base.css"])
async def test_it_answers_to_no_other_name_on_any_path(host: bytes, path: str) -> None:
    answer = await ask(ALLOWED, (b"host", host), path=path)
    assert answer.status == 421
    assert "KERNELBOX_ALLOWED_HOSTS" in answer.detail
    assert answer.behind.scopes == []


async def test_a_request_without_a_host_is_not_answered() -> None:
    answer = await ask(ALLOWED)
    assert (answer.status, answer.behind.scopes) == (421, [])


async def test_lifespan_passes_without_any_of_this() -> None:
    answer = await ask(GUARDED, kind="lifespan")
    assert answer.behind.scopes == ["lifespan"]


# -- pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        (b"http://localhost:8080", b"localhost:8080", "http"),
        (b"http://LOCALHOST:8080", b"localhost:8080", "http"),
        (b"http://localhost", b"localhost", "http"),
        (b"http://localhost", b"localhost:80", "http"),
        (b"http://localhost:80", b"localhost", "http"),
        (b"https://box.example", b"box.example", "https"),
        (b"https://box.example", b"box.example:443", "https"),
        (b"https://box.example:443", b"box.example", "wss"),
        (b"http://localhost", b"localhost:80", "ws"),
        (b"http://[::1]:8080", b"[::1]:8080", "http"),
        (b"http://[::1]", b"[::1]:80", "http"),
        # TLS ended by a proxy that is not trusted to say so.
        (b"https://box.example", b"box.example", "http"),
    ],
)
async def test_a_page_of_its_own_may_call_it(origin: bytes, host: bytes, scheme: str) -> None:
    kind = "websocket" if scheme.startswith("ws") else "http"
    headers = ((b"host", host), (b"origin", origin), (b"sec-fetch-site", b"same-origin"))
    answer = await ask(ALLOWED, *headers, kind=kind, scheme=scheme)
    assert answer.behind.scopes == [kind]


@pytest.mark.parametrize(
    "origin",
    [
        b"http://evil.example", b"null", b"", b"file://", b"localhost:8080",
        b"http://localhost", b"http://localhost:3000", b"http://localhost:80800",
        b"http://127.0.0.1:8080", b"http://[::1]:8080", b"http://[::1", b"http://a[b]c",
        b"http://localhost:8080@evil.example", b"http://evil.example@localhost:8080",
        b"http://localhost:8080.evil.example", b"http://evil.example/localhost:8080",
        b"http://localhost:8080 http://evil.example", b"\xff\xfe",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_page_of_another_site_may_not(origin: bytes, kind: str) -> None:
    extensions = ["websocket.http.response"]
    answer = await ask(ALLOWED, LOCAL, (b"origin", origin), kind=kind, extensions=extensions)
    assert answer.status == 403
    assert answer.detail.endswith(".")
    assert answer.behind.scopes == []


@given(st.binary(max_size=60))
async def test_no_origin_upsets_the_door(origin: bytes) -> None:
    assert (await ask(ALLOWED, LOCAL, (b"origin", origin))).status == 403


@pytest.mark.parametrize(
    ("site", "status"), [(b"cross-site", 403), (b"same-site", 200), (b"same-origin", 200), (b"none", 200)]
)  # fmt: skip
async def test_what_a_browser_calls_cross_site_is_refused_where_it_sends_no_origin(
    site: bytes, status: int
) -> None:
    assert (await ask(ALLOWED, LOCAL, (b"sec-fetch-site", site))).status == status


@pytest.mark.parametrize("host", [LOCAL, (b"host", b"evil.example")])
@pytest.mark.parametrize("origin", [b"http://localhost:8080", b"http://evil.example"])
async def test_no_answer_invites_other_sites(host: Header, origin: bytes) -> None:
    answer = await ask(GUARDED, host, (b"origin", origin))
    assert answer.status in (401, 403, 421)
    assert not [name for name in answer.headers if name.startswith(b"access-control")]


# -- tokens ----------------------------------------------------------------------------------


def basic(user: str, password: str) -> bytes:
    """An ``Authorization`` header as browsers send it."""
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer t0k:en", b"bearer t0k:en", b"Bearer   t0k:en ", b"token t0k:en", b"Token t0k:en",
        basic("", TOKEN), basic("anybody", TOKEN),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_token_opens_in_every_form(authorization: bytes, kind: str) -> None:
    answer = await ask(GUARDED, LOCAL, (b"authorization", authorization), kind=kind)
    assert answer.behind.scopes == [kind]


@pytest.mark.parametrize(
    "authorization",
    [
        b"", b"Bearer", b"Bearer ", b"Bearer t0k:e", b"Bearer t0k:en2", b"Bearer T0K:EN", b"t0k:en",
        b"Bearer\tt0k:en", b"Digest t0k:en", b"Bearer \xff\xfe", b"Bearer " + b"x" * 1_000_000,
        b"Basic", b"Basic !!!", b"Basic \xff", b"Basic dDBrOmVu", basic(TOKEN, ""), basic("t0k", "en"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_nothing_else_does(authorization: bytes, kind: str) -> None:
    answer = await ask(
        GUARDED, LOCAL, (b"authorization", authorization),
        kind=kind, extensions=["websocket.http.response"],
    )  # fmt: skip
    assert answer.status == 401
    assert answer.behind.scopes == []
    assert b"Bearer" in answer.headers[b"www-authenticate"]
    assert b"Basic" in answer.headers[b"www-authenticate"]
    assert TOKEN not in answer.detail


async def test_a_token_that_is_missing_and_one_that_is_wrong_are_told_apart() -> None:
    missing = await ask(GUARDED, LOCAL)
    wrong = await ask(GUARDED, LOCAL, (b"authorization", b"Bearer no"))
    assert missing.detail == "This server wants its token: Authorization: Bearer …"
    assert wrong.detail == "The token is not the server's."


async def test_a_token_need_not_be_ascii_nor_even_utf_8() -> None:
    policy = DoorPolicy(token=b"t\xc3\xb8ken \xff".decode("utf-8", "surrogateescape"))
    answer = await ask(policy, LOCAL, (b"authorization", b"Bearer t\xc3\xb8ken \xff"))
    assert answer.status == 200


@given(st.binary(max_size=80))
def test_no_authorization_upsets_the_door(authorization: bytes) -> None:
    assert TOKEN.encode() not in presented_token(authorization) or TOKEN.encode() in authorization


@pytest.mark.parametrize("path", ["/health", "/admin/", "/admin/login/", "/static/admin/base.css"])
async def test_health_the_admin_and_static_files_are_open(path: str) -> None:
    assert (await ask(GUARDED, LOCAL, path=path)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/", "/docs", "/redoc", "/openapi.json", "/kernels", "/health/", "/healthy", "/health/../kernels",
        "/admin", "/administer", "/static", "//admin/", "/x/admin/", "/HEALTH", "/Admin/", "",
    ],
)  # fmt: skip
async def test_every_other_path_is_not(path: str) -> None:
    assert (await ask(GUARDED, LOCAL, path=path)).status == 401


@pytest.mark.parametrize(("path", "status"), [("/box/health", 200), ("/box/kernels", 401)])
async def test_a_prefix_does_not_change_what_is_open(path: str, status: int) -> None:
    policy = DoorPolicy(token=TOKEN, root_path="/box")
    assert (await ask(policy, LOCAL, path=path)).status == status


async def test_the_token_does_not_open_to_another_name_or_page() -> None:
    token = (b"authorization", b"Bearer t0k:en")
    assert (await ask(GUARDED, (b"host", b"evil.example"), token)).status == 421
    assert (await ask(GUARDED, LOCAL, (b"origin", b"null"), token)).status == 403


def test_the_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(GUARDED)


# -- bodies ----------------------------------------------------------------------------------

SMALL = DoorPolicy(body_limit=10)


async def test_a_body_that_is_declared_too_large_is_not_even_read() -> None:
    answer = await ask(SMALL, LOCAL, JSON, (b"content-length", b"11"), body=())
    assert (answer.status, answer.behind.scopes) == (413, [])
    assert "10 bytes (KERNELBOX_BODY_LIMIT)" in answer.detail


@pytest.mark.parametrize("pieces", [[b"1234567890"], [b"12345", b"67890"], [b""] * 20 + [b"1"]])
async def test_a_body_up_to_the_limit_is_passed_on(pieces: list[bytes]) -> None:
    answer = await ask(SMALL, LOCAL, JSON, (b"transfer-encoding", b"chunked"), body=pieces)
    assert (answer.status, answer.behind.body) == (200, b"".join(pieces))


@pytest.mark.parametrize("pieces", [[b"12345678901"], [b"1234567890", b"1"], [b"12345"] * 100])
async def test_a_body_that_grows_past_the_limit_is_cut_off(pieces: list[bytes]) -> None:
    answer = await ask(SMALL, LOCAL, JSON, (b"transfer-encoding", b"chunked"), body=pieces)
    assert answer.status == 413
    assert answer.behind.was_cut
    assert len(answer.behind.body) <= 10


async def test_a_length_that_is_no_number_is_counted_as_it_comes() -> None:
    headers = (LOCAL, JSON, (b"content-length", b"many"))
    assert (await ask(SMALL, *headers, body=[b"1" * 11])).status == 413


@pytest.mark.parametrize(
    "content_type",
    [
        b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
        b"text/json", b"application/jsonp", b"application/json2; a=application/json", b"",
    ],
)  # fmt: skip
@pytest.mark.parametrize("length", [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")])
async def test_a_body_that_a_page_can_send_anywhere_is_refused(
    content_type: bytes, length: Header
) -> None:
    answer = await ask(ALLOWED, LOCAL, length, (b"content-type", content_type), body=[b"{}"])
    assert (answer.status, answer.behind.scopes) == (415, [])
    assert "application/json" in answer.detail


async def test_a_body_without_a_type_is_refused() -> None:
    answer = await ask(ALLOWED, LOCAL, (b"content-length", b"2"), body=[b"{}"])
    assert answer.status == 415
    assert answer.detail.endswith("without a Content-Type.")


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"Application/JSON", b"application/json; charset=utf-8"]
)
async def test_json_without_an_origin_is_let_in(content_type: bytes) -> None:
    headers = (LOCAL, (b"content-length", b"2"), (b"content-type", content_type))
    assert (await ask(ALLOWED, *headers, body=[b"{}"])).behind.body == b"{}"


async def test_without_a_body_the_type_does_not_matter() -> None:
    headers = (LOCAL, (b"content-length", b"0"), (b"content-type", b"text/plain"))
    assert (await ask(ALLOWED, *headers)).status == 200


async def test_the_admin_takes_forms() -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    answer = await ask(
        ALLOWED, LOCAL, form, (b"content-length", b"3"), path="/admin/login/", body=[b"a=b"]
    )
    assert answer.status == 200


# -- WebSockets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"evil.example")], 421),
        ([LOCAL, (b"origin", b"null")], 403),
        ([LOCAL], 401),
    ],
)
async def test_a_websocket_is_refused_before_it_is_one(headers: list[Header], status: int) -> None:
    answer = await ask(GUARDED, *headers, kind="websocket", extensions=["websocket.http.response"])
    assert (answer.status, answer.behind.scopes) == (status, [])
    assert answer.headers[b"content-type"] == b"application/json"


async def test_a_server_that_cannot_answer_a_websocket_in_http_closes_it() -> None:
    answer = await ask(ALLOWED, (b"host", b"e" * 500), kind="websocket")
    (message,) = answer.messages
    assert (message["type"], message["code"]) == ("websocket.close", 1008)
    assert 0 < len(message["reason"]) <= 123  # RFC 6455, section 5.5
