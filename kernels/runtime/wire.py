"""The Jupyter wire format: signed, serialized messages and where they go.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
``jupyter_client``'s own ``Session`` does this for any client, with dates, metadata and copies that
nobody here looks at: 5 times as long a message.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from kernels.runtime.types import Channel

#: Between what is for the router and the message itself.
DELIM = b"<IDS|MSG>"
PROTOCOL_VERSION = "5.3"
USERNAME = "kernelbox"
#: A signature that was seen before is refused; a kernel sends a few messages an execution,
#: so this remembers the last hundred or so executions in about 100 KiB.
REMEMBERED_SIGNATURES = 1_024
#: orjson writes at most 254 levels, of which an answer of the API has some around the output.
LEVELS_AROUND = 20
SAFE_DEPTH = 254 - LEVELS_AROUND


class BadMessage(Exception):
    """Frames that are no signed Jupyter message of this kernel."""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """Where a kernel listens, and the key that signs what is said. The key is never shown."""

    transport: str
    ip: str
    ports: Mapping[Channel, int]
    key: bytes = field(repr=False)
    signature_scheme: str = "hmac-sha256"

    @classmethod
    def from_mapping(cls, info: Mapping[str, Any]) -> ConnectionInfo:
        """Read the content of a Jupyter connection file."""
        key = info["key"]
        return cls(
            transport=str(info["transport"]),
            ip=str(info["ip"]),
            ports={channel: int(info[f"{channel}_port"]) for channel in Channel},
            key=key if isinstance(key, bytes) else str(key).encode(),
            signature_scheme=str(info.get("signature_scheme", "hmac-sha256")),
        )

    def socket_path(self, channel: Channel) -> str | None:
        """The path of one channel's Unix socket; None where the transport is another."""
        return f"{self.ip}-{self.ports[channel]}" if self.transport == "ipc" else None

    def address(self, channel: Channel) -> str:
        """The ZMQ address of one channel."""
        separator = "-" if self.transport == "ipc" else ":"
        return f"{self.transport}://{self.ip}{separator}{self.ports[channel]}"


@dataclass(frozen=True, slots=True)
class Message:
    """One message from a kernel."""

    msg_type: str
    parent_id: str
    content: dict[str, Any]


class Wire:
    """Signs and serializes requests to one kernel, verifies and parses what comes back."""

    def __init__(self, info: ConnectionInfo) -> None:
        self._info = info
        #: Of this connection; a message's own id counts up behind it.
        self._session_id = uuid4().hex
        self._count = 0
        self._digest = info.signature_scheme.removeprefix("hmac-")
        #: Signatures of the last messages, the oldest first.
        self._seen: dict[bytes, None] = {}

    def request(self, msg_type: str, content: dict[str, Any]) -> tuple[str, list[bytes]]:
        """A new request: its ``msg_id``, and the frames to send."""
        self._count += 1
        msg_id = f"{self._session_id}_{self._count}"
        header = {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": self._session_id,
            "username": USERNAME,
            "date": datetime.now(UTC),
            "version": PROTOCOL_VERSION,
        }
        signed = [orjson.dumps(header), b"{}", b"{}", orjson.dumps(content)]
        return msg_id, [DELIM, self._sign(signed), *signed]

    def parse(self, frames: Sequence[bytes]) -> Message:
        """Read the frames of one message; raise :class:`BadMessage` for anything else.

        ``Session.deserialize`` would also parse dates and metadata that nobody here looks at, which
        takes as long as all the rest.
        """
        try:
            after = frames.index(DELIM) + 1  # What stands before is for the router.
            signature, header, parent, metadata, content = frames[after : after + 5]
            self._check_signature(signature, [header, parent, metadata, content])
            fields = load_json(content)
            return Message(
                msg_type=str(load_json(header)["msg_type"]),
                parent_id=str(load_json(parent).get("msg_id", "")),
                content=fields if isinstance(fields, dict) else {},
            )
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise BadMessage(f"{type(error).__name__}: {error}") from error

    def _sign(self, parts: list[bytes]) -> bytes:
        return hmac.digest(self._info.key, b"".join(parts), self._digest).hex().encode()

    def _check_signature(self, signature: bytes, signed: list[bytes]) -> None:
        if not hmac.compare_digest(signature, self._sign(signed)):
            raise ValueError("the signature is not the kernel's")
        if signature in self._seen:
            raise ValueError("the message was sent before")
        self._seen[signature] = None
        if len(self._seen) > REMEMBERED_SIGNATURES:
            del self._seen[next(iter(self._seen))]


def load_json(raw: bytes | str) -> Any:
    """Parse JSON from a kernel so that it can be sent on.

    What strict JSON forbids is mended: lone surrogates become ``?``, ``NaN`` and infinities null,
    integers of more than 64 bits floats.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        value = _mended(json.loads(text))
    as_bytes = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
    if as_bytes.count(b"[") + as_bytes.count(b"{") > SAFE_DEPTH:
        _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    """Raise ValueError unless ``value`` can be sent on inside an answer."""
    try:
        for _ in range(LEVELS_AROUND):
            value = [value]
        orjson.dumps(value)
    except TypeError as error:
        raise ValueError("nested too deep") from error


def _mended(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_mended(key): _mended(item) for key, item in value.items()}
        case list():
            return [_mended(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case int() if value.bit_length() > 63:
            return _mended(float(value)) if value.bit_length() < 1_024 else None
        case _:
            return value
