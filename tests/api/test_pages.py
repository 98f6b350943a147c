"""Pages of the history: by key, so that nothing is skipped or told twice while it grows."""

from __future__ import annotations

import uuid
from base64 import b64encode
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sessions_app.models import Execution
from tests.api.conftest import Api, answered

KERNEL = uuid.uuid4()


async def grow(api: Api, rows: int, **fields: Any) -> list[str]:
    """Add rows to the history; returns their ids, the newest first."""
    added = [Execution(kernel_id=KERNEL, code="1+1", status="success") for _ in range(rows)]
    for row in added:
        for name, value in fields.items():
            setattr(row, name, value)
    await api.database(Execution.objects.bulk_create, added)
    return [row.id.hex for row in reversed(added)]


def ids(page: dict[str, Any]) -> list[str]:
    """The ids on a page."""
    return [row["id"] for row in page["results"]]


async def test_all_pages_together_are_everything_once(api: Api) -> None:
    everything = await grow(api, 25)
    for page_size in (1, 4, 5, 24, 25, 26):
        page = await api.get("/executions", page_size=page_size)
        assert page["previous"] is None
        pages = [ids(page)]
        while page["next"] is not None:
            page = await api.get(page["next"])
            assert page["page_size"] == page_size
            pages.append(ids(page))
        assert list(chain.from_iterable(pages)) == everything, page_size
        assert all(len(one) == page_size for one in pages[:-1]), page_size


async def test_going_on_while_new_rows_come_in_neither_skips_nor_repeats(api: Api) -> None:
    everything = await grow(api, 20)
    page = await api.get("/executions", page_size=6)
    found = ids(page)
    while page["next"] is not None:
        await grow(api, 5)
        page = await api.get(page["next"])
        found += ids(page)
    assert found == everything


async def test_going_back_while_new_rows_come_in_neither_skips_nor_repeats(api: Api) -> None:
    old = await grow(api, 20)
    page = await api.get("/executions", page_size=6)
    while page["next"] is not None:
        page = await api.get(page["next"])
    found = ids(page)
    new: list[str] = []
    while page["previous"] is not None:
        if len(new) < 10:
            new = [*(await grow(api, 5)), *new]
        page = await api.get(page["previous"])
        found = ids(page) + found
    assert found == [*new, *old]
    assert page["next"] is not None


async def test_a_page_and_back_is_the_same_page(api: Api) -> None:
    await grow(api, 12)
    first = await api.get("/executions", page_size=4)
    second = await api.get(first["next"])
    third = await api.get(second["next"])
    assert ids(await api.get(third["previous"])) == ids(second)
    assert ids(await api.get(second["previous"])) == ids(first)


async def test_the_links_keep_what_was_asked_for(api: Api) -> None:
    wanted = await grow(api, 5, session_name="a b&c", language="bash")
    await grow(api, 5, session_name="other")
    page = await api.get("/executions", session="a b&c", language="bash", page_size=2)
    link = urlsplit(page["next"])
    assert (link.scheme, link.netloc, link.path) == ("http", "localhost", "/executions")
    asked = parse_qs(link.query)
    assert asked.pop("cursor")
    assert asked == {"session": ["a b&c"], "language": ["bash"], "page_size": ["2"]}
    found = ids(page)
    while page["next"] is not None:
        page = await api.get(page["next"])
        found += ids(page)
    assert found == wanted


async def test_a_page_holds_fifty_unless_told_and_two_hundred_at_the_most(api: Api) -> None:
    everything = await grow(api, 201)
    assert ids(await api.get("/executions")) == everything[:50]
    assert ids(await api.get("/executions", page_size=200)) == everything[:200]
    assert ids(await api.get("/executions", page_size=1)) == everything[:1]
    assert (await api.client.get("/executions?page_size=201")).status_code == 400


def encoded(cursor: str) -> str:
    """A cursor as it is given out."""
    return b64encode(cursor.encode()).decode()


async def test_a_cursor_that_was_not_given_out_is_a_404(api: Api) -> None:
    await grow(api, 3)
    inside = ("p=nonsense", f"p={'9' * 32}x", "p=1&o=-1", "o=many", "p=é", "p=%00", "r=1")
    for cursor in ("nonsense", "%%%", "é", "=", *map(encoded, inside)):
        response = await api.client.get("/executions", params={"cursor": cursor})
        assert answered(response, 404) == {"detail": "Invalid cursor"}, cursor


async def test_an_empty_cursor_is_none(api: Api) -> None:
    everything = await grow(api, 3)
    assert ids(await api.get("/executions?cursor=")) == everything


async def test_a_cursor_stays_good_when_its_row_is_gone(api: Api) -> None:
    everything = await grow(api, 6)
    page = await api.get("/executions", page_size=3)
    await api.database(Execution.objects.filter(pk__in=everything[2:4]).delete)
    assert ids(await api.get(page["next"])) == everything[4:]
