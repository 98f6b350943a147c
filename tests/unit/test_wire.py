"""Messages on the wire: signed, parsed, and refused when they are not what they should be."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session

from kernels.runtime.types import Channel
from kernels.runtime.wire import BadMessage, ConnectionInfo, Message, Wire, load_json
from tests.unit.harness import PROPERTY

KEY = "b0f1a5c3-the-secret"
MAPPING = {
    "transport": "ipc",
    "ip": "/tmp/k1/ipc",
    "shell_port": 1,
    "iopub_port": 2,
    "stdin_port": 3,
    "control_port": 4,
    "hb_port": 5,
    "key": KEY,
    "signature_scheme": "hmac-sha256",
}
INFO = ConnectionInfo.from_mapping(MAPPING)
DELIMITER = b"<IDS|MSG>"
HEADER = {"msg_id": "1", "msg_type": "stream", "version": "5.4"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=8,
)


def kernel_session() -> Session:
    """The kernel's end of the line."""
    return Session(key=KEY.encode())


def signed(header: Any = HEADER, parent: Any = (), content: Any = ()) -> list[bytes]:
    """The frames of a message with a good signature, whatever is in it."""
    parts = [_packed(header), _packed(parent), b"{}", _packed(content)]
    return [DELIMITER, kernel_session().sign(parts), *parts]


def _packed(part: Any) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part or {}).encode()


def content_of(raw: bytes) -> dict[str, Any]:
    """What a content of these bytes is parsed to."""
    return Wire(INFO).parse(signed(content=raw)).content


def test_a_request_reaches_the_kernel_as_it_was_meant() -> None:
    content = {"code": "print('é')", "silent": False}
    msg_id, frames = Wire(INFO).request("execute_request", content)
    _, parts = kernel_session().feed_identities(frames)
    message = kernel_session().deserialize(parts)
    assert message["header"]["msg_id"] == msg_id
    assert message["msg_type"] == "execute_request"
    assert message["content"] == content


def test_a_reply_comes_back_with_the_id_of_its_request() -> None:
    session = kernel_session()
    reply = session.msg("execute_reply", {"status": "ok"}, parent={"header": {"msg_id": "r1"}})
    frames = session.serialize(reply, ident=[b"client"])
    assert Wire(INFO).parse(frames) == Message("execute_reply", "r1", {"status": "ok"})


def test_a_message_without_a_parent_belongs_to_nobody() -> None:
    frames = kernel_session().serialize(kernel_session().msg("status", {}))
    assert Wire(INFO).parse(frames).parent_id == ""


def test_every_request_has_an_id_of_its_own() -> None:
    wires = [Wire(INFO), Wire(INFO)]
    ids = {wire.request("kernel_info_request", {})[0] for wire in wires for _ in range(100)}
    assert len(ids) == 200


def test_a_message_signed_with_another_key_is_refused() -> None:
    forger = Session(key=b"another key")
    with pytest.raises(BadMessage, match="signature is not the kernel's"):
        Wire(INFO).parse(forger.serialize(forger.msg("stream", {})))


def test_a_message_that_was_changed_on_its_way_is_refused() -> None:
    frames = signed(content={"text": "1 euro"})
    frames[-1] = frames[-1].replace(b"1 euro", b"9 euro")
    with pytest.raises(BadMessage, match="signature is not the kernel's"):
        Wire(INFO).parse(frames)


def test_a_message_that_comes_twice_is_refused_the_second_time() -> None:
    wire, frames = Wire(INFO), signed()
    wire.parse(frames)
    with pytest.raises(BadMessage, match="sent before"):
        wire.parse(frames)


@pytest.mark.parametrize("kept", range(len(signed())))
def test_truncated_frames_are_refused(kept: int) -> None:
    with pytest.raises(BadMessage):
        Wire(INFO).parse(signed()[:kept])


@PROPERTY
@given(frames=st.lists(st.binary(max_size=40) | st.just(DELIMITER), max_size=8))
def test_garbage_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        Wire(INFO).parse(frames)


