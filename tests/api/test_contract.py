"""The contract of the API, line by line: what is answered with which status and which fields."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kernelbox_site import __version__
from tests.api.conftest import Api, answered

KERNEL_FIELDS = {
    "of the original": {
        "kernel_id", "connection_file", "name", "created_at", "last_used_at", "status",
        "session_name", "attempt_count", "tags", "age_seconds",
    },
    "ours": {"language", "busy", "queue_length", "runs", "status_reason"},
}  # fmt: skip
RESULT_FIELDS = {
    "of the original": {
        "status", "output", "stderr", "return_value", "execution_count", "duration_ms",
        "truncated", "error",
    },
    "ours": {"outputs", "attempts", "execution_id", "queued_ms", "state_lost", "state_lost_reason"},
}  # fmt: skip
KERNEL = KERNEL_FIELDS["of the original"] | KERNEL_FIELDS["ours"]
RESULT = RESULT_FIELDS["of the original"] | RESULT_FIELDS["ours"]
#: An execution in the history: its id is ``id`` there.
WHOLE = RESULT - {"execution_id"} | {
    "id", "code", "language", "kernel_id", "kernel_name", "session_name", "started_at",
    "finished_at", "door", "asked_by",
}  # fmt: skip
SUMMARY = WHOLE - {"outputs", "attempts"}


async def test_the_root_says_what_the_service_is_and_links_to_its_parts(api: Api) -> None:
    root = await api.get("/")
    assert root.keys() == {"service", "version", "links"}
    assert (root["service"], root["version"]) == ("kernelbox", __version__)
    assert {name: link["href"] for name, link in root["links"].items()} == {
        "swagger": "/docs",
        "redoc": "/redoc",
        "openapi": "/openapi.json",
        "health": "/health",
        "admin": "/admin/",
    }
    for link in root["links"].values():
        response = await api.client.get(link["href"])
        assert response.status_code in (200, 302), link  # The admin asks who it is.


async def test_the_health_is_ok_and_counts_the_kernels(api: Api) -> None:
    await api.create()
    health = await api.get("/health")
    assert health.keys() == {
        "status", "service", "version", "database", "host", "isolation", "kernels", "spares",
    }  # fmt: skip
    assert (health["status"], health["version"], health["kernels"]) == ("ok", __version__, 1)
    assert health["database"] in ("sqlite: ok", "postgresql: ok")


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_documentation_loads_nothing_from_elsewhere(api: Api, page: str) -> None:
    response = await api.client.get(page)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert 'src="/static/' in response.text
    assert "://" not in response.text.replace("http://localhost", "")


async def test_a_new_kernel_is_a_201_and_runs(api: Api) -> None:
    kernel = answered(
        await api.client.post("/kernels", json={"name": "mine", "tags": {"task": "eda"}}), 201
    )
    assert kernel.keys() == KERNEL
    assert (kernel["name"], kernel["session_name"]) == ("mine", None)
    assert (kernel["status"], kernel["language"]) == ("running", "python")
    assert (kernel["tags"], kernel["attempt_count"], kernel["runs"]) == ({"task": "eda"}, 0, 0)
    assert (kernel["busy"], kernel["queue_length"]) == (False, 0)
    assert (len(kernel["kernel_id"]), int(kernel["kernel_id"], 16) > 0) == (32, True)
    assert kernel["connection_file"] == api.kernels[0].connection_file
    created_at, used_at = map(
        datetime.fromisoformat, (kernel["created_at"], kernel["last_used_at"])
    )
    assert created_at.utcoffset() == timedelta(0)
    assert created_at <= used_at
    assert 0 <= kernel["age_seconds"] < 60


async def test_a_kernel_can_be_created_with_no_body_at_all(api: Api) -> None:
    kernel = answered(await api.client.post("/kernels"), 201)
    assert (kernel["name"], kernel["session_name"], kernel["tags"]) == (None, None, {})


@pytest.mark.parametrize("query", ["", "?refresh=true", "?refresh=false"])
async def test_all_kernels_are_listed_oldest_first(api: Api, query: str) -> None:
    created = [(await api.create())["kernel_id"] for _ in range(3)]
    listed = await api.get(f"/kernels{query}")
    assert listed.keys() == {"kernels"}
    assert [kernel["kernel_id"] for kernel in listed["kernels"]] == created
    assert all(kernel.keys() == KERNEL for kernel in listed["kernels"])


async def test_a_single_kernel_comes_with_whether_it_lives(api: Api) -> None:
    created = await api.create(name="mine")
    told = await api.get("/kernels/mine")
    assert told.keys() == {"alive", "kernel"}
    assert told["alive"] is True
    assert told["kernel"].keys() == KERNEL
    assert told["kernel"]["kernel_id"] == created["kernel_id"]
    await api.kill("mine")
    dead = await api.get("/kernels/mine")
    assert (dead["alive"], dead["kernel"]["status"]) == (False, "dead")
    assert (dead["kernel"]["connection_file"], dead["kernel"]["busy"]) == ("", False)


async def test_a_destroyed_kernel_is_gone(api: Api) -> None:
    await api.create(name="mine")
    assert answered(await api.client.delete("/kernels/mine")) == {"destroyed": True}
    assert (await api.client.get("/kernels/mine")).status_code == 404
    assert (await api.get("/kernels"))["kernels"] == []
    assert (api.kernels[0].killed, api.kernels[0].released) == (True, True)


async def test_all_kernels_can_be_destroyed_at_once(api: Api) -> None:
    ids = [(await api.create())["kernel_id"] for _ in range(2)]
    assert answered(await api.client.delete("/kernels")) == {"destroyed": ids}
    assert answered(await api.client.delete("/kernels")) == {"destroyed": []}
    assert (await api.get("/kernels"))["kernels"] == []


async def test_a_restart_keeps_the_id_and_loses_the_count(api: Api) -> None:
    kernel = await api.create(name="mine")
    for expected in (1, 2):
        ran = await api.post("/kernels/mine/execute", code="1+1")
        assert ran["execution_count"] == expected
    restarted = answered(await api.client.post("/kernels/mine/restart"))
    assert restarted.keys() == KERNEL
    assert (restarted["kernel_id"], restarted["status"]) == (kernel["kernel_id"], "running")
    assert len(api.kernels) == 2
    assert (await api.post("/kernels/mine/execute", code="1+1"))["execution_count"] == 1


async def test_an_interrupt_answers_with_the_kernel(api: Api) -> None:
    kernel = await api.create(name="mine")
    interrupted = answered(await api.client.post("/kernels/mine/interrupt"))
    assert interrupted.keys() == KERNEL
    assert interrupted["kernel_id"] == kernel["kernel_id"]
    assert api.kernels[0].interrupts == 0


async def test_a_kernel_executes_code_as_a_session_does(api: Api) -> None:
    await api.create(name="mine")
    result = await api.post("/kernels/mine/execute", code="1+1")
    assert result.keys() == RESULT
    assert (result["status"], result["return_value"]) == ("success", "2")
    retried = await api.post("/kernels/mine/execute/retry", code="1/0", replacement_codes=["1+1"])
    assert retried.keys() == RESULT
    assert (retried["status"], len(retried["attempts"])) == ("success", 2)


async def test_a_session_is_got_or_created_and_answers_with_its_kernel(api: Api) -> None:
    kernel = await api.post("/sessions/demo", tags={"task": "eda"})
    assert kernel.keys() == KERNEL
    assert (kernel["session_name"], kernel["tags"]) == ("demo", {"task": "eda"})
    again = await api.post("/sessions/demo", tags={"task": "other"})
    assert (again["kernel_id"], again["tags"]) == (kernel["kernel_id"], {"task": "eda"})
    without_body = answered(await api.client.post("/sessions/demo"))
    assert without_body["kernel_id"] == kernel["kernel_id"]


async def test_sessions_are_listed_and_looked_at_with_their_kernels(api: Api) -> None:
    kernel = await api.post("/sessions/demo", tags={"task": "eda"})
    session = await api.get("/sessions/demo")
    assert session.keys() == {"name", "language", "tags", "created_at", "last_used_at", "kernel"}
    assert (session["name"], session["language"]) == ("demo", "python")
    assert session["tags"] == {"task": "eda"}
    assert session["kernel"].keys() == KERNEL
    assert session["kernel"]["kernel_id"] == kernel["kernel_id"]
    await api.post("/sessions/another")
    listed = await api.get("/sessions")
    assert listed.keys() == {"sessions"}
    assert [one["name"] for one in listed["sessions"]] == ["demo", "another"]
    assert all(one.keys() == session.keys() for one in listed["sessions"])


async def test_a_destroyed_session_is_gone_with_its_kernel(api: Api) -> None:
    kernel = await api.post("/sessions/demo")
    assert answered(await api.client.delete("/sessions/demo")) == {"destroyed": True}
    for path in ("/sessions/demo", f"/kernels/{kernel['kernel_id']}"):
        assert (await api.client.get(path)).status_code == 404, path


async def test_the_state_of_a_session_is_counted_on_from_call_to_call(api: Api) -> None:
    first = await api.run("demo", "1+1")
    second = await api.run("demo", "1+1")
    assert first.keys() == RESULT
    assert (first["status"], first["return_value"]) == ("success", "2")
    assert (first["execution_count"], second["execution_count"]) == (1, 2)
    assert (first["error"], first["attempts"], first["truncated"]) == (None, [], False)


async def test_a_session_executes_with_retry(api: Api) -> None:
    result = await api.post(
        "/sessions/demo/execute_with_retry", code="1/0", on_error_code="1+1", max_attempts=3
    )
    assert result.keys() == RESULT
    assert (result["status"], len(result["attempts"])) == ("success", 2)
    assert result["attempts"][0].keys() == {
        "attempt", "code", "status", "output", "stderr", "error",
    }  # fmt: skip


async def test_a_session_is_interrupted(api: Api) -> None:
    await api.run("demo", "1+1")
    told = answered(await api.client.post("/sessions/demo/interrupt"))
    assert told == {"interrupted": False}


async def test_code_that_raises_is_no_http_error(api: Api) -> None:
    result = await api.run("demo", "1/0")
    assert result["status"] == "error"
    assert result["error"] == {
        "ename": "ZeroDivisionError",
        "evalue": "division by zero",
        "traceback": ["ZeroDivisionError: division by zero"],
    }


async def test_the_history_has_pages_and_whole_executions(api: Api) -> None:
    result = await api.run("demo", "1+1")
    page = await api.get("/executions")
    assert page.keys() == {"results", "next", "previous", "page_size"}
    assert (page["next"], page["previous"], page["page_size"]) == (None, None, 50)
    [summary] = page["results"]
    assert summary.keys() == SUMMARY
    whole = await api.get(f"/executions/{summary['id']}")
    assert whole.keys() == WHOLE
    assert whole["id"] == result["execution_id"]
    same = RESULT - {"execution_id"}
    assert {name: whole[name] for name in same} == {name: result[name] for name in same}


async def test_the_key_of_the_connection_is_in_no_answer(api: Api) -> None:
    await api.create(name="mine", session_name="demo")
    await api.run("demo", "1+1")
    for path in ("restart", "interrupt", "execute/retry"):
        await api.post(f"/kernels/mine/{path}", code="1+1")
    execution = (await api.history())[0]["id"]
    seen = ["", "health", "kernels", "kernels/mine", "sessions", "sessions/demo", "executions"]
    for path in [*seen, f"executions/{execution}", "openapi.json"]:
        await api.get(f"/{path}")
    await api.client.delete("/kernels")
    assert len(api.answers) == 16
    assert len(api.kernels) == 2
    for kernel in api.kernels:
        key = kernel.info.key.decode()
        assert len(key) == 64
        assert not [answer.url for answer in api.answers if key in answer.text]
