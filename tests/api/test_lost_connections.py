"""The database's server closes the connections: they are replaced, and no execution is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from tests.api.conftest import Api, answered, soon, until
from tests.environment import ON_POSTGRES
from tests.scripted_cell import Gate

pytestmark = pytest.mark.skipif(
    not ON_POSTGRES, reason="SQLite has no server that could close a connection"
)


@pytest.fixture(autouse=True)
def own_connection(transactional_db: None) -> Iterator[None]:
    """The test's own connection is among those that are closed; what cleans up opens another."""
    yield
    connection.close()


def close_all_others() -> int:
    """Have the server end every connection to this database but the one that asks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        [ended] = cursor.fetchone()
    return int(ended)


async def test_an_execution_is_recorded_over_a_new_connection(api: Api) -> None:
    await api.run("demo", "1+1")
    gate = api.scripts["long"] = Gate("before\n")
    running = api.begin("demo", "long")
    await soon(gate.entered.wait())
    await api.run("other", "1+1")  # Rows are written in order: the start is there now.
    assert await api.database(close_all_others) >= 3
    gate.opened.set()
    assert answered(await soon(running))["status"] == "success"
    assert answered(await soon(api.execute("demo", "1+1")))["execution_count"] == 3


async def test_a_question_is_a_503_at_the_most_once(api: Api) -> None:
    await api.create(name="mine")
    await api.history()
    for path in ("/kernels", "/executions", "/sessions", "/health"):
        await api.client.get(path)
        assert await api.database(close_all_others) >= 1
        first = await api.client.get(path)
        assert first.status_code in (200, 503), path
        assert (await api.client.get(path)).status_code == 200, path


async def test_a_kernel_s_step_is_recorded_over_a_new_connection(api: Api) -> None:
    await api.create(name="mine")
    assert await api.database(close_all_others) >= 1
    api.kernels[0].die()

    async def noted() -> bool:
        response = await api.client.get("/kernels/mine")
        return response.status_code == 200 and bool(response.json()["kernel"]["status_reason"])

    await until(noted)
    assert answered(await api.client.delete("/kernels/mine")) == {"destroyed": True}
    assert (await api.get("/kernels"))["kernels"] == []
