"""Rows for the tests of the admin, and addresses of its pages."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from kernels.models import Kernel
from sessions_app.admin_filters import first_id
from sessions_app.models import Execution, Session

KERNELS = "/admin/kernels/kernel/"
SESSIONS = "/admin/sessions_app/session/"
EXECUTIONS = "/admin/sessions_app/execution/"


def logged_in(client: Client) -> Client:
    """The client as a superuser; one without a password, which would cost 0.3 s to hash."""
    client.force_login(User.objects.create_superuser("admin"))
    return client


def kernel_row(name: str, **fields: Any) -> Kernel:
    """A kernel that runs, as far as its row says."""
    values = {"name": name, "session_name": name, "kernelspec": "python3", "status": "running"}
    return Kernel.objects.create(**(values | fields))


def session_row(name: str, **fields: Any) -> Session:
    """A session and its kernel."""
    return Session.objects.create(name=name, kernel=kernel_row(name), **fields)


def execution_row(code: str = "1 + 1", at: datetime | None = None, **fields: Any) -> Execution:
    """An execution that ended well; with ``at``, one of that time."""
    if at is not None:
        later = uuid.uuid4().int & 0xFFFF_FFFF
        fields = {"id": uuid.UUID(int=first_id(at).int | later), "started_at": at} | fields
    values = {"kernel_id": uuid.uuid4(), "code": code, "status": "success"}
    return Execution.objects.create(**(values | {"finished_at": datetime.now(UTC)} | fields))


def html(client: Client, address: str) -> str:
    """A page, which must be a 200."""
    answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return answer.content.decode()


def page_of(row: Kernel | Session | Execution) -> str:
    """The address of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def listed(page: str, column: str) -> list[str]:
    """What stands in a column of a list, from top to bottom, without its tags."""
    cells = re.findall(rf'class="field-{column}[^"]*">(.*?)</t[dh]>', page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", cell) for cell in cells]


def link(page: str, label: str) -> str:
    """Where the link with that label leads."""
    found = re.search(rf'<a href="([^"]*)"[^>]*>{label}', page)
    assert found is not None, f"no link {label!r}"
    return found[1].replace("&amp;", "&")
