"""A server with a token: nothing but health, the admin's log-in and static files without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from drf_spectacular.generators import SchemaGenerator
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.live.conftest import eventually
from tests.server import Server, running_server

pytestmark = pytest.mark.any_database

LIMIT = 30
TOKEN = "t0ken-of-this-test"
SECRETS = {
    "KERNELBOX_TOKEN": TOKEN,
    "AWS_SECRET_ACCESS_KEY": "secret-of-a-cloud",
    "DJANGO_SECRET_KEY": "secret-of-another-site",
}
WRONG = [
    None, b"", b"Bearer", b"token", b"Bearer wrong", b"token wrong", b"Bearer " + TOKEN[:-1].encode(),
    b"Bearer " + TOKEN.encode() + b"x", b"Bearer " + TOKEN.upper().encode(), TOKEN.encode(),
    b"Bearer \xff\xfe\x80", "Bearer tøken".encode(), b"Basic", b"Basic ???", b"Basic eDp5", b"Digest x",
    b"Bearer " + b"x" * 60_000,
]  # fmt: skip
JSON = {"Content-Type": "application/json"}


def operations() -> list[tuple[str, str]]:
    """Every operation of the OpenAPI schema that wants the token."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in schema["paths"].items()
        for method in methods
        if path != "/health"
    ]


EVERY = pytest.mark.parametrize(("method", "path"), operations())


def tells_no_secret(response: httpx.Response) -> None:
    """No answer may hold the token or another secret of the server's."""
    response.read()
    told = response.text + str(response.headers)
    assert not [name for name, secret in SECRETS.items() if secret in told]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with secrets in its environment, that says all it can say."""
    database = tmp_path_factory.mktemp("secret-of-a-database") / "db.sqlite3"
    settings = {"DATABASE_URL": f"sqlite:///{database}", "KERNELBOX_LOG_LEVEL": "DEBUG"}
    with running_server(SECRETS | settings) as server:
        yield server


@pytest.fixture(scope="module")
def stranger(server: Server) -> Iterator[httpx.Client]:
    """A client without the token."""
    with server.client(event_hooks={"response": [tells_no_secret]}) as client:
        yield client


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client with it."""
    with server.client(
        event_hooks={"response": [tells_no_secret]}, headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        yield client


def test_the_schema_has_the_routes_that_matter() -> None:
    assert {("POST", "/sessions/name/execute"), ("DELETE", "/kernels"), ("GET", "/executions")} <= {*operations()}  # fmt: skip


@EVERY
def test_no_route_answers_without_the_token(stranger: httpx.Client, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        response = stranger.request(method, path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer, Basic ")
        assert response.json()["detail"]


@EVERY
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "token", "Token"])
def test_every_route_answers_with_it(
    stranger: httpx.Client, method: str, path: str, scheme: str
) -> None:
    # What takes a body refuses this one, so that no kernel is started.
    body = b"[]" if method == "POST" else None
    headers = JSON | {"Authorization": f"{scheme} {TOKEN}"}
    response = stranger.request(method, path, content=body, headers=headers)
    assert response.status_code in (200, 400, 404), response.text


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/", "/kernels"])
def test_a_browser_asks_for_the_token_as_a_password(stranger: httpx.Client, path: str) -> None:
    refused = stranger.get(path, headers={"Accept": "text/html"})
    assert refused.status_code == 401
    assert "Basic realm=" in refused.headers["www-authenticate"]
    assert stranger.get(path, auth=("anybody", TOKEN)).status_code == 200
    assert stranger.get(path, auth=(TOKEN, "")).status_code == 401


@pytest.mark.parametrize("authorization", WRONG, ids=lambda value: repr(value)[:24])
def test_what_is_not_the_token_is_refused(
    stranger: httpx.Client, authorization: bytes | None
) -> None:
    headers = {} if authorization is None else {b"Authorization": authorization}
    response = stranger.get("/kernels", headers=headers)
    assert response.status_code == 401
    assert "www-authenticate" in response.headers


def test_health_is_open(stranger: httpx.Client) -> None:
    assert stranger.get("/health").json()["status"] == "ok"
    assert stranger.get("/health", headers={"Authorization": "Bearer wrong"}).status_code == 200


def test_the_admin_asks_for_its_own_log_in(stranger: httpx.Client) -> None:
    response = stranger.get("/admin/", follow_redirects=True)
    assert response.url.path == "/admin/login/"
    assert 'name="password"' in response.text
    assert stranger.get("/static/admin/css/login.css").status_code == 200
    assert stranger.get("/admin/kernels/", follow_redirects=True).url.path == "/admin/login/"


def test_another_site_s_page_gets_nowhere_with_the_token(client: httpx.Client) -> None:
    assert client.get("/kernels", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/kernels", headers={"Host": "evil.example"}).status_code == 421


# -- WebSockets ------------------------------------------------------------------------------


def run_by_websocket(server: Server, authorization: str | None) -> dict[str, Any]:
    """Run code over a WebSocket and return its ``done``."""
    headers = {} if authorization is None else {"Authorization": authorization}
    with connect(
        f"{server.websocket_url}/ws/sessions/token",
        additional_headers=headers, proxy=None, open_timeout=LIMIT,
    ) as websocket:  # fmt: skip
        websocket.send(json.dumps({"type": "execute", "code": "6 * 7"}))
        while True:
            message: dict[str, Any] = json.loads(websocket.recv(LIMIT))
            if message["type"] == "done":
                return message


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"token {TOKEN}", "Basic eDp0MGtlbi1vZi10aGlzLXRlc3Q="])  # fmt: skip
def test_a_websocket_opens_with_the_token(server: Server, authorization: str) -> None:
    assert run_by_websocket(server, authorization)["return_value"] == "42"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "token wrong", "Basic eDp5"])  # fmt: skip
