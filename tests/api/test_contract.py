"""The contract of the API, line by line."""

from __future__ import annotations

from tests.api.conftest import Api


async def test_the_state_of_a_session_is_counted_on_from_call_to_call(api: Api) -> None:
    first = await api.run("demo", "1+1")
    second = await api.run("demo", "1+1")
    assert (first["status"], first["return_value"]) == ("success", "2")
    assert (first["execution_count"], second["execution_count"]) == (1, 2)
