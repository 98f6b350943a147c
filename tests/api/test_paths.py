"""What is where: no trailing slash, no redirect, and every refusal is JSON."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api, answered

pytestmark = pytest.mark.any_database

ALLOWED = {
    "/": "GET, HEAD",
    "/health": "GET, HEAD",
    "/kernels": "GET, HEAD, POST, DELETE",
    "/kernels/mine": "GET, HEAD, DELETE",
    "/kernels/mine/restart": "POST",
    "/kernels/mine/interrupt": "POST",
    "/kernels/mine/execute": "POST",
    "/kernels/mine/execute/retry": "POST",
    "/sessions": "GET, HEAD",
    "/sessions/demo": "GET, HEAD, POST, DELETE",
    "/sessions/demo/execute": "POST",
    "/sessions/demo/execute_with_retry": "POST",
    "/sessions/demo/interrupt": "POST",
    "/executions": "GET, HEAD",
    "/executions/019c1d5e2f3a7b10a6e0c4d2b8f19a73": "GET, HEAD",
}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


async def test_another_method_is_a_405_that_says_which_are_allowed(api: Api) -> None:
    for path, allowed in ALLOWED.items():
        for method in METHODS - {*allowed.split(", ")}:
            response = await api.client.request(method, path)
            assert response.status_code == 405, (method, path)
            assert sorted(response.headers["allow"].split(", ")) == sorted(allowed.split(", "))
            if method != "HEAD":  # Which has no body.
                assert response.json() == {"detail": f'Method "{method}" not allowed.'}
    assert api.launchers == []


async def test_a_method_is_one_of_http_and_no_attribute_of_a_view(api: Api) -> None:
    await api.create()
    for method in ("DESTROY_ALL", "CREATE", "INDEX", "DISPATCH", "VALID", "AS_VIEW", "nonsense"):
        response = await api.client.request(method, "/kernels", json={})
        assert answered(response, 405) == {"detail": f'Method "{method.upper()}" not allowed.'}
    assert len((await api.get("/kernels"))["kernels"]) == 1


async def test_a_path_with_a_trailing_slash_leads_nowhere(api: Api) -> None:
    await api.create(name="mine")
    for path in (
        "/health/", "/docs/", "/redoc/", "/openapi.json/", "/kernels/", "/kernels/mine/",
        "/kernels/mine/restart/", "/kernels/mine/interrupt/", "/kernels/mine/execute/",
        "/kernels/mine/execute/retry/", "/executions/", "/executions/1/",
    ):  # fmt: skip
        for method in ("GET", "POST", "DELETE"):
            response = await api.client.request(method, path)
            assert answered(response, 404) == {"detail": f"There is nothing at {path}."}
    assert len((await api.get("/kernels"))["kernels"]) == 1


async def test_a_slash_after_a_session_is_a_bad_name(api: Api) -> None:
    await api.post("/sessions/demo")
    for path in ("/sessions/", "/sessions/demo/", "/sessions/demo/execute/"):
        for method in ("GET", "POST", "DELETE"):
            refused = answered(await api.client.request(method, path), 400)
            assert refused.keys() == {"name"}, path
    assert len((await api.get("/sessions"))["sessions"]) == 1


async def test_an_unknown_path_is_a_404_in_json(api: Api) -> None:
    for path in ("/nothing", "/kernel", "/kernels/mine/nothing", "/api/kernels"):
        for method in ("GET", "POST", "PUT"):
            response = await api.client.request(method, path)
            assert response.headers["content-type"] == "application/json"
            assert answered(response, 404) == {"detail": f"There is nothing at {path}."}


async def test_everything_is_answered_as_json_whatever_was_asked_for(api: Api) -> None:
    for wanted in ("text/html", "application/xml", "*/*", "nonsense", ""):
        for path in ("/", "/kernels", "/kernels/nobody", "/nothing"):
            response = await api.client.get(path, headers={"Accept": wanted})
            assert response.headers["content-type"] == "application/json"
            assert isinstance(response.json(), dict)


async def test_no_answer_lets_another_site_read_it(api: Api) -> None:
    for path in ("/", "/kernels", "/nothing"):
        response = await api.client.get(path, headers={"Origin": "https://evil.example"})
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert response.headers["x-content-type-options"] == "nosniff"
