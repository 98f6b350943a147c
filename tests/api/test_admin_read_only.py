"""Nothing can be added, changed or deleted in the admin, and only staff with the right may look."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from kernels.models import Kernel
from sessions_app.models import Execution, Session
from tests.api.admin_rows import (
    EXECUTIONS,
    KERNELS,
    SESSIONS,
    execution_row,
    html,
    kernel_row,
    logged_in,
    page_of,
    session_row,
)

pytestmark = pytest.mark.django_db

LISTS = (KERNELS, SESSIONS, EXECUTIONS)


@pytest.fixture
def admin_client(client: Client) -> Client:
    """A client that may see everything."""
    return logged_in(client)


def rows() -> list[Kernel | Session | Execution]:
    """One row of each kind."""
    return [kernel_row("k"), session_row("s"), execution_row()]


def contents() -> list[object]:
    """Everything in the tables."""
    models = (Kernel, Session, Execution)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


@pytest.mark.parametrize("address", LISTS)
def test_nothing_can_be_added(admin_client: Client, address: str) -> None:
    for answer in (admin_client.get(f"{address}add/"), admin_client.post(f"{address}add/", {})):
        assert answer.status_code == 403
    assert "Add " not in html(admin_client, address).partition('<div class="module"')[2]


def test_nothing_can_be_changed_or_deleted(admin_client: Client) -> None:
    for row in rows():
        before = contents()
        page = page_of(row)
        delete = page.replace("change", "delete")
        assert admin_client.post(page, {"name": "x", "status": "dead"}).status_code == 403
        assert admin_client.get(delete).status_code == 403
        assert admin_client.post(delete, {"post": "yes"}).status_code == 403
        assert contents() == before


@pytest.mark.parametrize("address", LISTS)
def test_no_list_deletes_or_saves(admin_client: Client, address: str) -> None:
    all_rows = rows()
    before = contents()
    for body in (
        {"action": "delete_selected", "post": "yes"},
        {"_save": "Save", "form-TOTAL_FORMS": "1"},
    ):
        selected = [str(row.pk) for row in all_rows]
        admin_client.post(address, body | {"_selected_action": selected})
    assert contents() == before


def test_pages_have_no_form_that_saves(admin_client: Client) -> None:
    for row in rows():
        page = html(admin_client, page_of(row))
        assert 'name="_save"' not in page
        assert "deletelink" not in page


def test_who_is_not_logged_in_is_sent_to_the_log_in(client: Client) -> None:
    for address in (*LISTS, page_of(kernel_row("k"))):
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/admin/login/")


def test_staff_need_the_permission_to_view(client: Client) -> None:
    user = User.objects.create_user("staff", is_staff=True)
    client.force_login(user)
    execution = execution_row()
    kernel = kernel_row("k")
    assert client.get(EXECUTIONS).status_code == 403
    assert client.get(page_of(execution)).status_code == 403
    body = {"action": "destroy", "_selected_action": str(kernel.pk), "confirmed": "yes"}
    assert client.post(KERNELS, body).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_execution"))
    assert client.get(EXECUTIONS).status_code == 200
    assert client.get(page_of(execution)).status_code == 200
    assert client.get(KERNELS).status_code == 403


def test_a_row_that_is_gone_leads_back_with_a_message(admin_client: Client) -> None:
    execution = execution_row()
    page = page_of(execution)
    Execution.objects.all().delete()
    answer = admin_client.get(page, follow=True)
    assert answer.redirect_chain
    assert b"exist" in answer.content


def test_the_site_is_called_kernelbox_and_needs_nothing_from_elsewhere(
    admin_client: Client,
) -> None:
    answer = admin_client.get("/admin/")
    page = answer.content.decode()
    assert '<a href="/admin/">KernelBox</a>' in page
    assert "https://" not in page
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
