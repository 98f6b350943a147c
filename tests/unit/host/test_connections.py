"""Connections to a host: greeted, answered, and ended one by one when they make no sense."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import psutil
import pytest

from kernels.host.protocol import LONGEST, encode
from tests.unit.host.harness import RunningHost, eventually
from tests.unit.host.nest import Nest
from tests.unit.host.peer import Peer


def frame(body: bytes) -> bytes:
    """A frame with any content."""
    return struct.pack("!I", len(body)) + body


def start(**changes: Any) -> dict[str, Any]:
    """A ``start`` but for some changes; None takes a field away."""
    workplace = {"environment": {}, "working_dir": "/", "limits": {}}
    whole = {"op": "start", "kernel": "k", "argv": ["/bin/true"], "fork": False}
    whole |= {"connection_file": "/nowhere/k.json", "workplace": workplace} | changes
    return {name: value for name, value in whole.items() if value is not None}


MALFORMED = {
    "a length beyond the longest": struct.pack("!I", LONGEST + 1),
    "another protocol": b"GET / HTTP/1.1\r\nHost: kernels\r\n\r\n",
    "no JSON": frame(b"{op: list}"),
    "no text": frame(b"\xff\xfe\x00"),
    "an array": frame(b'["list"]'),
    "no operation": encode({"id": 1}),
    "an unknown operation": encode({"id": 1, "op": "shutdown"}),
    "an operation of no name": encode({"id": 1, "op": {"list": True}}),
    "a start of nothing": encode({"id": 1, "op": "start"}),
    "a start without a program": encode(start(argv=[])),
    "a start whose program is a text": encode(start(argv="/bin/true")),
    "a start without a connection file": encode(start(connection_file=None)),
    "a start without a workplace": encode(start(workplace=None)),
    "a start in a workplace of no shape": encode(start(workplace=["/"])),
    "a start with unknown limits": encode(
        start(workplace={"environment": {}, "limits": {"ram": 1}})
    ),
    "a signal for nobody": encode({"id": 1, "op": "signal", "signal": 15}),
    "no signal": encode({"id": 1, "op": "signal", "kernel": "k"}),
    "a signal of no number": encode({"id": 1, "op": "signal", "kernel": "k", "signal": "KILL"}),
    "a signal that does not exist": encode({"id": 1, "op": "signal", "kernel": "k", "signal": 999}),
    "a lease without end": encode({"id": 1, "op": "lease"}),
    "a lease of no number": encode({"id": 1, "op": "lease", "seconds": "long"}),
    "a lease of nothing": encode({"id": 1, "op": "lease", "seconds": None}),
}


def test_a_host_says_at_once_who_it_is(host: RunningHost, peer: Peer) -> None:
    pid = host.process.pid
    assert peer.greeting == {"protocol": 1, "pid": pid, "preloaded": [], "left_out": {}}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_makes_no_sense_ends_its_own_connection_alone(
    host: RunningHost, nest: Nest, peer: Peer, data: bytes
) -> None:
    kernel = nest.execute()
    peer.socket.sendall(data)
    assert peer.was_ended()
    assert nest.peer.kernels() == {kernel.name: kernel.pid}
    assert host.peer().greeting["pid"] == host.process.pid


def test_what_came_before_nonsense_is_answered(peer: Peer) -> None:
    peer.socket.sendall(encode({"id": "first", "op": "list"}) + frame(b"[]"))
    assert peer.take()["id"] == "first"
    assert peer.was_ended()


def test_a_message_may_come_byte_by_byte(peer: Peer) -> None:
    for byte in encode({"id": 7, "op": "list"}):
        peer.socket.sendall(bytes([byte]))
    assert peer.answer_to(7)["kernels"] == []


def test_each_connection_is_given_its_own_answers(host: RunningHost) -> None:
    peers = [host.peer() for _ in range(5)]
    for number, peer in enumerate(peers):
        peer.send(*({"id": f"{number}-{n}", "op": "list"} for n in range(20)))
    for number, peer in enumerate(peers):
        assert [peer.take()["id"] for _ in range(20)] == [f"{number}-{n}" for n in range(20)]


def test_an_answer_does_not_wait_for_one_that_was_asked_for_earlier(
    host: RunningHost, nest: Nest
) -> None:
    order = host.order(fork=True)
    nest.peer.send({"id": "start", **order.as_message()}, {"id": "list", "op": "list"})
    assert [nest.peer.take()["id"] for _ in range(2)] == ["list", "start"]
    assert nest.peer.ask("signal", kernel=order.kernel, signal=9) == {"id": 1, "sent": True}
    assert nest.peer.death_of(order.kernel)["signal"] == 9


def test_what_has_no_id_is_done_and_not_answered(host: RunningHost, nest: Nest) -> None:
    kernel = nest.execute()
    nest.peer.send({"op": "signal", "kernel": kernel.name, "signal": 9})
    assert nest.peer.take()["death"] == kernel.name


def test_one_that_goes_away_in_the_middle_of_a_frame_disturbs_nobody(host: RunningHost) -> None:
    leaving, staying = host.peer(), host.peer()
    leaving.socket.sendall(encode({"id": 1, "op": "list"})[:-3])
    leaving.close()
    assert staying.kernels() == {}


def test_one_that_does_not_read_is_given_up(host: RunningHost, peer: Peer) -> None:
    with contextlib.suppress(OSError):
        for _ in range(12):
            peer.socket.sendall(encode({"id": "x" * (LONGEST // 2), "op": "list"}))
    assert peer.was_ended()
    assert host.peer().greeting["pid"] == host.process.pid
    eventually(lambda: "it does not read" in host.said())


def test_descriptors_of_connections_that_are_gone_are_given_back(host: RunningHost) -> None:
    process = psutil.Process(host.process.pid)
    before = process.num_fds()
    peers = [host.peer() for _ in range(10)]
    peers[-1].kernels()
    assert process.num_fds() == before + 10
    for peer in peers:
        peer.close()
    eventually(lambda: process.num_fds() == before)
