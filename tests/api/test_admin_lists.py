"""The lists of the admin: what they show, what they filter by, and that they stay bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kernels.admin_keyset import KeysetChangeList
from sessions_app.admin import ExecutionAdmin
from sessions_app.models import Session
from tests.api.admin_rows import (
    EXECUTIONS,
    KERNELS,
    SESSIONS,
    execution_row,
    html,
    kernel_row,
    link,
    listed,
    logged_in,
    page_of,
    session_row,
)

pytestmark = pytest.mark.django_db

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def admin_client(client: Client) -> Client:
    """A client that may see everything."""
    return logged_in(client)


def test_an_execution_is_listed_with_the_first_line_of_its_code(admin_client: Client) -> None:
    execution_row(
        "\nimport os\nprint(1)",
        session_name="demo",
        status="error",
        language="bash",
        duration_ms=1_500,
        door="websocket",
    )
    page = html(admin_client, EXECUTIONS)
    assert listed(page, "line") == ["import os …"]
    assert listed(page, "session") == ["demo"]
    assert listed(page, "result") == ["error"]
    assert listed(page, "language") == ["bash"]
    assert listed(page, "duration") == ["1.5 s"]
    assert listed(page, "came_by") == ["WebSocket"]
    assert 'class="kb-badge kb-error"' in page


def test_code_in_a_list_is_escaped(admin_client: Client) -> None:
    execution_row("<script>alert(1)</script>", session_name="<b>")
    page = html(admin_client, EXECUTIONS)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("status=error", ["b"]),
        ("language=bash", ["c"]),
        ("session=two", ["c", "b"]),
        ("session=two&language=python", ["b"]),
        ("session=nobody", []),
        ("status=nonsense", []),
    ],
)
def test_the_history_is_filtered(admin_client: Client, query: str, codes: list[str]) -> None:
    execution_row("a", session_name="one")
    execution_row("b", session_name="two", status="error")
    execution_row("c", session_name="two", language="bash")
    assert listed(html(admin_client, f"{EXECUTIONS}?{query}"), "line") == codes


def test_the_history_is_filtered_by_kernel(admin_client: Client) -> None:
    wanted = execution_row("a")
    execution_row("b")
    page = html(admin_client, f"{EXECUTIONS}?kernel={wanted.kernel_id.hex}")
    assert listed(page, "line") == ["a"]
    assert "By kernel" in page
    assert "By kernel" not in html(admin_client, EXECUTIONS)
    assert listed(html(admin_client, f"{EXECUTIONS}?kernel=none"), "line") == []


def test_the_history_is_filtered_by_day(admin_client: Client) -> None:
    for days in (0, 1, 13, 20):
        execution_row(f"{days} days ago", at=NOON - timedelta(days=days))
    page = html(admin_client, EXECUTIONS)
    assert link(page, "Today") == f"?day={NOON:%Y-%m-%d}"
    yesterday = link(page, "Yesterday")
    assert listed(html(admin_client, EXECUTIONS + yesterday), "line") == ["1 days ago"]
    old = NOON - timedelta(days=20)
    shown = html(admin_client, f"{EXECUTIONS}?day={old:%Y-%m-%d}")
    assert listed(shown, "line") == ["20 days ago"]
    assert f"day={old:%Y-%m-%d}" in shown


def test_a_day_has_what_was_asked_for_before_and_started_on_it(admin_client: Client) -> None:
    midnight = NOON.replace(hour=0)
    execution_row("waited", at=midnight - timedelta(minutes=5), started_at=midnight)
    today, yesterday = f"{NOON:%Y-%m-%d}", f"{NOON - timedelta(days=1):%Y-%m-%d}"
    assert listed(html(admin_client, f"{EXECUTIONS}?day={today}"), "line") == ["waited"]
    assert listed(html(admin_client, f"{EXECUTIONS}?day={yesterday}"), "line") == []


@pytest.mark.parametrize("day", ["nonsense", "0001-01-01", "9999-12-31", "2026-02-30"])
def test_a_day_that_cannot_be_is_passed_over(admin_client: Client, day: str) -> None:
    execution_row("a")
    assert listed(html(admin_client, f"{EXECUTIONS}?day={day}"), "line") == ["a"]


def test_the_session_filter_has_thirty_sessions_and_the_chosen_one(admin_client: Client) -> None:
    for number in range(32):
        session_row(f"s{number:02}", last_used_at=NOON - timedelta(hours=number))
    page = html(admin_client, f"{EXECUTIONS}?session=s31")
    assert all(f"?session=s{number:02}" in page for number in range(30))
    assert "?session=s31" in page
    assert "?session=s30" not in page


def test_search_finds_code_output_and_id(admin_client: Client) -> None:
    execution_row("import Alpha")
    wanted = execution_row("b", output="found alpha here")
    execution_row("c")
    assert listed(html(admin_client, f"{EXECUTIONS}?q=alpha"), "line") == ["b", "import Alpha"]
    assert listed(html(admin_client, f"{EXECUTIONS}?q=found+alpha"), "line") == ["b"]
    assert listed(html(admin_client, f"{EXECUTIONS}?q={wanted}"), "line") == ["b"]
    assert listed(html(admin_client, f"{EXECUTIONS}?q=100%25"), "line") == []


def test_pages_follow_each_other_in_both_directions(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExecutionAdmin, "list_per_page", 2)
    for number in range(5):
        execution_row(str(number), session_name="demo")
    newest = html(admin_client, f"{EXECUTIONS}?session=demo")
    middle = html(admin_client, EXECUTIONS + link(newest, "Older"))
    oldest = html(admin_client, EXECUTIONS + link(middle, "Older"))
    assert [listed(page, "line") for page in (newest, middle, oldest)] == [
        ["4", "3"],
        ["2", "1"],
        ["0"],
    ]
    assert "Older" not in oldest
    assert "Newer" not in newest
    again = html(admin_client, EXECUTIONS + link(oldest, "&lsaquo; Newer"))
    assert listed(again, "line") == ["2", "1"]
    assert listed(html(admin_client, EXECUTIONS + link(again, "&lsaquo; Newer")), "line") == [
        "4",
        "3",
    ]
    assert link(oldest, "Newest") == "?session=demo"


def test_pages_by_last_use_follow_each_other_also_where_times_are_the_same(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernels.admin.KernelAdmin.list_per_page", 2)
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        kernel_row(name, last_used_at=NOON)
    address, seen = KERNELS, []
    for _ in range(3):
        page = html(admin_client, address)
        seen += listed(page, "label")
        if "Older" in page:
            address = KERNELS + link(page, "Older")
    assert seen == names[::-1]


@pytest.mark.parametrize("place", ["before", "before~x", "after~2026", "sideways~1", "3", "%00"])
def test_a_place_that_is_none_is_the_newest_page(admin_client: Client, place: str) -> None:
    execution_row("a")
    assert listed(html(admin_client, f"{EXECUTIONS}?p={place}"), "line") == ["a"]


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00", "0001-01-01T00:00:00%2B23:59", "now"])
def test_a_place_at_a_time_that_is_none_is_the_newest_page(admin_client: Client, time: str) -> None:
    kernel = kernel_row("a")
    page = html(admin_client, f"{KERNELS}?p=before~{time}~{kernel.pk}")
    assert listed(page, "label") == ["a"]


def test_a_search_ends_says_so_and_goes_on(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeysetChangeList, "window", 3)
    for number in range(8):
        execution_row("needle" if number in (0, 4, 6) else "hay", duration_ms=number)
    first = html(admin_client, f"{EXECUTIONS}?q=needle")
    assert listed(first, "duration") == ["6 ms"]
    assert "Looked through 3 executions, the newest" in " ".join(first.split())
    second = html(admin_client, EXECUTIONS + link(first, "Look through older ones"))
    assert listed(second, "duration") == ["4 ms"]
    third = html(admin_client, EXECUTIONS + link(second, "Look through older ones"))
    assert listed(third, "duration") == ["0 ms"]
    assert "Look through older ones" not in third
    assert "Looked through" not in third
    back = html(admin_client, EXECUTIONS + link(third, "&lsaquo; Newer"))
    assert listed(back, "duration") == []
    newer = html(admin_client, EXECUTIONS + link(back, "Look through newer ones"))
    assert listed(newer, "duration") == ["6 ms", "4 ms"]


def test_of_two_filters_one_is_looked_at_in_bounded_many_rows(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeysetChangeList, "window", 2)
    for code in ("a", "b", "c"):
        execution_row(code, session_name="demo", status="error" if code == "a" else "success")
    first = html(admin_client, f"{EXECUTIONS}?session=demo&status=error")
    assert listed(first, "line") == []
    second = html(admin_client, EXECUTIONS + link(first, "Look through older ones"))
    assert listed(second, "line") == ["a"]
    assert listed(html(admin_client, f"{EXECUTIONS}?status=error"), "line") == ["a"]


def test_an_id_is_found_however_old_it_is(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeysetChangeList, "window", 1)
    oldest = execution_row("a")
    execution_row(f"print({oldest.pk.hex!r})")
    execution_row("c")
    assert listed(html(admin_client, f"{EXECUTIONS}?q={oldest}"), "line") == ["a"]
    assert listed(html(admin_client, f"{EXECUTIONS}?q={oldest.kernel_id}"), "line") == []


def test_a_search_without_an_end_says_nothing_of_it(admin_client: Client) -> None:
    execution_row("needle")
    assert "Looked through" not in html(admin_client, f"{EXECUTIONS}?q=needle")


def test_sessions_are_listed_by_their_last_use(admin_client: Client) -> None:
    session_row("older", last_used_at=NOON - timedelta(days=2), language="r")
    session_row("newer", last_used_at=NOON - timedelta(days=1))
    page = html(admin_client, SESSIONS)
    assert listed(page, "name") == ["newer", "older"]
    assert listed(page, "language") == ["python", "r"]
    assert listed(page, "kernel_status") == ["running", "running"]
    assert listed(html(admin_client, f"{SESSIONS}?q=old"), "name") == ["older"]
    assert listed(html(admin_client, f"{SESSIONS}?language=r"), "name") == ["older"]


def test_kernels_are_listed_with_their_state_and_use(admin_client: Client) -> None:
    kernel_row("one", runs=7, created_at=datetime.now(UTC) - timedelta(hours=3))
    kernel_row("two", status="dead", session_name=None)
    page = html(admin_client, KERNELS)
    assert listed(page, "label") == ["two", "one"]
    assert listed(page, "state") == ["dead", "running"]
    assert listed(page, "owner") == ["–", "one"]
    assert listed(page, "runs") == ["0", "7"]
    assert listed(page, "age")[1] == "3 h"
    assert listed(html(admin_client, f"{KERNELS}?status=dead"), "label") == ["two"]
    assert listed(html(admin_client, f"{KERNELS}?q=ON"), "label") == ["one"]


@pytest.mark.parametrize("address", [EXECUTIONS, SESSIONS, KERNELS])
@pytest.mark.parametrize("query", ["", "?q=a", "?o=3", "?all=1", "?_facets=True"])
def test_no_list_counts_or_reads_without_a_limit(
    admin_client: Client, address: str, query: str
) -> None:
    for name in ("a", "b"):
        session_row(name)
        execution_row(name, session_name=name)
    with CaptureQueriesContext(connection) as queries:
        html(admin_client, address + query)
    ours = [q["sql"] for q in queries if "_execution" in q["sql"] or "_kernel" in q["sql"]]
    assert ours
    assert not [sql for sql in ours if "COUNT(" in sql.upper()]
    assert not [sql for sql in ours if " LIMIT " not in sql]
    assert not [sql for sql in ours if '"sessions_app_execution"."outputs"' in sql]


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(
    admin_client: Client,
) -> None:
    def queries(prefix: str) -> int:
        for number in range(5):
            session = session_row(f"{prefix}{number}")
            execution_row("x = 1", session_name=session.name)
        addresses = (EXECUTIONS, SESSIONS, KERNELS, page_of(Session.objects.earliest("id")))
        with CaptureQueriesContext(connection) as captured:
            for address in addresses:
                html(admin_client, address)
        return len(captured)

    assert queries("a") == queries("b")


@pytest.mark.parametrize("query", ["output__icontains=a", "code__regex=a", "id__lt=3"])
def test_only_the_filters_of_the_page_may_be_asked(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"{EXECUTIONS}?{query}").status_code == 400


@pytest.mark.parametrize("query", ["session=%00", "q=%00", "language=a%00b", f"q={'x' * 60_000}"])
def test_text_that_no_database_takes_is_no_failure(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"{EXECUTIONS}?{query}", follow=True).status_code == 200
