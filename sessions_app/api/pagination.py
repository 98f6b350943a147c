"""Pages of the history by key: the millionth is as fast as the first."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from sessions_app.api.answers import execution_summary
from sessions_app.history import executions_where


class HistoryPagination(CursorPagination):
    """Newest first; ids are time-ordered."""

    ordering = "-id"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where the page begins; a cursor that holds no id was not given out here, and is a 404."""
        if not request.query_params.get(self.cursor_query_param):
            return None
        cursor = super().decode_cursor(request)
        try:
            uuid.UUID(str(cursor and cursor.position))
        except ValueError:
            raise NotFound(self.invalid_cursor_message) from None
        return cursor


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
