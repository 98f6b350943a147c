"""A page in the user's browser against a server on the same machine, over real sockets."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.live.conftest import eventually
from tests.server import ROOT, Server, clean_environment, running_server

pytestmark = pytest.mark.any_database

LIMIT = 30
BODY_LIMIT = 16 * 1024 * 1024
STATIC = "/static/admin/css/base.css"
JSON = {"Content-Type": "application/json"}
EXECUTE = "/sessions/door/execute"
#: One of each kind of route, with what answers it behind the door.
ROUTES = [
    ("GET", "/"), ("GET", "/health"), ("GET", "/docs"), ("GET", "/redoc"), ("GET", "/openapi.json"),
    ("GET", "/kernels"), ("GET", "/sessions"), ("GET", "/executions"), ("GET", "/admin/"),
    ("GET", "/admin/login/"), ("GET", STATIC), ("GET", "/static/nothing"),
    ("GET", "/nothing"), ("HEAD", "/health"), ("OPTIONS", "/kernels"), ("DELETE", "/kernels"),
    ("POST", EXECUTE), ("POST", "/kernels"), ("POST", "/admin/login/"),
]  # fmt: skip


def invites_nobody(response: httpx.Response) -> None:
    """No answer whatsoever may have a CORS header."""
    invitations = [name for name in response.headers if name.startswith("access-control")]
    assert not invitations, f"{response.request.url} answered with {invitations}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for the module; it may have failed at nothing in the end."""
    with running_server({"KERNELBOX_ALLOWED_HOSTS": "box.example, [fd00::5]"}) as server:
        yield server
        assert "Exception in ASGI application" not in server.log()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client that looks at every answer for CORS headers."""
    with server.client(event_hooks={"response": [invites_nobody]}) as client:
        yield client


def run(client: httpx.Client, code: str, **headers: str) -> httpx.Response:
    """Run code in the module's session."""
    return client.post(EXECUTE, json={"code": code}, headers=headers)


def is_well(client: httpx.Client) -> bool:
    """Whether the server still runs code."""
    return bool(run(client, "6 * 7").json()["return_value"] == "42")


def sentence(response: httpx.Response) -> str:
    """The sentence of a refusal, which always has one."""
    found = json.dumps(response.json())
    assert found.rstrip('}"] ').endswith(".") or "line 1 column" in found, found
    return found


# -- the names it answers to -----------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost.evil.example", "[::2]:{port}"]
)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_it_answers_to_no_other_name_on_any_route(
    server: Server, client: httpx.Client, method: str, path: str, host: str
) -> None:
    response = client.request(method, path, headers={"Host": host.format(port=server.port)})
    assert response.status_code == 421
    assert method == "HEAD" or "KERNELBOX_ALLOWED_HOSTS" in sentence(response)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:{port}", "LOCALHOST", "127.0.0.1", "127.0.0.1:{port}", "[::1]",
        "[::1]:{port}", "box.example", "box.example:8443", "Box.Example", "[fd00::5]:{port}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/health", "/executions", "/admin/login/", STATIC])
def test_it_answers_to_its_own_names_with_and_without_a_port(
    server: Server, client: httpx.Client, host: str, path: str
) -> None:
    response = client.get(path, headers={"Host": host.format(port=server.port)})
    assert response.status_code == 200


def test_a_request_without_a_host_is_not_answered(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), LIMIT) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 421 ")


# -- the pages it answers to -----------------------------------------------------------------

FOREIGN = ["http://evil.example", "https://evil.example", "null", "", "file://", "http://localhost:3000", "http://[::1"]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_page_of_another_site_is_not_answered(
    client: httpx.Client, method: str, path: str, origin: str
) -> None:
    response = client.request(method, path, headers={"Origin": origin})
    assert response.status_code == 403
    assert method == "HEAD" or "another site's pages" in sentence(response)


@pytest.mark.parametrize("path", ["/kernels", EXECUTE, "/health", "/admin/login/"])
@pytest.mark.parametrize("origin", FOREIGN)
def test_a_preflight_of_another_site_is_not_answered(
    client: httpx.Client, path: str, origin: str
) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}  # fmt: skip
    response = client.options(path, headers={"Origin": origin, **asked})
    assert response.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/", "/health", "/kernels", "/kernels/x", "/sessions", "/sessions/x", EXECUTE, "/executions",
        "/docs", "/redoc",
        STATIC,
    ],
)  # fmt: skip
def test_its_own_pages_have_nothing_to_preflight(
    server: Server, client: httpx.Client, path: str
) -> None:
    response = client.options(path, headers={"Origin": f"http://127.0.0.1:{server.port}"})
    assert response.status_code == 405


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "box.example"])
def test_a_page_of_its_own_may_run_code(server: Server, client: httpx.Client, name: str) -> None:
    host = f"{name}:{server.port}"
    own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert run(client, "'ran'", **own).json()["return_value"] == "'ran'"


