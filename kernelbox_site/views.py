"""The service's own pages: what it offers, whether it is well, and its documentation."""

from __future__ import annotations

import asyncio
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, JsonResponse
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.utils import OpenApiResponse, extend_schema
from drf_spectacular.views import (
    SpectacularJSONAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from kernelbox_site import __version__
from kernels.api.base import AsyncViewSet
from kernels.api.schema import answers
from kernels.api.scope import manager_of
from kernels.manager import KernelManager

#: Seconds for the database to answer a health check.
DATABASE_LIMIT = 2.0


class LinkSerializer(serializers.Serializer[dict[str, Any]]):
    """Where something is."""

    href = serializers.CharField(help_text="Its path.")
    description = serializers.CharField(help_text="What it is.")


class RootSerializer(serializers.Serializer[dict[str, Any]]):
    """What the service offers."""

    service = serializers.CharField(help_text="Always `kernelbox`.")
    version = serializers.CharField(help_text="Its version.")
    links = serializers.DictField(child=LinkSerializer(), help_text="What is where.")


class HealthSerializer(serializers.Serializer[dict[str, Any]]):
    """Whether the service is well."""

    status = serializers.CharField(help_text="`ok`, or `unavailable` with a 503.")
    service = serializers.CharField(help_text="Always `kernelbox`.")
    version = serializers.CharField(help_text="Its version.")
    database = serializers.CharField(help_text="Which database, and whether it answered.")
    host = serializers.CharField(help_text="What starts the kernels.")
    isolation = serializers.CharField(help_text="What confines the code of a session.")
    kernels = serializers.IntegerField(help_text="Kernels that are alive or starting.")
    spares = serializers.IntegerField(help_text="Kernels that wait for a session.")
    reason = serializers.CharField(required=False, help_text="Why it cannot serve.")


class RootViewSet(AsyncViewSet):
    """What the service offers."""

    @extend_schema(
        operation_id="root",
        tags=["Service"],
        summary="What the service offers",
        responses=answers({200: RootSerializer}),
    )
    async def index(self, request: Request) -> Response:
        """Links to everything."""
        links = {
            "swagger": ("docs", "Swagger UI: try every endpoint in the browser."),
            "redoc": ("redoc", "ReDoc: the API to read."),
            "openapi": ("schema", "The OpenAPI schema."),
            "health": ("health", "Whether the service is well."),
            "admin": ("admin:index", "Kernels, sessions and history for people."),
        }
        return Response(
            {
                "service": "kernelbox",
                "version": __version__,
                "links": {
                    name: {"href": reverse(view), "description": description}
                    for name, (view, description) in links.items()
                },
            }
        )


class HealthViewSet(AsyncViewSet):
    """Whether the service is well."""

    @extend_schema(
        operation_id="health",
        tags=["Service"],
        summary="Whether the service is well",
        auth=[],
        responses={
            200: HealthSerializer,
            **{s: a for s, a in answers({}).items() if s in (403, 421)},
            503: OpenApiResponse(
                HealthSerializer, description="It cannot serve; `reason` says why."
            ),
        },
    )
    async def index(self, request: Request) -> Response:
        """Look at the database, and tell."""
        manager = manager_of(request)
        reason = await _database_failure(manager)
        health = {
            "status": "unavailable" if reason else "ok",
            "service": "kernelbox",
            "version": __version__,
            "database": f"{connection.vendor}: {'failed' if reason else 'ok'}",
            "host": manager.source.description,
            "isolation": "none: code has the rights of the server's user",
            "kernels": manager.alive,
            "spares": manager.source.spares,
        }
        if reason:
            return Response(health | {"reason": reason}, status=503)
        return Response(health)


async def _database_failure(manager: KernelManager) -> str | None:
    """Why the database cannot be used, in a sentence; None when it can."""
    try:
        async with asyncio.timeout(DATABASE_LIMIT):
            await manager.ask_database()
    except TimeoutError:
        return f"The database did not answer within {DATABASE_LIMIT:g} s."
    except (DatabaseError, InterfaceError) as error:
        return f"The database did not answer: {type(error).__name__}."
    return None


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """What a path that leads nowhere is answered."""
    return JsonResponse({"detail": f"There is nothing at {request.path}."}, status=404)


def failed(request: HttpRequest) -> JsonResponse:
    """What a request is answered that the server failed at."""
    detail = "Something went wrong in the server; its log says what."
    return JsonResponse({"detail": detail}, status=500)


#: DRF's answer to OPTIONS is none of these pages.
_TO_LOOK_AT = ["get", "head"]
schema = SpectacularJSONAPIView.as_view(
    renderer_classes=[OpenApiJsonRenderer2], http_method_names=_TO_LOOK_AT
)
swagger = SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=_TO_LOOK_AT)
redoc = SpectacularRedocView.as_view(
    url_name="schema", template_name="kernelbox/redoc.html", http_method_names=_TO_LOOK_AT
)
