"""Starts that come to nothing: the host says why in a sentence, and nothing is left of them."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from kernels.host.protocol import StartOrder
from tests.unit.host.harness import RunningHost, eventually, paused
from tests.unit.host.nest import Nest


def refused(nest: Nest, order: StartOrder) -> str:
    """Why a start is refused; nothing is left of it."""
    why = nest.peer.start(order)["error"]
    eventually(lambda: nest.peer.kernels() == {})
    return str(why)


def test_a_program_that_does_not_exist_is_told_in_a_sentence(host: RunningHost, nest: Nest) -> None:
    why = refused(nest, host.order("/nowhere/kernel"))
    assert why == "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/kernel'"


def test_a_file_that_is_no_program_is_told_in_a_sentence(host: RunningHost, nest: Nest) -> None:
    (host.folder / "text").write_text("not a program")
    assert refused(nest, host.order(str(host.folder / "text"))).startswith("PermissionError: ")


@pytest.mark.parametrize("fork", [True, False])
def test_a_working_folder_that_does_not_exist_is_told_in_a_sentence(
    host: RunningHost, nest: Nest, fork: bool
) -> None:
    why = refused(nest, host.order(fork=fork, working_dir=Path("/nowhere")))
    assert why == "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'"


def test_a_connection_file_that_does_not_exist_is_told_in_a_sentence(
    host: RunningHost, nest: Nest
) -> None:
    order = replace(host.order(fork=True), connection_file="/nowhere/kernel.json")
    why = refused(nest, order)
    assert why == "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/kernel.json'"


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_connection_file_that_is_none_is_an_error(
    host: RunningHost, nest: Nest, content: str
) -> None:
    order = host.order(fork=True)
    Path(order.connection_file).write_text(content)
    assert "Error" in refused(nest, order)


def test_what_cannot_be_set_in_a_process_is_an_error(host: RunningHost, nest: Nest) -> None:
    assert "ValueError" in refused(nest, host.order(environment={"A=B": "c"}))
    assert "OverflowError" in refused(nest, host.order(limits={"cpu": 10**30}))


def test_a_start_that_failed_is_a_death_too_with_a_traceback(host: RunningHost, nest: Nest) -> None:
    order = host.order("/nowhere/kernel")
    nest.peer.start(order)
    death = nest.peer.death_of(order.kernel)
    assert death["exit_code"] == 1
    assert death["stderr"].startswith("Traceback (most recent call last):")
    assert "FileNotFoundError" in death["stderr"].splitlines()[-1]


def test_a_second_start_under_the_same_name_is_refused_while_the_first_lives(nest: Nest) -> None:
    kernel = nest.execute()
    other = nest.host.peer()
    for peer in (nest.peer, other):
        assert peer.start(kernel.order)["error"] == f"there is a kernel {kernel.name} already"
    assert nest.peer.kernels() == {kernel.name: kernel.pid}
    kernel.signal(signal.SIGKILL)
    kernel.death()
    assert nest.start(kernel.order).pid != kernel.pid


def test_a_kernel_whose_client_leaves_while_it_starts_is_ended(
    host: RunningHost, nest: Nest
) -> None:
    order = host.order(fork=True)
    leaving = host.peer()
    leaving.order(order)
    leaving.close()
    assert nest.peer.death_of(order.kernel)["signal"] == signal.SIGKILL
    assert nest.peer.kernels() == {}


def test_a_kernel_that_was_ordered_twice_is_ended_too_when_its_client_leaves(
    host: RunningHost, nest: Nest
) -> None:
    order = host.order(fork=True)
    leaving = host.peer()
    with paused(host):
        leaving.order(order)
        leaving.order(order)
        leaving.close()
    eventually(lambda: nest.peer.kernels() == {}, limit=1.0)


def test_a_client_that_is_found_to_be_gone_has_nothing_more_done(
    host: RunningHost, nest: Nest
) -> None:
    order = host.order(fork=True)
    leaving = host.peer()
    with paused(host):
        leaving.send({"id": "list", "op": "list"}, {"id": "start", **order.as_message()})
        leaving.close()
    eventually(lambda: nest.peer.kernels() == {}, limit=1.0)


def test_a_kernel_that_has_started_does_not_need_the_client_that_started_it(
    host: RunningHost, nest: Nest
) -> None:
    leaving, order = host.peer(), host.order()
    pid = leaving.start(order)["pid"]
    leaving.close()
    assert nest.peer.kernels() == {order.kernel: pid}
    assert nest.peer.ask("signal", kernel=order.kernel, signal=9)["sent"] is True
    nest.peer.death_of(order.kernel)
