"""The history is asked: by session, kernel, status, language, time and text, newest first."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any

import pytest

from sessions_app.models import Execution
from tests.api.conftest import Api

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
KERNELS = {"alpha": uuid.uuid4(), "beta": uuid.uuid4()}


@dataclass(frozen=True)
class Filter:
    """One thing that can be asked for, and which rows should come of it."""

    value: str
    matches: Callable[[Execution], bool]


def at_least_three_hours_in(row: Execution) -> bool:
    """Whether a row is of three hours past noon or later."""
    return row.started_at >= NOON + timedelta(hours=3)


FILTERS = {
    "session": Filter("a", lambda row: row.session_name == "a"),
    "kernel": Filter("alpha", lambda row: row.kernel_name == "alpha"),
    "status": Filter("error", lambda row: row.status == "error"),
    "language": Filter("bash", lambda row: row.language == "bash"),
    "since": Filter("2026-01-02T15:00:00Z", at_least_three_hours_in),
    "until": Filter("2026-01-03T12:00:00Z", lambda row: row.started_at < NOON + timedelta(days=1)),
    "search": Filter("needle", lambda row: "needle" in (row.code + row.output).lower()),
}


async def recorded(api: Api, *rows: Execution) -> None:
    """Have these rows in the history."""
    await api.database(Execution.objects.bulk_create, rows)


def execution(**fields: Any) -> Execution:
    """A row of the history."""
    defaults = {"kernel_id": KERNELS["alpha"], "code": "1+1", "status": "success"}
    return Execution(**defaults | fields)


@pytest.fixture
async def varied(api: Api) -> list[Execution]:
    """Rows of every combination of what can be asked for, an hour apart, the newest first."""
    combined = product("ab", KERNELS, ("success", "error"), ("python", "bash"), range(3))
    rows = [
        execution(
            session_name=session,
            kernel_name=kernel,
            kernel_id=KERNELS[kernel],
            status=status,
            language=language,
            code="print('NEEDLE')" if place == 1 else "x",
            output="a needle\n" if place == 2 else "y\n",
            started_at=NOON + timedelta(hours=hour),
        )
        for hour, (session, kernel, status, language, place) in enumerate(combined)
    ]
    await recorded(api, *rows)
    return rows[::-1]


async def ids(api: Api, **query: str) -> list[str]:
    """The ids of what is found, all on one page."""
    return [row["id"] for row in await api.history(page_size=200, **query)]


async def test_without_a_question_there_is_everything_newest_first(
    api: Api, varied: list[Execution]
) -> None:
    assert await ids(api) == [row.id.hex for row in varied]


@pytest.mark.parametrize("number", [1, 2, 3, len(FILTERS)])
async def test_what_is_asked_for_together_must_all_be_true(
    api: Api, varied: list[Execution], number: int
) -> None:
    for names in combinations(FILTERS, number):
        found = await ids(api, **{name: FILTERS[name].value for name in names})
        wanted = [row for row in varied if all(FILTERS[name].matches(row) for name in names)]
        assert found == [row.id.hex for row in wanted], names
        assert 0 < len(found) < len(varied), names


async def test_a_kernel_is_asked_for_by_its_id_too(api: Api, varied: list[Execution]) -> None:
    kernel_id = KERNELS["beta"]
    wanted = [row.id.hex for row in varied if row.kernel_name == "beta"]
    assert await ids(api, kernel=kernel_id.hex) == wanted
    assert await ids(api, kernel=str(kernel_id)) == wanted


async def test_where_nothing_matches_the_page_is_empty(api: Api, varied: list[Execution]) -> None:
    for name, value in (
        ("session", "c"), ("session", "A"), ("kernel", "gamma"), ("kernel", uuid.uuid4().hex),
        ("status", "dead"), ("language", "julia"), ("search", "nothing of the kind"),
        ("since", "2030-01-01T00:00:00Z"), ("until", "2020-01-01T00:00:00Z"),
    ):  # fmt: skip
        page = await api.get("/executions", **{name: value})
        assert page == {"results": [], "next": None, "previous": None, "page_size": 50}, name
    assert len(varied) == len(await ids(api))


async def test_since_takes_the_moment_itself_and_until_does_not(api: Api) -> None:
    row = execution(started_at=NOON)
    await recorded(api, row)
    for moment in (
        "2026-01-02T12:00:00Z",
        "2026-01-02T12:00:00+00:00",
        "2026-01-02T14:00:00+02:00",
        "2026-01-02T12:00:00",
    ):
        assert await ids(api, since=moment) == [row.id.hex], moment
        assert await ids(api, until=moment) == [], moment
    assert await ids(api, since="2026-01-02T12:00:00.000001Z") == []
    assert await ids(api, until="2026-01-02T12:00:00.000001Z") == [row.id.hex]


async def test_text_is_searched_in_code_and_in_output_in_any_case(api: Api) -> None:
    in_code = execution(code="df = load_Frame('Data.CSV')")
    in_output = execution(output="loaded data.csv\n")
    neither = execution(stderr="data.csv", return_value="data.csv")
    await recorded(api, in_code, in_output, neither)
    for text in ("data.csv", "DATA.CSV", "Data.Csv"):
        assert await ids(api, search=text) == [in_output.id.hex, in_code.id.hex], text


async def test_every_character_of_a_search_means_itself(api: Api) -> None:
    await recorded(api, execution(code="before after, and nothing between"))
    for text in ("%", "_", "\\", "'", '"', "100%_\\", "🦊", "a\nb", "--", "?*"):
        wanted = execution(code=f"before |{text}| after")
        await recorded(api, wanted)
        assert await ids(api, search=f"|{text}|") == [wanted.id.hex], text


async def test_what_really_ran_is_found(api: Api) -> None:
    first = await api.run("demo", "print('hello')")
    second = await api.run("other", "1/0")
    assert await ids(api, session="demo") == [first["execution_id"]]
    assert await ids(api, status="error") == [second["execution_id"]]
    assert await ids(api, search="HELLO") == [first["execution_id"]]
    assert await ids(api, kernel="other") == [second["execution_id"]]
    since = (await api.get(f"/executions/{second['execution_id']}"))["started_at"]
    assert await ids(api, since=since) == [second["execution_id"]]
    assert await ids(api, until=since) == [first["execution_id"]]
