"""Frames of the host's protocol, and what is said in them."""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.host.protocol import (
    LONGEST,
    Certificate,
    Decoder,
    ProtocolError,
    StartOrder,
    encode,
)
from kernels.host.workplace import LIMITS, Workplace
from tests.unit.harness import PROPERTY

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
messages = st.dictionaries(st.text(), values, max_size=4)
workplaces = st.builds(
    Workplace,
    st.dictionaries(st.text(), st.text(), max_size=3),
    st.text(),
    st.dictionaries(st.sampled_from(sorted(LIMITS)), st.integers(), max_size=3),
)
orders = st.builds(
    StartOrder,
    kernel=st.text(),
    argv=st.lists(st.text(), min_size=1, max_size=4).map(tuple),
    fork=st.booleans(),
    connection_file=st.text(),
    workplace=workplaces,
)
certificates = st.builds(
    Certificate,
    st.integers(),
    st.none() | st.integers(0, 255),
    st.none() | st.integers(1, 64),
    st.none() | st.integers(0),
    st.text(),
)


def frame(body: bytes) -> bytes:
    """A frame with any content."""
    return struct.pack("!I", len(body)) + body


def order(**changes: Any) -> dict[str, Any]:
    """A ``start`` that is well formed but for some changes; None takes a field away."""
    workplace = {"environment": {}, "working_dir": "/", "limits": {}}
    whole = {
        "kernel": "k",
        "argv": ["x"],
        "fork": True,
        "connection_file": "/k.json",
        "workplace": workplace,
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


@PROPERTY
@given(st.lists(messages, max_size=4), st.data())
def test_messages_arrive_as_they_were_however_their_bytes_are_cut(
    sent: list[dict[str, Any]], data: st.DataObject
) -> None:
    stream = b"".join(map(encode, sent))
    cuts = data.draw(st.sets(st.integers(0, len(stream)), max_size=8))
    pieces = pairwise(sorted(cuts | {0, len(stream)}))
    decoder = Decoder()
    received = [m for begin, end in pieces for m in decoder.feed(stream[begin:end])]
    assert received == sent


def test_a_message_is_complete_with_its_last_byte_and_not_before() -> None:
    decoder, sent = Decoder(), {"op": "list", "id": 1}
    *first, last = encode(sent)
    assert [m for byte in first for m in decoder.feed(bytes([byte]))] == []
    assert list(decoder.feed(bytes([last]))) == [sent]


def test_a_message_may_be_as_long_as_the_longest() -> None:
    sent = {"x": "y" * (LONGEST - len(json.dumps({"x": ""}, separators=(",", ":"))))}
    encoded = encode(sent)
    assert len(encoded) == LONGEST + 4
    assert list(Decoder().feed(encoded)) == [sent]


def test_a_frame_that_is_too_long_is_refused_before_its_content_comes() -> None:
    with pytest.raises(ProtocolError, match=str(LONGEST + 1)):
        list(Decoder().feed(struct.pack("!I", LONGEST + 1)))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'op': 1}", b"\xff\xfe\xfd", b"[" * 100_000, b'{"x": ' + b"1" * 10_000 + b"}"],
    ids=["empty", "torn", "not quite", "no text", "deep", "number without end"],
)
def test_a_frame_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="no JSON"):
        list(Decoder().feed(frame(body)))


@pytest.mark.parametrize("body", [b"[]", b"1", b'"list"', b"null", b"true"])
def test_a_frame_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="no object"):
        list(Decoder().feed(frame(body)))


def test_what_came_before_a_bad_frame_is_still_given() -> None:
    given_before = Decoder().feed(encode({"id": 1}) + encode({"id": 2}) + frame(b"[]"))
    assert [next(given_before), next(given_before)] == [{"id": 1}, {"id": 2}]
    with pytest.raises(ProtocolError):
        next(given_before)


@PROPERTY
@given(orders)
def test_an_order_arrives_as_it_was(sent: StartOrder) -> None:
    [message] = Decoder().feed(encode(sent.as_message()))
    assert message["op"] == "start"
    assert StartOrder.from_message(message) == sent


@PROPERTY
@given(workplaces)
def test_a_workplace_arrives_as_it_was(sent: Workplace) -> None:
    assert Workplace.from_mapping(json.loads(json.dumps(sent.as_mapping()))) == sent


@PROPERTY
@given(certificates, st.text())
def test_a_certificate_arrives_as_it_was(sent: Certificate, kernel: str) -> None:
    [message] = Decoder().feed(encode(sent.as_message(kernel)))
    assert message["death"] == kernel
    assert Certificate.from_message(message) == sent


def test_of_a_certificate_the_pid_alone_must_be_there() -> None:
    assert Certificate.from_message({"pid": 7}) == Certificate(7, None, None, None, "")
    with pytest.raises(KeyError):
        Certificate.from_message({"exit_code": 0})


@pytest.mark.parametrize("missing", ["kernel", "argv", "fork", "connection_file", "workplace"])
def test_an_order_that_lacks_something_is_refused(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        StartOrder.from_message(order(**{missing: None}))


@pytest.mark.parametrize(
    "change",
    [
        {"argv": []},
        {"argv": "/bin/sh"},
        {"argv": {"0": "/bin/sh"}},
        {"workplace": []},
        {"workplace": {}},
        {"workplace": {"environment": ["PATH=/bin"]}},
        {"workplace": {"environment": {}, "limits": ["nofile"]}},
    ],
    ids=str,
)
def test_an_order_of_the_wrong_shape_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        StartOrder.from_message(order(**change))


def test_limits_that_the_system_does_not_have_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown limits: disc, ram"):
        Workplace.from_mapping({"environment": {}, "limits": {"ram": 1, "cpu": 1, "disc": 1}})


@pytest.mark.parametrize("limit", [None, "much", [1]], ids=str)
def test_a_limit_that_is_no_number_is_refused(limit: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        Workplace.from_mapping({"environment": {}, "limits": {"cpu": limit}})


def test_neither_the_environment_nor_the_last_words_are_shown() -> None:
    workplace = Workplace({"TOKEN": "the-secret"}, "/")
    shown = repr((workplace, StartOrder("k", ("x",), True, "f", workplace)))
    shown += repr(Certificate(1, stderr="the-secret"))
    assert "the-secret" not in shown
    assert "working_dir='/'" in shown