def test_a_websocket_does_not_open_without(server: Server, authorization: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        run_by_websocket(server, authorization)
    response = refused.value.response
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN.encode() not in response.body


# -- where secrets are not -------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel_environment(client: httpx.Client) -> dict[str, str]:
    """``os.environ`` as code in a session sees it."""
    code = "import json, os\nprint(json.dumps(dict(os.environ)))"
    result = client.post("/sessions/token/execute", json={"code": code}).json()
    assert result["status"] == "success"
    environment: dict[str, str] = json.loads(result["output"])
    return environment


def test_no_setting_of_the_server_s_is_in_a_kernel_s_environment(
    kernel_environment: dict[str, str],
) -> None:
    assert "PATH" in kernel_environment
    assert not [name for name in kernel_environment if name.startswith(("KERNELBOX", "DATABASE", "DJANGO", "AWS"))]  # fmt: skip


def test_no_secret_is_in_it_under_another_name(kernel_environment: dict[str, str]) -> None:
    everything = json.dumps(kernel_environment)
    assert not [secret for secret in SECRETS.values() if secret in everything]
    assert "secret-of-a-database" not in everything


def test_commands_of_a_kernel_see_no_more(client: httpx.Client) -> None:
    result = client.post("/sessions/token/execute", json={"code": "env", "language": "bash"}).json()
    assert "PATH=" in result["output"]
    assert "KERNELBOX" not in result["output"]
    assert "DATABASE_URL" not in result["output"]


def test_the_log_of_http_has_no_token(server: Server, client: httpx.Client) -> None:
    """The log level is DEBUG: every request is in the log, and what it was answered."""
    before = len(server.lines)
    client.get("/kernels", headers={"Authorization": "Bearer wr0ng-t0ken"})
    client.get("/kernels?marker=of-this-test").raise_for_status()
    eventually(lambda: "marker=of-this-test" in server.log())
    said = "\n".join(server.lines[before:])
    assert TOKEN not in said
    assert "wr0ng-t0ken" not in said


def test_the_log_of_websockets_has_no_token(server: Server) -> None:
    run_by_websocket(server, f"Bearer {TOKEN}")
    assert TOKEN not in server.log()


def test_no_secret_is_in_a_file_that_kernels_work_beside(server: Server) -> None:
    files: list[Path] = [p for p in server.runtime_dir.rglob("*") if p.is_file()]
    files += [p for p in (server.home / "work").rglob("*") if p.is_file()]
    assert not [p for p in files if TOKEN.encode() in p.read_bytes()]
