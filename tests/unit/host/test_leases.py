"""For whom a host lives: leases, what is left after them, and being told to stop."""

from __future__ import annotations

import time

import pytest

from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import RunningHost, is_gone, paused
from tests.unit.host.peer import Peer


def lives(host: RunningHost) -> bool:
    """Whether a host runs, and answers."""
    return host.process.poll() is None and "kernels" in host.peer().ask("list")


def leased(host: RunningHost, seconds: float) -> Peer:
    """A connection with a lease."""
    peer = host.peer()
    assert peer.ask("lease", seconds=seconds) == {"id": 1}
    return peer


def test_a_host_that_nobody_takes_a_lease_on_ends_after_its_grace(new_host: NewHost) -> None:
    host = new_host("--grace", "0.4", lease=False)
    host.peer().ask("list")
    assert host.process.poll() is None
    assert host.wait() == 0


def test_a_host_lives_on_as_long_as_a_lease_is_held(new_host: NewHost) -> None:
    host = new_host("--grace", "0.2", lease=False)
    leased(host, 0)
    with pytest.raises(TimeoutError):
        host.wait_for(0.4)
    assert lives(host)


def test_a_host_ends_with_its_kernels_when_the_connection_of_its_lease_closes(
    new_host: NewHost,
) -> None:
    host = new_host(lease=False)
    peer = leased(host, 0)
    pids = [peer.start(host.order(fork=fork))["pid"] for fork in (True, False)]
    peer.close()
    assert host.wait() == 0
    assert all(map(is_gone, pids))
    assert not host.socket.exists()


def test_a_lease_below_nothing_is_none_beyond_its_connection(new_host: NewHost) -> None:
    host = new_host(lease=False)
    leased(host, -5).close()
    assert host.wait() == 0


def test_a_host_ends_when_the_time_of_its_last_lease_is_over(new_host: NewHost) -> None:
    host = new_host(lease=False)
    peer = leased(host, 0.3)
    pid = peer.start(host.order())["pid"]
    begun = time.monotonic()
    peer.close()
    assert lives(host)
    assert host.wait() == 0
    assert time.monotonic() - begun >= 0.3
    assert is_gone(pid)


def test_whoever_comes_in_time_finds_the_host_and_its_kernels(new_host: NewHost) -> None:
    host = new_host(lease=False)
    first = leased(host, 0.5)
    order = host.order()
    pid = first.start(order)["pid"]
    first.close()
    second = leased(host, 0)
    assert second.kernels() == {order.kernel: pid}
    with pytest.raises(TimeoutError):
        host.wait_for(0.6)
    assert second.kernels() == {order.kernel: pid}


def test_a_host_lives_until_the_last_of_its_leases_is_given_up(new_host: NewHost) -> None:
    host = new_host(lease=False)
    first, second = leased(host, 0), leased(host, 0)
    first.close()
    assert lives(host)
    assert second.kernels() == {}
    second.close()
    assert host.wait() == 0


def test_of_two_leases_by_one_connection_the_last_counts(new_host: NewHost) -> None:
    host = new_host(lease=False)
    peer = leased(host, 60)
    peer.ask("lease", seconds=0)
    peer.close()
    assert host.wait() == 0


def test_connections_without_a_lease_change_nothing(new_host: NewHost) -> None:
    host = new_host()
    for _ in range(3):
        host.peer().close()
    assert lives(host)


def test_a_host_that_is_told_to_stop_says_so_and_ends(new_host: NewHost) -> None:
    host = new_host(lease=False)
    peer = leased(host, 60)
    pid = peer.start(host.order(fork=True))["pid"]
    assert peer.ask("stop")["stopping"] is True
    assert host.wait() == 0
    assert is_gone(pid)
    assert peer.was_ended()
    assert peer.deaths.keys() == {"kernel-1"}


def test_a_host_that_another_needs_does_not_stop(new_host: NewHost) -> None:
    host = new_host(lease=False)
    first, second = leased(host, 60), leased(host, 60)
    pid = second.start(host.order())["pid"]
    assert first.ask("stop")["stopping"] is False
    assert first.kernels() == {"kernel-1": pid}
    assert second.ask("stop")["stopping"] is True
    assert host.wait() == 0


def test_a_lease_of_one_that_has_gone_already_holds_nothing(new_host: NewHost) -> None:
    host = new_host("--grace", "0.5", lease=False)
    peer = host.peer()
    with paused(host):
        peer.send({"id": 1, "op": "list"}, {"id": 2, "op": "lease", "seconds": 0})
        peer.close()
    host.wait_for(1.0)
