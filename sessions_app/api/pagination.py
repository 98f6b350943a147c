"""Pages of the history by key: the millionth is as fast as the first."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from sessions_app.api.answers import execution_summary
from sessions_app.history import executions_where


class HistoryPagination(CursorPagination):
    """Newest first; ids are time-ordered."""

    ordering = "-id"


def history_page(request: Request, query: dict[str, Any]) -> dict[str, Any]:
    """The page that a validated query asks for. Synchronous."""
    pagination = HistoryPagination()
    pagination.page_size = query["page_size"]
    found = pagination.paginate_queryset(executions_where(query), request) or []
    return {
        "results": [execution_summary(execution) for execution in found],
        "next": pagination.get_next_link(),
        "previous": pagination.get_previous_link(),
        "page_size": query["page_size"],
    }
