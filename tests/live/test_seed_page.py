"""The requests of the original's page about its HTTP API give that page's answers."""

from __future__ import annotations

import httpx

from tests.live.conftest import Run


def test_the_first_example_gives_84(client: httpx.Client) -> None:
    body = {"code": "x = 42\nx * 2", "language": "python", "timeout": None}
    result = client.post("/sessions/demo/execute", json=body).json()
    assert result["return_value"] == "84"
    assert result["status"] == "success"
    assert (result["output"], result["stderr"], result["error"]) == ("", "", None)
    assert result["execution_count"] == 1
    assert result["truncated"] is False
    assert isinstance(result["duration_ms"], int)


def test_the_httpx_example_gives_15(run: Run) -> None:
    result = run("sum([1, 2, 3, 4, 5])")
    assert (result["return_value"], result["status"]) == ("15", "success")


def test_the_retry_example_heals(client: httpx.Client) -> None:
    body = {"code": "x + 1", "on_error_code": "x = 41\nx + 1", "max_attempts": 3}
    result = client.post("/sessions/heal/execute_with_retry", json=body).json()
    assert (result["status"], result["return_value"]) == ("success", "42")
    assert [attempt["status"] for attempt in result["attempts"]] == ["error", "success"]
    assert result["attempts"][0]["error"]["ename"] == "NameError"


def test_kernels_are_listed_looked_at_created_restarted_and_destroyed(
    client: httpx.Client,
) -> None:
    created = client.post("/kernels", json={"name": "my-kernel"})
    assert created.status_code == 201
    kernel_id = created.json()["kernel_id"]
    assert [k["name"] for k in client.get("/kernels").json()["kernels"]] == ["my-kernel"]
    assert client.get(f"/kernels/{kernel_id}").json()["alive"] is True
    client.post(f"/kernels/{kernel_id}/execute", json={"code": "x = 1"})
    restarted = client.post("/kernels/my-kernel/restart").json()
    assert restarted["kernel_id"] == kernel_id
    result = client.post("/kernels/my-kernel/execute", json={"code": "x"}).json()
    assert result["error"]["ename"] == "NameError"
    assert client.delete(f"/kernels/{kernel_id}").json() == {"destroyed": True}
    assert client.get("/kernels").json() == {"kernels": []}


def test_health_says_ok(client: httpx.Client) -> None:
    response = client.get("/health")
    assert (response.status_code, response.json()["status"]) == (200, "ok")
