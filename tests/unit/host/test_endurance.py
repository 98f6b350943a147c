"""What a host outlives: whatever it is told, whatever becomes of its kernels and their files."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import socket
import struct
import time
from dataclasses import replace
from typing import Any

import psutil
import pytest

from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import RunningHost
from tests.unit.host.nest import Nest
from tests.unit.host.peer import LIMIT

#: What befalls a test when its host has died.
DIED = (OSError, AssertionError)
NUMBERS: dict[str, dict[str, Any]] = {
    "a lease for ever": {"op": "lease", "seconds": float("inf")},
    "a lease of centuries": {"op": "lease", "seconds": 1e10},
    "a lease of 400 digits": {"op": "lease", "seconds": 10**400},
    "a limit without end": {
        "op": "start",
        "kernel": "k",
        "argv": ["/bin/true"],
        "fork": False,
        "connection_file": "/nowhere/k.json",
        "workplace": {"environment": {}, "limits": {"nofile": float("inf")}},
    },
}


def lives(host: RunningHost) -> bool:
    """Whether a host takes connections and answers."""
    return "deaths" in host.peer().ask("list")


@pytest.mark.parametrize("message", NUMBERS.values(), ids=NUMBERS)
def test_a_number_that_is_too_large(new_host: NewHost, message: dict[str, Any]) -> None:
    host = new_host(lease=False)
    peer = host.peer()
    peer.send({"id": 1} | message)
    with contextlib.suppress(ConnectionError):
        peer.take()
    peer.close()
    assert lives(host)


def test_an_id_that_can_just_be_read_and_not_be_written(new_host: NewHost) -> None:
    host = new_host()
    for depth in range(900, 1_000):
        peer = host.peer()
        body = b'{"op":"list","id":' + b"[" * depth + b"]" * depth + b"}"
        peer.socket.sendall(struct.pack("!I", len(body)) + body)
        with contextlib.suppress(ConnectionError):
            peer.socket.recv(1)
        peer.close()
    assert lives(host)


@pytest.mark.parametrize(
    "path",
    ["", "a\0b", "/etc/passwd/k.json", f"/tmp/{'x' * 300}"],
    ids=["empty", "NUL", "below a file", "long"],
)
def test_a_path_that_no_connection_file_can_have(new_host: NewHost, path: str) -> None:
    host = new_host()
    order = replace(host.order(fork=True), connection_file=path)
    peer = host.peer()
    assert "error" in peer.start(order)
    assert peer.death_of(order.kernel)["exit_code"] == 1
    assert lives(host)


def test_a_kernel_that_puts_a_folder_in_place_of_its_connection_file(own_nest: Nest) -> None:
    kernel = own_nest.fork()
    file = kernel.order.connection_file
    death = kernel.dies_of(f"import os; os.remove({file!r}); os.mkdir({file!r}); os._exit(0)")
    assert death["exit_code"] == 0
    assert lives(own_nest.host)


def test_many_starts_that_fail_at_once(new_host: NewHost) -> None:
    host = new_host()
    peer = host.peer()
    for _ in range(5):
        orders = [replace(host.order(fork=True), connection_file="/nowhere/k") for _ in range(40)]
        peer.send(*({"id": o.kernel, **o.as_message()} for o in orders))
        for order in orders:
            assert "/nowhere/k" in peer.answer_to(order.kernel)["error"]
            assert peer.death_of(order.kernel)["exit_code"] == 1
    assert lives(host)


def test_many_processes_that_end_while_others_start(new_host: NewHost) -> None:
    host = new_host()
    peer = host.peer()
    for _ in range(10):
        orders = [host.order("/bin/sh", "-c", "exit 3") for _ in range(40)]
        peer.send(*({"id": o.kernel, **o.as_message()} for o in orders))
        assert [peer.death_of(o.kernel)["exit_code"] for o in orders] == [3] * len(orders)
    assert lives(host)


def leave(host: RunningHost, free: int) -> None:
    """Let a host open so many descriptors more."""
    pid = host.process.pid
    taken = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    numbers = (number for number in itertools.count() if number not in taken)
    limit = next(itertools.islice(numbers, free, None))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, 4_096))


def test_a_host_that_has_no_descriptor_left_says_so_and_goes_on(own_nest: Nest) -> None:
    host = own_nest.host
    leave(host, 0)
    assert "Too many open files" in own_nest.peer.start(host.order())["error"]
    leave(host, 100)
    assert own_nest.execute().pid


def test_a_start_that_fails_for_want_of_descriptors_takes_none(new_host: NewHost) -> None:
    host = new_host()
    peer, process = host.peer(), psutil.Process(host.process.pid)
    used = process.num_fds()
    leave(host, 3)
    assert "Too many open files" in peer.start(host.order())["error"]
    assert process.num_fds() == used


def test_a_connection_that_cannot_be_taken_keeps_no_processor_busy(new_host: NewHost) -> None:
    host = new_host()
    process = psutil.Process(host.process.pid)
    leave(host, 0)
    before = sum(process.cpu_times()[:2])
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(host.socket))
        time.sleep(0.4)
        used = sum(process.cpu_times()[:2]) - before
        leave(host, 100)
        waiting.settimeout(LIMIT)
        assert waiting.recv(4)
    assert used < 0.1


def test_a_kernel_whose_files_are_gone_already(own_nest: Nest) -> None:
    kernel = own_nest.fork()
    for path in own_nest.host.folder.glob(f"{kernel.name}*"):
        os.remove(path)
    kernel.signal(9)
    assert kernel.death()["signal"] == 9
    assert lives(own_nest.host)
