"""The pages that are measured, and how: requests through Django's test client, logged in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext, setup_test_environment
from django.utils import timezone
from rest_framework.request import Request

from benchmarks.admin_million_data import COMMON, RARE, SESSIONS
from sessions_app.api.pagination import history_page
from sessions_app.models import Execution

HISTORY = "/admin/sessions_app/execution/"


def measure(repeats: int) -> dict[str, dict[str, Any]]:
    """Milliseconds of every request of every page, and how many queries each takes."""
    setup_test_environment()
    client = Client()
    client.force_login(get_user_model().objects.get())
    pages = {name: partial(_get, client, address) for name, address in _pages(client)}
    pages |= {f"API: {name}": partial(_ask, query) for name, query in _questions()}
    return {name: _measure(ask, repeats) for name, ask in pages.items()}


def _get(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)


def _ask(query: dict[str, Any]) -> None:
    """What ``GET /executions`` does in its thread."""
    request = Request(RequestFactory().get("/executions"))
    assert "results" in history_page(request, {"page_size": 100} | query)


def _measure(ask: Callable[[], None], repeats: int) -> dict[str, Any]:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1_000)
    with CaptureQueriesContext(connection) as queries:
        ask()
    return {"milliseconds": times, "queries": len(queries)}


def _pages(client: Client) -> Iterator[tuple[str, str]]:
    day = timezone.localdate()
    oldest = Execution.objects.order_by("id").values_list("id", flat=True)[500]
    busiest, quietest = "session-00000", f"session-{SESSIONS - 1:05}"
    yield "Executions, first page", HISTORY
    yield "… the last page but ten, by following “Older”", _list(p=f"before~{oldest}")
    yield "… status: success (88 %)", _list(status="success")
    yield "… status: dead (0.1 %)", _list(status="dead")
    yield "… language: r (0.1 %)", _list(language="r")
    yield "… session: the busiest (20 %)", _list(session=busiest)
    yield "… session: the quietest (0.005 %)", _list(session=quietest)
    yield "… day: today", _list(day=day)
    yield "… day: 13 days ago", _list(day=day - timedelta(days=13))
    yield (
        "… the quietest session, python, success",
        _list(session=quietest, language="python", status="success"),
    )
    yield "… the busiest session, dead", _list(session=busiest, status="dead")
    yield "… 13 days ago, dead", _list(day=day - timedelta(days=13), status="dead")
    yield (
        "… 13 days ago, the quietest session",
        _list(day=day - timedelta(days=13), session=quietest),
    )
    yield f"… search: “{COMMON}” (in every row)", _list(q=COMMON)
    yield "… search: in no row", _list(q=RARE)
    yield "… search: in no row, the next 50,000", _next(client, _list(q=RARE))
    yield "… search: in no row, status: success", _list(q=RARE, status="success")
    yield "… search: in no row, the busiest session", _list(q=RARE, session=busiest)
    yield "… search: an id", _list(q=oldest)
    yield "One execution", f"{HISTORY}{oldest}/change/"
    yield "Sessions", "/admin/sessions_app/session/"
    yield "Sessions, search", "/admin/sessions_app/session/?q=999"
    yield "One session, the busiest", _first_link(client, "session", busiest)
    yield "Kernels", "/admin/kernels/kernel/"
    yield "Kernels, search", "/admin/kernels/kernel/?q=999"


def _questions() -> Iterator[tuple[str, dict[str, Any]]]:
    day = timezone.localtime().replace(hour=0, minute=0) - timedelta(days=13)
    yield "first page of 100", {}
    yield "status: dead", {"status": "dead"}
    yield "session: the quietest", {"session": f"session-{SESSIONS - 1:05}"}
    several = {"language": "python", "status": "success"}
    yield (
        "the quietest session, python, success",
        {"session": f"session-{SESSIONS - 1:05}"} | several,
    )
    yield "a kernel by its name", {"kernel": f"session-{SESSIONS - 1:05}"}
    yield "13 days ago, by since and until", {"since": day, "until": day + timedelta(days=1)}
    yield f"search: “{COMMON}”", {"search": COMMON}
    yield "search: in no row but the oldest", {"search": RARE}


def _list(**query: object) -> str:
    return f"{HISTORY}?{urlencode(query)}"


def _next(client: Client, address: str) -> str:
    """Where “Look through older ones” leads to."""
    page = client.get(address).content.decode()
    found = re.search(r'href="(\?[^"]+)">Look through older ones', page)
    assert found
    return HISTORY + found[1].replace("&amp;", "&")


def _first_link(client: Client, model: str, text: str) -> str:
    page = client.get(f"/admin/sessions_app/{model}/?q={text}").content.decode()
    found = re.search(rf'href="(/admin/sessions_app/{model}/[0-9a-f-]+/change/)', page)
    assert found
    return found[1]
