"""JSON in and out by orjson, for DRF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer


class JSONParser(BaseParser):
    """Reads a JSON body; what is no JSON, or holds a lone surrogate, is a 400 that says where."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value of the body."""
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not valid JSON: {error}") from error


class JSONRenderer(BaseRenderer):
    """Writes an answer's data as JSON."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The bytes of the body; nothing for an answer without data."""
        return b"" if data is None else dump_json(data)


def dump_json(data: Any) -> bytes:
    """``data`` as JSON; keys that are no strings become strings, as the standard library does."""
    return orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS)
