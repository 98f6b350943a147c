"""nginx with the configuration of ``docs/reverse-proxy.md``, in front of a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.nginx import (
    NGINX,
    OPENSSL,
    PASSWORD,
    PREFIX,
    USER,
    Proxy,
    running_nginx,
)
from tests.server import Server, running_server

pytestmark = [
    pytest.mark.any_database,
    pytest.mark.skipif(
        NGINX is None or OPENSSL is None,
        reason="nginx or openssl is not installed: the reverse proxy of the documentation is not run",
    ),
]

LIMIT = 30
TOKEN = "a-token-that-only-nginx-knows"
SETTINGS = {
    "KERNELBOX_TOKEN": TOKEN,
    "KERNELBOX_ROOT_PATH": PREFIX,
    "KERNELBOX_ALLOWED_HOSTS": "box.example",
}
#: Where the client comes from; nginx itself comes to the server from 127.0.0.1.
CLIENT, NGINX_ITSELF = "127.0.0.9", "127.0.0.1"
BASIC = httpx.BasicAuth(USER, PASSWORD)
AUTHORIZATION: str = next(BASIC.auth_flow(httpx.Request("GET", "http://x"))).headers[
    "Authorization"
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server behind nginx, set as the page says."""
    with running_server(SETTINGS | {"KERNELBOX_TRUSTED_PROXIES": NGINX_ITSELF}) as server:
        yield server
        assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def proxy(server: Server) -> Iterator[Proxy]:
    """nginx in front of it; it may have complained of nothing in the end."""
    with running_nginx(server.port, TOKEN) as proxy:
        yield proxy
        expected = ("password mismatch", "was not found in", "No such file or directory")
        complaints = proxy.log().splitlines()
        assert not [c for c in complaints if not any(words in c for words in expected)]


@pytest.fixture(scope="module")
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    """Somebody who knows the password, at another address than nginx."""
    with proxy.client(CLIENT, auth=BASIC) as client:
        yield client


def links(page: str) -> list[str]:
    """What an HTML page refers to on its own site."""
    found = re.findall(r'(?:href|src|action)="(/[^"#]*)"', page)
    assert found
    return found


# -- passwords -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/kernels", "/admin/", "/admin/login/", "/static/admin/css/base.css"])  # fmt: skip
@pytest.mark.parametrize("auth", [None, (USER, "wrong"), ("mallory", PASSWORD), ("", TOKEN)])
def test_nothing_is_answered_without_a_password(
    proxy: Proxy, path: str, auth: tuple[str, str] | None
) -> None:
    with proxy.client(auth=auth) as stranger:
        response = stranger.get(path)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Basic realm="KernelBox"'
        assert "kernelbox_version" not in response.text


def test_the_server_s_token_does_not_open_the_proxy(proxy: Proxy) -> None:
    with proxy.client(headers={"Authorization": f"Bearer {TOKEN}"}) as stranger:
        assert stranger.get("/kernels").status_code == 401


def test_the_way_round_the_proxy_is_closed(server: Server) -> None:
    with server.client() as local:
        assert local.get("/kernels").status_code == 401
        assert local.get("/kernels", auth=BASIC).status_code == 401


def test_with_the_password_code_runs(client: httpx.Client) -> None:
    first = client.post("/sessions/proxied/execute", json={"code": "x = 6"})
    second = client.post("/sessions/proxied/execute", json={"code": "x * 7"})
    assert (first.status_code, second.json()["return_value"]) == (200, "42")


def test_a_body_that_is_too_large_is_refused_by_the_server_in_its_words(
    client: httpx.Client,
) -> None:
    body = b" " * (16 * 1024 * 1024 + 1)
    headers = {"Content-Type": "application/json"}
    for _ in range(5):
        response = client.post("/sessions/proxied/execute", content=body, headers=headers)
        assert response.status_code == 413
        assert "KERNELBOX_BODY_LIMIT" in response.json()["detail"]


