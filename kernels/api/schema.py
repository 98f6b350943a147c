"""Pieces of the OpenAPI schema that several views share."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from kernels.api.names import LONGEST_NAME
from kernels.api.serializers import ErrorSerializer, FieldErrorsSerializer

_REASONS: dict[int, str] = {
    400: "Something in the request is wrong; the field is named.",
    401: "`KERNELBOX_TOKEN` is set and the request carries no token, or another.",
    403: "The request comes from another site's page.",
    404: "There is no such thing.",
    409: "It conflicts with what is there.",
    413: "The body is over `KERNELBOX_BODY_LIMIT`.",
    415: "The body is not `application/json`.",
    421: "The `Host` is none that this server answers to.",
    429: "A limit is reached; `Retry-After` says when to try again.",
    503: "No kernel could be started, or the history could not be written.",
}
#: What any request may be told.
ANYWHERE = (401, 403, 421, 503)
WITH_BODY = (400, 413, 415)

KERNEL_ID = OpenApiParameter(
    "kernel_id",
    str,
    OpenApiParameter.PATH,
    description="Id or name of a kernel, or the name of its session.",
)
SESSION_NAME = OpenApiParameter(
    "name",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"^[^/\x00-\x1f]+$"},
    OpenApiParameter.PATH,
    description=f"Name of the session: 1 to {LONGEST_NAME} characters without a slash.",
)


def answers(success: dict[int, Any], *statuses: int, **reasons: str) -> dict[int, Any]:
    """The answers of an operation: its own, those of ``statuses``, and those any request may get.

    ``reasons`` (``because_409="…"``) say more precisely what a status means there.
    """
    documented: dict[int, Any] = dict(success)
    for status in sorted({*statuses, *ANYWHERE}):
        shape = FieldErrorsSerializer if status == 400 else ErrorSerializer
        reason = reasons.get(f"because_{status}", _REASONS[status])
        documented[status] = OpenApiResponse(shape, description=reason)
    return documented
