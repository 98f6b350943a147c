"""The kernels' part of the contract: create, list, look, restart, interrupt, destroy."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from kernels.api.answers import kernel_answer
from kernels.api.base import AsyncViewSet, checked
from kernels.api.schema import KERNEL_ID, WITH_BODY, answers
from kernels.api.scope import manager_of
from kernels.api.serializers import (
    KernelCreateSerializer,
    KernelDestroyedSerializer,
    KernelListQuerySerializer,
    KernelListSerializer,
    KernelsDestroyedSerializer,
    KernelSerializer,
    KernelStatusSerializer,
)
from kernels.manager import KernelManager
from kernels.models import Kernel


class KernelListViewSet(AsyncViewSet):
    """All kernels."""

    @extend_schema(
        operation_id="create_kernel",
        tags=["Kernels"],
        summary="Create a kernel",
        description="Starts a kernel and answers when it is ready. A name is free again once its "
        "kernel is dead or destroyed.",
        request=KernelCreateSerializer,
        responses=answers(
            {201: KernelSerializer},
            *WITH_BODY,
            409,
            429,
            because_409="A live kernel already has that name, or the session has a kernel.",
            because_429="`KERNELBOX_MAX_KERNELS` kernels are alive or starting.",
        ),
        examples=[OpenApiExample("A named kernel", {"name": "my-kernel"}, request_only=True)],
    )
    async def create(self, request: Request) -> Response:
        """Start a kernel."""
        wanted = self.valid(KernelCreateSerializer)
        manager = manager_of(request)
        kernel = await manager.create(wanted["name"], wanted["session_name"], wanted["tags"])
        return Response(_answer(manager, kernel), status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="list_kernels",
        tags=["Kernels"],
        summary="List all kernels",
        parameters=[KernelListQuerySerializer],
        responses=answers({200: KernelListSerializer}, 400),
    )
    async def index(self, request: Request) -> Response:
        """All kernels that are not destroyed."""
        query = checked(KernelListQuerySerializer, request.query_params)
        manager = manager_of(request)
        kernels = await manager.all(refresh=query["refresh"])
        return Response({"kernels": [_answer(manager, kernel) for kernel in kernels]})

    @extend_schema(
        operation_id="destroy_all_kernels",
        tags=["Kernels"],
        summary="Destroy all kernels",
        request=None,
        responses=answers({200: KernelsDestroyedSerializer}),
    )
    async def destroy_all(self, request: Request) -> Response:
        """End every kernel."""
        return Response({"destroyed": await manager_of(request).destroy_all()})


class KernelViewSet(AsyncViewSet):
    """One kernel, by id or name."""

    @extend_schema(
        operation_id="get_kernel",
        tags=["Kernels"],
        summary="Get a single kernel",
        parameters=[KERNEL_ID],
        responses=answers({200: KernelStatusSerializer}, 404),
    )
    async def retrieve(self, request: Request, kernel_id: str) -> Response:
        """The kernel, and whether it lives."""
        manager = manager_of(request)
        kernel = await manager.find(kernel_id)
        alive = await manager.ping(kernel)
        return Response({"alive": alive, "kernel": _answer(manager, kernel)})

    @extend_schema(
        operation_id="destroy_kernel",
        tags=["Kernels"],
        summary="Destroy a kernel",
        parameters=[KERNEL_ID],
        request=None,
        responses=answers({200: KernelDestroyedSerializer}, 404),
    )
    async def destroy(self, request: Request, kernel_id: str) -> Response:
        """End the kernel for good. Its history stays."""
        await manager_of(request).destroy(kernel_id)
        return Response({"destroyed": True})

    @extend_schema(
        operation_id="restart_kernel",
        tags=["Kernels"],
        summary="Restart a kernel",
        description="Same id, no variables. What runs is interrupted; what waits goes on after it. "
        "A dead kernel is brought back.",
        parameters=[KERNEL_ID],
        request=None,
        responses=answers(
            {200: KernelSerializer}, 404, 409, 429, because_409="The kernel is starting."
        ),
    )
    async def restart(self, request: Request, kernel_id: str) -> Response:
        """Start the kernel's process anew."""
        manager = manager_of(request)
        return Response(_answer(manager, await manager.restart(kernel_id)))

    @extend_schema(
        operation_id="interrupt_kernel",
        tags=["Kernels"],
        summary="Interrupt a kernel",
        description="Interrupts what the kernel runs now; with nothing running, nothing happens. "
        "What waits is not touched, and the variables stay.",
        parameters=[KERNEL_ID],
        request=None,
        responses=answers({200: KernelSerializer}, 404),
    )
    async def interrupt(self, request: Request, kernel_id: str) -> Response:
        """Interrupt what runs."""
        manager = manager_of(request)
        return Response(_answer(manager, await manager.interrupt(kernel_id)))


def _answer(manager: KernelManager, kernel: Kernel) -> dict[str, Any]:
    return kernel_answer(kernel, manager.live(kernel.kernel_id))
