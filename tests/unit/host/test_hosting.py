"""How a server comes by its kernels: by a host that it finds or starts, or without one."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kernels import hosting
from kernels.environment import kernel_environment
from kernels.host.client import connected
from kernels.host.provisioner import NAME
from kernels.host.starting import HostOptions
from kernels.hosting import Hosting
from tests.unit.harness import soon
from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import (
    children_with,
    eventually,
    has_ended,
    is_gone,
    remove,
    short_folder,
)
from tests.unit.host.nest import Nest

STARTING = "kernel host: starting"
FORKS = "kernel host: forks a kernel with nothing preloaded"
#: Seconds for a host to be started and chosen.
START = 10.0

#: The warning of subprocess about the host that was killed; the second test below is about it.
NOT_WAITED_FOR = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

NewHosting = Callable[..., Hosting]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder."""
    made = short_folder()
    yield made
    remove(made)


@pytest.fixture
async def new_hosting(folder: Path) -> AsyncIterator[NewHosting]:
    """Makes a server's hosting, at a socket in the folder unless another is given."""
    made: list[Hosting] = []

    def make(socket: Path | None = None, preload: tuple[str, ...] = ()) -> Hosting:
        environment = kernel_environment(os.environ)
        made.append(Hosting(HostOptions(socket or folder / "host.sock", preload, environment, 0)))
        return made[-1]

    yield make
    for one in made:
        await soon(one.close(), START)


def host_pid(socket: Path) -> int:
    """The pid of the host that this process is connected to."""
    client = connected(socket)
    assert client is not None
    return client.greeting.pid


async def lose_connection(socket: Path) -> int:
    """Close this process's connection to a host, whose pid is returned."""
    client = connected(socket)
    assert client is not None
    await soon(client.close())
    return client.greeting.pid


async def test_it_says_what_starts_the_kernels_before_and_while_and_after(
    new_hosting: NewHosting,
) -> None:
    hosting = new_hosting()
    assert hosting.description == STARTING
    hosting.open()
    assert hosting.description == STARTING
    chosen = await soon(hosting.choose_provisioner(), START)
    assert chosen is not None
    assert hosting.description == FORKS
    await soon(hosting.close(), START)
    assert hosting.description != FORKS


async def test_it_chooses_the_provisioner_of_its_own_host(
    new_hosting: NewHosting, folder: Path
) -> None:
    chosen = await soon(new_hosting().choose_provisioner(), START)
    config = {"host_socket": str(folder / "host.sock"), "limits": {}}
    assert chosen == {"provisioner_name": NAME, "config": config}