def test_a_page_under_another_of_its_names_may_not(server: Server, client: httpx.Client) -> None:
    response = run(client, "1", Origin=f"http://localhost:{server.port}")
    assert response.status_code == 403


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_what_a_browser_calls_cross_site_is_refused_without_an_origin_too(
    client: httpx.Client, method: str, path: str
) -> None:
    response = client.request(method, path, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_the_user_typed_is_answered(client: httpx.Client, site: str) -> None:
    assert client.get("/docs", headers={"Sec-Fetch-Site": site}).status_code == 200


# -- what it takes for a body ----------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/json", ""],
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", EXECUTE), ("POST", "/kernels"), ("POST", "/sessions/x/interrupt"), ("DELETE", "/kernels")],
)  # fmt: skip
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_that_any_page_can_send_is_refused(
    client: httpx.Client, content_type: str, method: str, path: str, chunked: bool
) -> None:
    body = b'{"code": "1"}'
    response = client.request(
        method, path, content=iter([body]) if chunked else body, headers={"Content-Type": content_type}
    )  # fmt: skip
    assert response.status_code == 415
    assert "application/json" in sentence(response)


def test_a_body_without_a_type_is_refused(client: httpx.Client) -> None:
    response = client.post(EXECUTE, content=b'{"code": "1"}')
    assert response.status_code == 415
    assert "Content-Type" in sentence(response)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_json_without_an_origin_runs(client: httpx.Client, chunked: bool) -> None:
    body = b'{"code": "40 + 2"}'
    response = client.post(EXECUTE, content=iter([body]) if chunked else body, headers=JSON)
    assert response.json()["return_value"] == "42"


# -- how large a body may be -----------------------------------------------------------------


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT)
    connection.putrequest("POST", EXECUTE)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(BODY_LIMIT + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert f"{BODY_LIMIT} bytes (KERNELBOX_BODY_LIMIT)" in json.loads(response.read())["detail"]
    connection.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_that_is_too_large_is_refused(client: httpx.Client, chunked: bool) -> None:
    piece = b" " * 1024 * 1024
    pieces = itertools.repeat(piece, BODY_LIMIT // len(piece) + 1)
    response = client.post(EXECUTE, content=pieces if chunked else b"".join(pieces), headers=JSON)
    assert response.status_code == 413
    assert "KERNELBOX_BODY_LIMIT" in sentence(response)
    assert is_well(client)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_just_within_the_limit_runs(client: httpx.Client, chunked: bool) -> None:
    body = b'{"code": "6 * 7"' + b" " * (BODY_LIMIT - 17) + b"}"
    assert len(body) == BODY_LIMIT
    response = client.post(EXECUTE, content=iter([body]) if chunked else body, headers=JSON)
    assert response.json()["return_value"] == "42"


def test_ten_megabytes_of_code_run(client: httpx.Client) -> None:
    result = run(client, "#" + "x" * 10_000_000 + "\n6 * 7").json()
    assert (result["status"], result["return_value"]) == ("success", "42")


# -- what is no request at all ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"code": ', b"nonsense", b'{"code": "1"} {"code": "2"}', b"\xff\xfe{}", b"[]", b'"code"', b"1", b"null",
        b'{"code": "1", "timeout": NaN}', b'{"code": "1", "timeout": ' + b"9" * 5_000 + b"}",
        b'{"code": "a\\u0000b"}', b'{"code": "a\x00b"}',
        b'{"code": "\\ud800"}', b'{"code": "\\udc00\\ud800"}', b'{"code": "\xed\xa0\x80"}',
        b"[" * 10_000 + b"]" * 10_000, b'{"code": ' * 10_000 + b"1" + b"}" * 10_000,
        b'{"code": 1}', b'{"code": null}', b'{"code": ["1"]}', b"{}",
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)  # fmt: skip
def test_a_body_that_makes_no_sense_is_refused_in_a_sentence(
    client: httpx.Client, body: bytes
) -> None:
    response = client.post(EXECUTE, content=body, headers=JSON)
    assert response.status_code == 400
    assert sentence(response)
    assert is_well(client)


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_told_so(
    server: Server, client: httpx.Client, request_bytes: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), LIMIT) as connection:
        connection.sendall(request_bytes)
        assert connection.recv(64).startswith(b"HTTP/1.1 400 ")
    assert is_well(client)


