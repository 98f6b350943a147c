"""What can be done with kernels in the admin: asked once more, done by the server, and said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as LogInSession
from django.test import Client

from kernels.models import Kernel
from tests.api.admin_rows import KERNELS, html, kernel_row, listed, logged_in
from tests.api.conftest import Api, soon
from tests.scripted_cell import Cell
from tests.scripted_kernel import Start

CONFIRMED = {"confirmed": "yes"}


@pytest.fixture
def admin_client(client: Client) -> Client:
    """A client that may see everything, of a process without a manager."""
    return logged_in(client)


class Admin:
    """A person who is logged in to a running service."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def log_in(self) -> None:
        """Log in with a session cookie of a new superuser."""

        def make() -> str:
            client = Client()
            client.force_login(User.objects.create_superuser("admin"))
            return client.cookies[settings.SESSION_COOKIE_NAME].value

        cookie = await self._api.database(make)
        self._api.client.cookies.set(settings.SESSION_COOKIE_NAME, cookie, domain="localhost.local")

    async def page(self, address: str = KERNELS) -> str:
        """A page."""
        answer = await soon(self._api.client.get(address))
        assert answer.status_code == 200, answer.status_code
        return answer.text

    async def act(self, action: str, *kernels: str, **fields: str) -> str:
        """Choose an action for kernels by name; the page that comes of it."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', await self.page())
        assert token is not None
        rows = await self._api.database(lambda: list(Kernel.objects.filter(name__in=kernels)))
        body: dict[str, str | list[str]] = {
            "csrfmiddlewaretoken": token[1],
            "action": action,
            "_selected_action": [str(row.pk) for row in rows],
        }
        answer = await soon(
            self._api.client.post(KERNELS, data=body | fields, follow_redirects=True)
        )
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
async def admin(api: Api) -> AsyncIterator[Admin]:
    """Somebody who is logged in; with them goes all that Django noted of them."""
    person = Admin(api)
    await person.log_in()
    yield person
    for model in (LogEntry, User, LogInSession):
        await api.database(model._default_manager.all().delete)


def messages(page: str) -> list[str]:
    """What a page says at its top."""
    found = re.search(r'<ul class="messagelist">(.*?)</ul>', page, re.DOTALL)
    return re.findall(r"<li[^>]*>(.*?)</li>", found[1]) if found else []


@pytest.mark.parametrize("action", ["interrupt", "restart", "destroy"])
async def test_an_action_asks_before_it_does_anything(api: Api, admin: Admin, action: str) -> None:
    await api.create(name="one")
    process = api.kernels[-1]
    page = await admin.act(action, "one")
    assert f"<h1>{action.capitalize()} one?</h1>" in page
    assert f'value="Yes, {action}"' in page
    assert f'name="action" value="{action}"' in page
    assert (process.killed, process.interrupts) == (False, 0)
    assert (await api.get("/kernels/one"))["kernel"]["status"] == "running"


async def test_restart_is_done_said_and_remembered(api: Api, admin: Admin) -> None:
    await api.create(name="one")
    await api.create(name="two")
    page = await admin.act("restart", "one", "two", **CONFIRMED)
    assert [sorted(re.findall(r"one|two", said)) for said in messages(page)] == [["one", "two"]]
    assert messages(page)[0].startswith("Restarted: ")
    assert len(api.kernels) == 4
    entries = await api.database(lambda: list(LogEntry.objects.all()))
    assert {entry.object_repr for entry in entries} == {"one", "two"}
    assert {entry.get_change_message() for entry in entries} == {"Restarted."}


async def test_destroy_frees_the_name(api: Api, admin: Admin) -> None:
    await api.create(name="one")
    page = await admin.act("destroy", "one", **CONFIRMED)
    assert messages(page) == ["Destroyed: one."]
    assert listed(page, "state") == ["destroyed"]
    assert (await api.client.get("/kernels/one")).status_code == 404
    await api.create(name="one")


async def test_interrupt_ends_what_runs_and_the_list_shows_what_waits(
    api: Api, admin: Admin
) -> None:
    begun = asyncio.Event()

    async def block(cell: Cell) -> None:
        begun.set()
        await cell.until_interrupted()

    api.scripts["block"] = block
    running = api.begin("demo", "block")
    await soon(begun.wait())
    waiting = api.begin("demo", "1+1")
    await api.waiting("demo", 1)
    assert listed(await admin.page(), "doing") == ["busy, 1 waiting"]
    assert "busy, 1 waiting" in await admin.act("interrupt", "demo")
    assert messages(await admin.act("interrupt", "demo", **CONFIRMED)) == ["Interrupted: demo."]
    assert (await soon(running)).json()["status"] == "interrupted"
    assert (await soon(waiting)).json()["return_value"] == "2"
    assert listed(await admin.page(), "doing") == ["idle"]


async def test_what_goes_wrong_is_said(api: Api, admin: Admin) -> None:
    await api.create(name="one")
    api.starts.append(Start(refused="no more processes"))
    page = await admin.act("restart", "one", **CONFIRMED)
    assert len(messages(page)) == 1
    assert messages(page)[0].startswith("One: ")
    assert "no more processes" in messages(page)[0]
    assert await api.database(LogEntry.objects.count) == 0


async def test_destroyed_kernels_are_left_out(api: Api, admin: Admin) -> None:
    await api.create(name="one")
    await admin.act("destroy", "one", **CONFIRMED)
    page = await admin.act("restart", "one")
    assert messages(page) == ["Those kernels are destroyed already."]


async def test_an_action_without_its_form_is_refused(api: Api, admin: Admin) -> None:
    await api.create(name="one")
    body = {"action": "destroy", "_selected_action": "x", **CONFIRMED}
    answer = await api.client.post(KERNELS, data=body)
    assert answer.status_code == 403
    assert (await api.get("/kernels/one"))["kernel"]["status"] == "running"


async def test_the_page_of_a_kernel_has_buttons_and_no_key(api: Api, admin: Admin) -> None:
    told = await api.create(name="one")
    page = await admin.page(f"{KERNELS}{told['kernel_id']}/change/")
    for action in ("interrupt", "restart", "destroy"):
        assert f'name="action" value="{action}"' in page
    assert "idle" in page
    assert api.kernels[-1].info.key.decode() not in page


@pytest.mark.django_db
def test_without_a_manager_nothing_can_be_done(admin_client: Client) -> None:
    kernel = kernel_row("one")
    assert listed(html(admin_client, KERNELS), "doing") == ["–"]
    body = {"action": "destroy", "_selected_action": str(kernel.pk), **CONFIRMED}
    page = admin_client.post(KERNELS, body, follow=True).content.decode()
    assert messages(page) == [
        "This process runs no kernels: only the server that holds them can do that."
    ]
    kernel.refresh_from_db()
    assert kernel.status == "running"
