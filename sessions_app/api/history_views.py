"""The history's part of the contract."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kernels.api.base import checked
from kernels.api.schema import answers
from sessions_app.api.answers import whole_execution
from sessions_app.api.base import ServicesViewSet
from sessions_app.api.pagination import history_page
from sessions_app.api.serializers import (
    ExecutionPageSerializer,
    ExecutionQuerySerializer,
    ExecutionSerializer,
)
from sessions_app.history import find_execution


class ExecutionViewSet(ServicesViewSet):
    """What ran, newest first."""

    @extend_schema(
        operation_id="list_executions",
        tags=["History"],
        summary="List what ran",
        description="Newest first, page by page: follow `next`.",
        parameters=[ExecutionQuerySerializer],
        responses=answers(
            {200: ExecutionPageSerializer},
            400,
            404,
            because_404="The cursor is none that was given out.",
        ),
    )
    async def index(self, request: Request) -> Response:
        """A page of executions."""
        query = checked(ExecutionQuerySerializer, request.query_params)
        return Response(await self.services().history.run(history_page, request, query))

    @extend_schema(
        operation_id="get_execution",
        tags=["History"],
        summary="Get one execution, whole",
        parameters=[
            OpenApiParameter("execution_id", str, OpenApiParameter.PATH, description="Its id.")
        ],
        responses=answers({200: ExecutionSerializer}, 404),
    )
    async def retrieve(self, request: Request, execution_id: str) -> Response:
        """One execution."""
        return Response(
            whole_execution(await self.services().history.run(find_execution, execution_id))
        )