async def test_modules_that_are_left_out_are_named_with_the_reason(new_hosting: NewHosting) -> None:
    hosting = new_hosting(preload=("json", "no_such_module"))
    await soon(hosting.choose_provisioner(), START)
    assert hosting.description == (
        "kernel host: forks a kernel with json preloaded; no_such_module is left out: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    )


async def test_whoever_asks_meanwhile_waits_for_the_same_host(
    new_hosting: NewHosting, folder: Path
) -> None:
    hosting = new_hosting()
    hosting.open()
    first = await soon(hosting.choose_provisioner(), START)
    pid = host_pid(folder / "host.sock")
    assert await soon(hosting.choose_provisioner()) == first
    assert host_pid(folder / "host.sock") == pid


async def test_a_host_ends_with_the_server_that_started_it(
    new_hosting: NewHosting, folder: Path
) -> None:
    hosting = new_hosting()
    await soon(hosting.choose_provisioner(), START)
    pid = host_pid(folder / "host.sock")
    await soon(hosting.close(), START)
    assert is_gone(pid)
    assert os.listdir(folder) == []


async def test_a_host_ends_when_its_server_is_gone_without_a_word(
    new_hosting: NewHosting, folder: Path
) -> None:
    await soon(new_hosting().choose_provisioner(), START)
    pid = await lose_connection(folder / "host.sock")
    eventually(lambda: has_ended(pid))


async def test_one_that_is_closed_while_its_host_starts_leaves_none(
    new_hosting: NewHosting, folder: Path
) -> None:
    hosting = new_hosting()
    hosting.open()
    await soon(hosting.close(), START)
    assert children_with(str(folder)) == []


async def test_one_that_was_never_opened_can_be_closed(new_hosting: NewHosting) -> None:
    hosting = new_hosting()
    await soon(hosting.close())
    assert hosting.description == STARTING


async def test_without_a_host_kernels_are_started_one_by_one_and_it_says_why(
    new_hosting: NewHosting, folder: Path
) -> None:
    os.close(os.open(folder / "file", os.O_CREAT))
    hosting = new_hosting(folder / "file" / "host.sock")
    assert await soon(hosting.choose_provisioner(), START) is None
    assert hosting.description.startswith("local-provisioner: ")
    assert "Not a directory" in hosting.description or "File exists" in hosting.description


async def test_a_host_that_could_not_start_is_not_tried_again_at_once(
    new_hosting: NewHosting, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosting_ = new_hosting(folder / "file" / "host.sock")
    os.close(os.open(folder / "file", os.O_CREAT))
    assert await soon(hosting_.choose_provisioner(), START) is None
    os.remove(folder / "file")
    assert await soon(hosting_.choose_provisioner(), START) is None
    monkeypatch.setattr(hosting, "TRY_AGAIN_AFTER", 0.0)
    hosting_._try_again_at = 0.0
    assert await soon(hosting_.choose_provisioner(), START) is not None
    assert hosting_.description == FORKS
    await lose_connection(folder / "file" / "host.sock")
    assert hosting_.description == STARTING


async def test_a_socket_that_nobody_can_listen_on_is_named_as_the_reason(
    new_hosting: NewHosting, folder: Path
) -> None:
    hosting = new_hosting(folder / ("x" * 107))
    assert await soon(hosting.choose_provisioner(), START) is None
    assert "AF_UNIX path too long" in hosting.description


async def started_again(hosting: Hosting, socket: Path) -> int:
    """Kill a server's host, and have it start another one; returns the pid of the first."""
    await soon(hosting.choose_provisioner(), START)
    client, first = connected(socket), host_pid(socket)
    assert client is not None
    os.kill(first, signal.SIGKILL)
    await soon(client.gone.wait())
    assert hosting.description == STARTING
    assert await soon(hosting.choose_provisioner(), START) is not None
    return first


@NOT_WAITED_FOR
async def test_another_host_is_started_after_the_first_was_killed(
    new_hosting: NewHosting, folder: Path
) -> None:
    hosting = new_hosting()
    first = await started_again(hosting, folder / "host.sock")
    assert hosting.description == FORKS
    assert host_pid(folder / "host.sock") != first


@NOT_WAITED_FOR
async def test_no_zombie_is_left_of_a_host_that_was_killed(
    new_hosting: NewHosting, folder: Path
) -> None:
    first = await started_again(new_hosting(), folder / "host.sock")
    eventually(lambda: is_gone(first), limit=1.0)


async def test_a_host_that_runs_is_used_and_kernels_of_an_earlier_server_are_ended(
    new_hosting: NewHosting, new_host: NewHost
) -> None:
    host = new_host(lease=False)
    with closing(Nest(host)) as nest:
        kernels = [nest.fork(), nest.execute()]
        hosting = new_hosting(host.socket)
        assert await soon(hosting.choose_provisioner(), START) is not None
        assert host_pid(host.socket) == host.process.pid
        assert [kernel.death()["signal"] for kernel in kernels] == [signal.SIGKILL] * 2


async def test_kernels_of_another_server_that_lives_are_left_alone(
    new_hosting: NewHosting, new_host: NewHost
) -> None:
    host = new_host()  # with a lease
    with closing(Nest(host)) as nest:
        kernel = nest.fork()
        hosting = new_hosting(host.socket)
        assert await soon(hosting.choose_provisioner(), START) is not None
        await soon(hosting.close())
        assert [*nest.peer.kernels()] == [kernel.name]


async def test_a_host_that_was_found_ends_when_nobody_else_needs_it(
    new_hosting: NewHosting, new_host: NewHost
) -> None:
    host = new_host("--grace", "10", lease=False)
    hosting = new_hosting(host.socket)
    await soon(hosting.choose_provisioner(), START)
    await soon(hosting.close())
    assert host.wait() == 0
