"""The base of the asynchronous viewsets.

adrf does the same for any project, with a thread hop a request (``sync_to_async(self.initial)``), and
Django makes another to render DRF's lazy response. Here neither is needed: no view has synchronous
permissions or throttles, and an answer is rendered where it is made. ``benchmarks/view_bases.py``
measures both; ``docs/performance.md`` has the figures.
"""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import MethodNotAllowed, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ViewSet

from kernels.api.json import JSONRenderer, dump_json

log = logging.getLogger(__name__)

S = TypeVar("S", bound=BaseSerializer[Any])

_renderer = JSONRenderer()
_serializers: dict[type[BaseSerializer[Any]], BaseSerializer[Any]] = {}


class AsyncViewSet(ViewSet):
    """A viewset whose actions are coroutines and whose answers are JSON."""

    # Who may come in is decided before routing: kernelbox_site/door.
    authentication_classes = ()
    permission_classes = ()
    http_method_names = ["get", "head", "post", "delete"]

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """The view, marked so that Django awaits it in place of giving it a thread."""
        view: Any = super().as_view(actions, **initkwargs)
        return markcoroutinefunction(view)

    async def dispatch(  # type: ignore[override]
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Run the action; errors become answers by the map in ``kernels/api/errors.py``."""
        # A chunked body has no declared length, and DRF takes that for no body at all.
        request.META.setdefault("CONTENT_LENGTH", str(len(request.body)))
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        try:
            self.initial(self.request, *args, **kwargs)
            method = (request.method or "").lower()
            handler = getattr(self, method, None) if method in self.http_method_names else None
            if handler is None:
                raise MethodNotAllowed(request.method or "")
            response = await handler(self.request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - every error of a view becomes an answer here
            response = self.handle_exception(error)
        if response.status_code == status.HTTP_405_METHOD_NOT_ALLOWED:
            response["Allow"] = ", ".join(self.allowed_methods)
        return self._rendered(response)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Everything is answered as JSON, whatever was asked for."""
        return _renderer, _renderer.media_type

    def handle_exception(self, exc: Exception) -> Response:
        """The answer to an error; what is not in the map is logged and told as a 500."""
        try:
            return super().handle_exception(exc)
        except Exception:
            log.exception("a request failed")
            detail = {"detail": "Something went wrong in the server; its log says what."}
            return Response(detail, status=status.HTTP_500_INTERNAL_SERVER_ERROR)

    def valid(self, serializer_class: type[S]) -> dict[str, Any]:
        """The request's body as that serializer reads it; raises a 400 that names the field."""
        data: Any = self.request.data
        if not isinstance(data, dict):
            raise ValidationError({"detail": "The body must be a JSON object."})
        return checked(serializer_class, data)

    @staticmethod
    def _rendered(response: Response) -> HttpResponse:
        body = b"" if response.data is None else dump_json(response.data)
        rendered = HttpResponse(body, status=response.status_code, content_type="application/json")
        rendered["Content-Length"] = str(len(body))  # It would be sent in chunks otherwise.
        for name, value in response.items():
            if name != "Content-Type":
                rendered[name] = value
        return rendered


def checked(serializer_class: type[S], data: Any) -> dict[str, Any]:
    """``data`` as a serializer reads it; raises a 400 that names the field."""
    validated: dict[str, Any] = _shared(serializer_class).run_validation(data)
    return validated


def _shared(serializer_class: type[S]) -> BaseSerializer[Any]:
    """One serializer for all requests: DRF copies every field deeply for each that is made.

    ``run_validation`` keeps nothing of what it reads; only ``is_valid`` does.
    """
    serializer = _serializers.get(serializer_class)
    if serializer is None:
        serializer = _serializers[serializer_class] = serializer_class()
    return serializer