@PROPERTY
@given(
    header=JSON
    | st.builds(lambda more: HEADER | more, st.dictionaries(st.text(), JSON, max_size=3)),
    parent=JSON,
    content=JSON,
)
def test_signed_nonsense_is_a_message_or_is_refused(header: Any, parent: Any, content: Any) -> None:
    try:
        message = Wire(INFO).parse(signed(header, parent, content))
    except BadMessage:
        return
    assert isinstance(message.content, dict)
    assert isinstance(message.parent_id, str)


@pytest.mark.parametrize(
    ("name", "value"),
    [("date", "9999-12-31T24:00:00Z"), ("date", 5), ("version", None), ("version", "9" * 5_000)],
)
def test_a_header_s_other_fields_are_not_looked_at(name: str, value: object) -> None:
    message = Wire(INFO).parse(signed(HEADER | {name: value}))
    assert message.msg_type == HEADER["msg_type"]


def test_a_content_that_is_no_object_is_empty() -> None:
    assert content_of(b"[1, 2]") == {}


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_json_does_not_know_becomes_null(number: bytes) -> None:
    assert content_of(b'{"a": [' + number + b", 1.5]}") == {"a": [None, 1.5]}


def test_lone_surrogates_become_question_marks() -> None:
    assert content_of(rb'{"a\udc00": "b\ud800c", "d": "\ud83d\ude00"}') == {"a?": "b?c", "d": "😀"}


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert content_of(b'{"a": "\xff"}') == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("number", "read"),
    [
        (2**53 + 1, 2**53 + 1),
        (-(2**63), -(2**63)),
        (2**64, float(2**64)),
        (10**300, 1e300),
        (10**400, None),
    ],
)
def test_an_integer_of_more_than_64_bits_becomes_a_float(number: int, read: float | None) -> None:
    assert load_json(b"[%d]" % number) == [read]
    assert load_json(b"[NaN, %d]" % number) == [None, read]


def test_an_integer_longer_than_python_reads_is_refused() -> None:
    with pytest.raises(BadMessage):
        content_of(b'{"a": ' + b"1" * 5_000 + b"}")


@pytest.mark.parametrize("depth", [2_000, 200_000])
@pytest.mark.parametrize("inner", [b"", b"NaN"])
def test_nesting_deeper_than_the_stack_is_refused(depth: int, inner: bytes) -> None:
    with pytest.raises(BadMessage):
        content_of(b'{"a":' + b"[" * depth + inner + b"]" * depth + b"}")


@PROPERTY
@given(value=JSON)
def test_what_was_parsed_can_be_sent_on_as_strict_json(value: Any) -> None:
    parsed = load_json(json.dumps(value))
    sent = json.dumps(parsed, allow_nan=False).encode("utf-8")
    assert load_json(sent) == parsed


@pytest.mark.parametrize("depth", [200, 300, 1_000])
@pytest.mark.parametrize("inner", ["", "NaN"])
def test_what_is_too_deep_to_be_sent_on_is_refused(depth: int, inner: str) -> None:
    raw = '{"a": ' + "[" * depth + inner + "]" * depth + "}"
    try:
        content = content_of(raw.encode())
    except BadMessage:
        assert depth > 200
        return
    assert orjson.loads(orjson.dumps(content)) == content


def test_a_finite_number_is_left_as_it_is() -> None:
    assert load_json(b"[NaN, 0.1, -3]") == [None, 0.1, -3]
    assert math.isfinite(load_json(b"1e308"))


def test_connection_info_gives_the_address_of_each_channel() -> None:
    assert INFO.address(Channel.SHELL) == "ipc:///tmp/k1/ipc-1"
    tcp = ConnectionInfo.from_mapping(MAPPING | {"transport": "tcp", "ip": "127.0.0.1"})
    assert tcp.address(Channel.CONTROL) == "tcp://127.0.0.1:4"


@pytest.mark.parametrize("key", [KEY, KEY.encode()])
def test_a_key_may_be_text_or_bytes(key: str | bytes) -> None:
    assert ConnectionInfo.from_mapping(MAPPING | {"key": key}).key == KEY.encode()


def test_the_key_is_never_shown() -> None:
    wire = Wire(INFO)
    with pytest.raises(BadMessage) as refusal:
        wire.parse([DELIMITER, b"x", b"{}", b"{}", b"{}", b"{}"])
    for shown in (repr(INFO), str(INFO), repr(wire), str(refusal.value), repr(vars(wire))):
        assert KEY not in shown
