"""The sessions' part of the contract: get or create, execute, with retry, interrupt, forget."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kernels.api.answers import kernel_answer
from kernels.api.names import check_path_name
from kernels.api.schema import KERNEL_ID, SESSION_NAME, WITH_BODY, answers
from kernels.api.serializers import KernelSerializer
from kernels.runtime.languages import PYTHON
from kernels.runtime.plain import plain_result
from sessions_app.api.answers import session_answer
from sessions_app.api.base import ServicesViewSet
from sessions_app.api.serializers import (
    ExecuteRetrySerializer,
    ExecuteSerializer,
    ExecuteWithRetrySerializer,
    ExecutionResultSerializer,
    InterruptedSerializer,
    SessionCreateSerializer,
    SessionDestroyedSerializer,
    SessionListSerializer,
    SessionSerializer,
)
from sessions_app.executor import Order, Retries, Target
from sessions_app.models import Door
from sessions_app.orders import caller, kernel_target, make_order, session_target
from sessions_app.retry import Replacements, RetryPolicy, SameRepair

_RUNS = answers({200: ExecutionResultSerializer}, *WITH_BODY, 409, 429)
_RUNS_IN_KERNEL = answers({200: ExecutionResultSerializer}, *WITH_BODY, 404, 409, 429)
_BAD_NAME = "The name is empty, too long, or has a slash."

_EXAMPLE = OpenApiExample(
    "Variables stay between calls",
    {"code": "x = 42\nx * 2", "language": "python", "timeout": None},
    request_only=True,
)
_RESULT_EXAMPLE = OpenApiExample(
    "What comes of it",
    {
        "status": "success",
        "output": "",
        "stderr": "",
        "return_value": "84",
        "execution_count": 1,
        "duration_ms": 11,
        "queued_ms": 0,
        "truncated": False,
        "error": None,
        "outputs": [
            {
                "kind": "execute_result",
                "text": "84",
                "name": None,
                "data": {"text/plain": "84"},
                "metadata": {},
            }
        ],
        "attempts": [],
        "state_lost": False,
        "state_lost_reason": None,
        "execution_id": "019c1d5e2f3a7b10a6e0c4d2b8f19a73",
    },
    response_only=True,
    status_codes=["200"],
)
_RETRY_EXAMPLE = OpenApiExample(
    "A repair after the first failure",
    {"code": "x + 1", "on_error_code": "x = 41\nx + 1", "max_attempts": 3},
    request_only=True,
)


class ExecutingViewSet(ServicesViewSet):
    """A viewset whose actions run code."""

    async def order(self, wanted: dict[str, Any]) -> Order:
        """What the request wants run, and who wants it."""
        return await make_order(self.services(), wanted, Door.HTTP, caller(self.scope()))

    async def run(self, target: Target, order: Order, retries: Retries | None = None) -> Response:
        """Run an order and answer with what came of it."""
        return Response(plain_result(await self.services().executor.run(target, order, retries)))

    def retries(self, wanted: dict[str, Any], policy: RetryPolicy) -> Retries:
        """How often the request wants its code tried."""
        most = self.services().manager.settings.max_retries
        return Retries(wanted["max_attempts"] or most, policy)


class SessionListViewSet(ServicesViewSet):
    """All sessions."""

    @extend_schema(
        operation_id="list_sessions",
        tags=["Sessions"],
        summary="List all sessions",
        responses=answers({200: SessionListSerializer}),
    )
    async def index(self, request: Request) -> Response:
        """All sessions and their kernels."""
        services = self.services()
        sessions = await services.sessions.all()
        return Response({"sessions": [session_answer(s, services.manager) for s in sessions]})


class SessionViewSet(ExecutingViewSet):
    """One session, by name."""

    @extend_schema(
        operation_id="get_or_create_session",
        tags=["Sessions"],
        summary="Get or create a session",
        description="Starts the session's kernel if it has none, and answers with the kernel.",
        parameters=[SESSION_NAME],
        request=SessionCreateSerializer,
        responses=answers(
            {200: KernelSerializer},
            *WITH_BODY,
            409,
            429,
            because_409="The session runs another language than Python.",
        ),
        examples=[OpenApiExample("With labels", {"tags": {"task": "eda"}}, request_only=True)],
    )
    async def create(self, request: Request, name: str) -> Response:
        """Get or create it."""
        check_path_name("name", name)
        tags = self.valid(SessionCreateSerializer)["tags"]
        services = self.services()
        python = services.manager.languages.resolve(PYTHON)
        session = await services.sessions.open(name, python, tags)
        kernel = await services.manager.find(session.kernel.kernel_id)
        return Response(kernel_answer(kernel, session.kernel))

    @extend_schema(
        operation_id="get_session",
        tags=["Sessions"],
        summary="Get a session",
        parameters=[SESSION_NAME],
        responses=answers({200: SessionSerializer}, 400, 404, because_400=_BAD_NAME),
    )
    async def retrieve(self, request: Request, name: str) -> Response:
        """The session and its kernel."""
        check_path_name("name", name)
        services = self.services()
        return Response(session_answer(await services.sessions.find(name), services.manager))

    @extend_schema(
        operation_id="destroy_session",
        tags=["Sessions"],
        summary="Destroy a session",
        description="Destroys its kernel and forgets its name. Its history stays.",
        parameters=[SESSION_NAME],
        request=None,
        responses=answers({200: SessionDestroyedSerializer}, 400, 404, because_400=_BAD_NAME),
    )
    async def destroy(self, request: Request, name: str) -> Response:
        """Destroy it."""
        check_path_name("name", name)
        await self.services().sessions.delete(name)
        return Response({"destroyed": True})

    @extend_schema(
        operation_id="execute_in_session",
        tags=["Execution"],
        summary="Execute code in a named session",
        description="Creates the session if it does not exist, then runs the code. State carries "
        "over between calls with the same name. Calls to one session run one after another.",
        parameters=[SESSION_NAME],
        request=ExecuteSerializer,
        responses=_RUNS,
        examples=[_EXAMPLE, _RESULT_EXAMPLE],
    )
    async def execute(self, request: Request, name: str) -> Response:
        """Run code."""
        check_path_name("name", name)
        order = await self.order(self.valid(ExecuteSerializer))
        return await self.run(await session_target(self.services(), name, order), order)

    @extend_schema(
        operation_id="execute_with_retry_in_session",
        tags=["Execution"],
        summary="Execute with retry",
        description="Runs code until it succeeds. After each failure `on_error_code` is run as the "
        "next attempt, or the same code where there is none.",
        parameters=[SESSION_NAME],
        request=ExecuteWithRetrySerializer,
        responses=_RUNS,
        examples=[_RETRY_EXAMPLE],
    )
    async def execute_with_retry(self, request: Request, name: str) -> Response:
        """Run code until it succeeds."""
        check_path_name("name", name)
        wanted = self.valid(ExecuteWithRetrySerializer)
        order = await self.order(wanted)
        retries = self.retries(wanted, SameRepair(wanted["on_error_code"]))
        return await self.run(await session_target(self.services(), name, order), order, retries)

    @extend_schema(
        operation_id="interrupt_session",
        tags=["Sessions"],
        summary="Interrupt a session",
        description="Interrupts what the session runs now. What waits is not touched, and the "
        "variables stay.",
        parameters=[SESSION_NAME],
        request=None,
        responses=answers({200: InterruptedSerializer}, 400, 404, because_400=_BAD_NAME),
    )
    async def interrupt(self, request: Request, name: str) -> Response:
        """Interrupt what runs."""
        check_path_name("name", name)
        services = self.services()
        session = services.sessions.at_hand(name)
        if session is None:
            await services.sessions.find(name)
            return Response({"interrupted": False})
        return Response({"interrupted": await session.kernel.interrupt()})


class KernelExecutionViewSet(ExecutingViewSet):
    """Code in a kernel by id or name."""

    @extend_schema(
        operation_id="execute_in_kernel",
        tags=["Execution"],
        summary="Execute code in a kernel",
        parameters=[KERNEL_ID],
        request=ExecuteSerializer,
        responses=_RUNS_IN_KERNEL,
        examples=[_EXAMPLE, _RESULT_EXAMPLE],
    )
    async def execute(self, request: Request, kernel_id: str) -> Response:
        """Run code."""
        order = await self.order(self.valid(ExecuteSerializer))
        return await self.run(await kernel_target(self.services(), kernel_id, order), order)

    @extend_schema(
        operation_id="execute_with_retry_in_kernel",
        tags=["Execution"],
        summary="Execute code in a kernel with retry",
        description="Runs code until it succeeds. After the n-th failure the n-th of "
        "`replacement_codes` is run; past the last, what ran before runs again.",
        parameters=[KERNEL_ID],
        request=ExecuteRetrySerializer,
        responses=_RUNS_IN_KERNEL,
        examples=[
            OpenApiExample(
                "A replacement after the first failure",
                {"code": "y + 1", "replacement_codes": ["y = 41\ny + 1"], "max_attempts": 3},
                request_only=True,
            )
        ],
    )
    async def execute_with_retry(self, request: Request, kernel_id: str) -> Response:
        """Run code until it succeeds."""
        wanted = self.valid(ExecuteRetrySerializer)
        order = await self.order(wanted)
        retries = self.retries(wanted, Replacements(tuple(wanted["replacement_codes"])))
        return await self.run(
            await kernel_target(self.services(), kernel_id, order), order, retries
        )