def test_other_names_and_other_sites_pages_are_refused_as_without_a_proxy(
    client: httpx.Client, proxy: Proxy
) -> None:
    assert client.get("/health", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/health", headers={"Host": "box.example"}).status_code == 200
    assert client.get("/kernels", headers={"Origin": "https://evil.example"}).status_code == 403
    own = {"Origin": f"https://localhost:{proxy.port}", "Sec-Fetch-Site": "same-origin"}
    body = {"code": "'own page'"}
    response = client.post("/sessions/proxied/execute", json=body, headers=own)
    assert response.json()["return_value"] == "'own page'"


# -- the prefix ------------------------------------------------------------------------------


def test_the_prefix_without_its_slash_leads_to_it(client: httpx.Client, proxy: Proxy) -> None:
    response = client.get(f"https://localhost:{proxy.port}{PREFIX}")
    assert response.status_code == 301
    assert response.headers["location"] == f"{proxy.url}/"


def test_outside_the_prefix_there_is_nothing_of_kernelbox(
    client: httpx.Client, proxy: Proxy
) -> None:
    for path in ["/health", "/kernels", "/kernelboxes/health"]:
        response = client.get(f"https://localhost:{proxy.port}{path}")
        assert (response.status_code, "nginx" in response.text) == (404, True)


def test_the_links_of_the_first_page_lead_somewhere(client: httpx.Client, proxy: Proxy) -> None:
    answer = client.get("/").json()
    hrefs = [link["href"] for link in answer["links"].values()]
    assert all(href.startswith(f"{PREFIX}/") for href in hrefs)
    for href in hrefs:
        response = client.get(f"https://localhost:{proxy.port}{href}", follow_redirects=True)
        assert response.status_code == 200, href


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/admin/login/"])
def test_a_page_s_files_are_under_the_prefix_and_there(
    client: httpx.Client, proxy: Proxy, page: str
) -> None:
    for link in links(client.get(page).text):
        assert link.startswith(PREFIX), link
        response = client.get(f"https://localhost:{proxy.port}{link}", follow_redirects=True)
        assert response.status_code == 200, link


def test_the_schema_says_where_its_paths_begin(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    assert [server["url"] for server in schema.get("servers", [])] == [PREFIX]


def test_the_pages_of_the_history_link_to_each_other(client: httpx.Client, proxy: Proxy) -> None:
    for number in range(3):
        client.post("/sessions/paged/execute", json={"code": str(number)}).raise_for_status()
    first = client.get("/executions?session=paged&page_size=2").json()
    assert first["next"].startswith(f"{proxy.url}/executions?")
    second = client.get(first["next"]).json()
    assert [execution["code"] for execution in second["results"]] == ["0"]
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_somebody_can_log_in_to_the_admin(proxy: Proxy, server: Server) -> None:
    password = (server.home / "admin_password").read_text().strip()
    with proxy.client(auth=BASIC, follow_redirects=True) as browser:
        page = browser.get("/admin/")
        assert page.url.path == f"{PREFIX}/admin/login/"
        field = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert field is not None
        form = {"csrfmiddlewaretoken": field[1], "username": "admin", "password": password}
        # As a browser sends it: HTTPS forms must come from the site itself.
        own = {"Origin": f"https://localhost:{proxy.port}", "Referer": str(page.url)}
        inside = browser.post(page.url, data=form, headers=own)
        assert inside.url.path == f"{PREFIX}/admin/"
        assert "Log out" in inside.text
        for link in links(inside.text):
            assert link.startswith(PREFIX), link


# -- WebSockets ------------------------------------------------------------------------------


def run_by_websocket(proxy: Proxy, headers: dict[str, str], origin: Any = None) -> dict[str, Any]:
    """Run code over a WebSocket through the proxy and return its ``done``."""
    with connect(
        f"{proxy.websocket_url}/ws/sessions/proxied",
        ssl=proxy.tls(), additional_headers=headers, origin=origin, proxy=None, open_timeout=LIMIT,
        source_address=(CLIENT, 0),
    ) as websocket:  # fmt: skip
        websocket.send(json.dumps({"type": "execute", "code": "print('hello')\n6 * 7"}))
        while True:
            message: dict[str, Any] = json.loads(websocket.recv(LIMIT))
            if message["type"] == "done":
                return message


def test_a_websocket_goes_through(proxy: Proxy, client: httpx.Client) -> None:
    done = run_by_websocket(proxy, {"Authorization": AUTHORIZATION})
    assert (done["output"], done["return_value"]) == ("hello\n", "42")
    kept = client.get(f"/executions/{done['execution_id']}").json()
    assert (kept["door"], kept["asked_by"]) == ("websocket", CLIENT)


def test_a_page_of_the_site_may_open_one(proxy: Proxy) -> None:
    own = f"https://localhost:{proxy.port}"
    assert run_by_websocket(proxy, {"Authorization": AUTHORIZATION}, own)["return_value"] == "42"


@pytest.mark.parametrize(
    ("headers", "origin", "status"),
    [
        ({}, None, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, None, 401),
        ({"Authorization": AUTHORIZATION}, "https://evil.example", 403),
        ({"Authorization": AUTHORIZATION}, "null", 403),
    ],
)
def test_others_may_not(
    proxy: Proxy, headers: dict[str, str], origin: str | None, status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        run_by_websocket(proxy, headers, origin)
    assert refused.value.response.status_code == status


# -- who asked -------------------------------------------------------------------------------


def asked_by(client: httpx.Client, **headers: str) -> str:
    """Whom the history names for an execution."""
    result = client.post("/sessions/who/execute", json={"code": "1"}, headers=headers).json()
    who: str = client.get(f"/executions/{result['execution_id']}").json()["asked_by"]
    return who


def test_the_history_names_the_client_and_not_the_proxy(client: httpx.Client) -> None:
    assert asked_by(client) == CLIENT


def test_a_client_cannot_pass_for_another(client: httpx.Client) -> None:
    forged = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}  # fmt: skip
    assert asked_by(client, **forged) == CLIENT


@pytest.mark.parametrize("trusted", ["", "192.0.2.1, 10.0.0.0/8"], ids=["nobody", "others"])
def test_a_proxy_that_is_not_trusted_is_not_believed(trusted: str) -> None:
    settings = SETTINGS | {"KERNELBOX_TRUSTED_PROXIES": trusted}
    with (
        running_server(settings) as server,
        running_nginx(server.port, TOKEN) as proxy,
        proxy.client(CLIENT, auth=BASIC) as client,
    ):
        assert [asked_by(client) for _ in range(2)] == [NGINX_ITSELF] * 2
        # Nor that it was HTTPS.
        link = client.get("/executions?page_size=1").json()["next"]
        assert link.startswith(f"http://localhost:{proxy.port}{PREFIX}/executions?")