# -- WebSockets ------------------------------------------------------------------------------


def websocket_answer(server: Server, host: str, origin: str | None) -> int:
    """The status of a WebSocket's handshake under a name, from a page."""
    to_server = socket.create_connection(("127.0.0.1", server.port), LIMIT)
    address = f"ws://{host.format(port=server.port)}/ws/sessions/door"
    page: Any = origin.format(port=server.port) if origin is not None else None
    try:
        with connect(address, sock=to_server, origin=page, open_timeout=LIMIT):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
    finally:
        to_server.close()


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("evil.example", None, 421),
        ("evil.example:{port}", "http://evil.example:{port}", 421),
        ("127.0.0.1:{port}", "http://evil.example", 403),
        ("127.0.0.1:{port}", "null", 403),
        ("127.0.0.1:{port}", "http://127.0.0.1:3000", 403),
        ("127.0.0.1:{port}", "http://localhost:{port}", 403),
        ("127.0.0.1:{port}", None, 101),
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}", 101),
        ("localhost:{port}", "http://localhost:{port}", 101),
        ("[::1]:{port}", "http://[::1]:{port}", 101),
        ("box.example", "https://box.example", 101),
    ],
)
def test_a_websocket_is_opened_by_the_same_rules(
    server: Server, host: str, origin: str | None, status: int
) -> None:
    assert websocket_answer(server, host, origin) == status


@pytest.mark.parametrize("path", ["/ws", "/ws/nothing", "/", "/kernels"])
def test_a_websocket_to_nowhere_is_a_404_with_a_sentence(server: Server, path: str) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(server.websocket_url + path, proxy=None, open_timeout=LIMIT),
    ):
        raise AssertionError("it was opened")
    response = refused.value.response
    assert response.status_code == 404
    assert "/ws/sessions/{name}" in json.loads(response.body)["detail"]


# -- looking changes nothing -----------------------------------------------------------------


def everything(client: httpx.Client) -> dict[str, Any]:
    """All that the API shows of kernels, sessions and history, but for what time does to it."""
    kernels = client.get("/kernels").json()["kernels"]
    sessions = client.get("/sessions").json()["sessions"]
    for kernel in [*kernels, *(session["kernel"] for session in sessions)]:
        del kernel["age_seconds"]
    return {"kernels": kernels, "sessions": sessions, "history": client.get("/executions").json()}


def test_a_get_changes_nothing_on_any_route(client: httpx.Client) -> None:
    result = client.post("/sessions/looked-at/execute", json={"code": "1"}).json()
    kernel_id = client.get("/sessions/looked-at").json()["kernel"]["kernel_id"]
    # Times of last use, of all kernels at once, are written up to a second after the execution.
    eventually(lambda: client.get(f"/kernels/{kernel_id}").json()["kernel"]["runs"] == 1)
    schema = client.get("/openapi.json").json()
    values = {
        "{kernel_id}": kernel_id, "{name}": "looked-at", "{execution_id}": result["execution_id"],
    }  # fmt: skip
    paths = [path for path, operations in schema["paths"].items() if "get" in operations]
    for placeholder, value in values.items():
        paths = [path.replace(placeholder, value) for path in paths]
    paths += ["/docs", "/redoc", "/admin/", "/admin/login/", "/kernels?refresh=true"]
    client.get("/kernels?refresh=true")  # What it finds out is then known.
    before = everything(client)
    for path in paths:
        assert client.get(path).status_code in (200, 302), path
        assert client.head(path).status_code in (200, 302, 405), path
    for path in ["/sessions/never", "/kernels/never", "/executions/never", "/ws/sessions/never"]:
        assert client.get(path).status_code == 404, path
    for path in [EXECUTE, "/sessions/door/interrupt", f"/kernels/{kernel_id}/restart"]:
        assert client.get(path).status_code in (404, 405), path
    assert everything(client) == before


# -- who is let in at all --------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_that_others_can_reach_does_not_start_without_a_token(
    host: str, tmp_path: Path
) -> None:
    settings = clean_environment(tmp_path, tmp_path / "run", KERNELBOX_HOST=host)
    done = subprocess.run(
        [sys.executable, "-m", "kernelbox_site"], cwd=ROOT, env=settings, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"kernelbox: KERNELBOX_HOST is {host}, which others can reach")
    assert "KERNELBOX_TOKEN" in line
    assert not (tmp_path / "db.sqlite3").exists()
