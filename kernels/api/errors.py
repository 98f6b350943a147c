"""The one map from errors to HTTP."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from kernels.runtime import errors

log = logging.getLogger(__name__)

HTTP_STATUS: dict[type[errors.KernelBoxError], int] = {
    errors.KernelNotFound: status.HTTP_404_NOT_FOUND,
    errors.SessionNotFound: status.HTTP_404_NOT_FOUND,
    errors.ExecutionNotFound: status.HTTP_404_NOT_FOUND,
    errors.KernelExists: status.HTTP_409_CONFLICT,
    errors.LanguageConflict: status.HTTP_409_CONFLICT,
    errors.IllegalStep: status.HTTP_409_CONFLICT,
    errors.KernelGone: status.HTTP_409_CONFLICT,
    errors.UnknownLanguage: status.HTTP_400_BAD_REQUEST,
    errors.QueueFull: status.HTTP_429_TOO_MANY_REQUESTS,
    errors.KernelLimitReached: status.HTTP_429_TOO_MANY_REQUESTS,
    errors.KernelStartFailed: status.HTTP_503_SERVICE_UNAVAILABLE,
    errors.HistoryUnavailable: status.HTTP_503_SERVICE_UNAVAILABLE,
    errors.ServiceStopping: status.HTTP_503_SERVICE_UNAVAILABLE,
}
#: Seconds after which a client that was told to wait may try again.
RETRY_AFTER = "1"


def answer_for(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to a request that raised ``error``; None for one that is a fault of ours."""
    if isinstance(error, errors.UnknownLanguage):
        return Response({"language": [str(error)]}, status=HTTP_STATUS[errors.UnknownLanguage])
    if isinstance(error, errors.KernelBoxError):
        return _with_retry_after(Response({"detail": str(error)}, status=HTTP_STATUS[type(error)]))
    if isinstance(error, (OperationalError, InterfaceError)):
        log.error("the database did not answer", extra={"why": str(error)})
        detail = f"The database did not answer ({type(error).__name__}). Try again later."
        return _with_retry_after(Response({"detail": detail}, status=503))
    if isinstance(error, RequestDataTooBig):
        return Response({"detail": str(error)}, status=413)
    return exception_handler(error, context)


def _with_retry_after(response: Response) -> Response:
    if response.status_code in (429, 503):
        response["Retry-After"] = RETRY_AFTER
    return response
