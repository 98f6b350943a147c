"""Questions to the history of executions. Synchronous."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q, QuerySet

from kernels.runtime.errors import ExecutionNotFound
from sessions_app.models import Execution


def executions_where(query: dict[str, Any]) -> QuerySet[Execution]:
    """The executions that a validated query asks for, without their rich outputs."""
    found = Execution.objects.defer("outputs", "attempts")
    for name, lookup in _LOOKUPS.items():
        if (value := query.get(name)) is not None:
            found = found.filter(**{lookup: value})
    if (kernel := query.get("kernel")) is not None:
        found = found.filter(_of_kernel(kernel))
    if (text := query.get("search")) is not None:
        found = found.filter(Q(code__icontains=text) | Q(output__icontains=text))
    return found


_LOOKUPS = {
    "session": "session_name",
    "status": "status",
    "language": "language",
    "since": "started_at__gte",
    "until": "started_at__lt",
}


def _of_kernel(identifier: str) -> Q:
    try:
        return Q(kernel_id=uuid.UUID(hex=identifier))
    except ValueError:
        return Q(kernel_name=identifier)


def find_execution(identifier: str) -> Execution:
    """One execution, whole; raises :class:`ExecutionNotFound`."""
    try:
        return Execution.objects.get(pk=uuid.UUID(hex=identifier))
    except (ValueError, Execution.DoesNotExist) as error:
        raise ExecutionNotFound(identifier) from error
