"""Kernels that came and went leave nothing: no process, no file, no descriptor, no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.live.conftest import eventually
from tests.live.host.processes import Holdings, descendants, host_of, is_gone, is_zombie, settled
from tests.live.host.session import Session
from tests.server import Server

pytestmark = pytest.mark.any_database

#: Kernels that are started and destroyed: one after another, and at one time.
IN_TURN = 500
AT_ONCE = 100
DYING_IN_TURN = 10
#: What a server or a host may hold more than before: descriptors, and MiB of memory.
DESCRIPTORS = 5
MEMORY = 20
#: Seconds in which a kernel's descendants end with it.
SOON = 2.0
#: A cell that leaves a child behind.
DYING = "import os, subprocess\n_ = subprocess.Popen(['sleep', '300'])\nos.kill(os.getpid(), 9)"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """A server with room for all of them."""
    return {"KERNELBOX_MAX_KERNELS": "150"}


@pytest.fixture(scope="module")
def warmed(server: Server) -> Server:
    """The server after it has had, at one time, as many kernels as it ever will.

    Memory that was needed once is kept for the next time: that is no leak.
    """
    come_and_go(server, AT_ONCE, at_once=True)
    return server


@pytest.fixture
def before(warmed: Server) -> Holdings:
    """What it holds while it has no kernels."""
    return at_rest(warmed)


def at_rest(server: Server) -> Holdings:
    """What a server holds once its spares are complete and nothing is under way any more."""

    def look() -> tuple[int, ...]:
        now = Holdings.of(server)
        return (now.processes, now.zombies, now.files, now.server_descriptors, now.host_descriptors)

    settled(look)
    return Holdings.of(server)


def come_and_go(server: Server, number: int, *, at_once: bool) -> None:
    """Start kernels and destroy them: each before the next, or all when all are there.

    The connections of the client that does it are gone in the end.
    """
    with server.client() as client, ThreadPoolExecutor(number if at_once else 1) as pool:
        sessions = [Session(client, f"brief-{n}") for n in range(number)]
        if at_once:
            values = list(pool.map(lambda session: session.value("40 + 2"), sessions))
            assert len(client.get("/kernels").json()["kernels"]) == number
            list(pool.map(Session.destroy, sessions))
        else:
            values = [one_cell_of(session) for session in sessions]
        assert client.get("/kernels").json()["kernels"] == []
    assert values == [42] * number


def one_cell_of(session: Session) -> object:
    """The value of the one cell of a session that is destroyed after it."""
    value = session.value("40 + 2")
    session.destroy()
    return value


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("number", "at_once"), [(IN_TURN, False), (AT_ONCE, True)], ids=["in turn", "at once"]
)
def test_kernels_that_came_and_went_leave_nothing(
    server: Server, before: Holdings, number: int, at_once: bool
) -> None:
    host = host_of(server)
    come_and_go(server, number, at_once=at_once)
    after = at_rest(server)
    assert after.more_than(before, DESCRIPTORS, MEMORY) == {}, (before, after)
    assert host_of(server) == host


def test_kernels_that_died_leave_nothing(
    server: Server, client: httpx.Client, before: Holdings
) -> None:
    for number in range(DYING_IN_TURN):
        session = Session(client, f"killed-{number}")
        assert session.run(DYING)["status"] == "dead"
        session.destroy()
    after = at_rest(server)
    assert after.more_than(before, DESCRIPTORS, MEMORY) == {}, (before, after)


# -- what kernels start --------------------------------------------------------------------------

GRANDCHILDREN = {
    "a child": "subprocess.Popen(['sleep', '300']).pid",
    "one in a session of its own": "subprocess.Popen(['sleep', '300'], start_new_session=True).pid",
    "a daemon": "int(subprocess.check_output(['setsid', 'sh', '-c', 'sleep 300 > /dev/null 2>&1 & echo $!']))",
    "one that heeds no signal": "subprocess.Popen(['sh', '-c', 'trap \"\" TERM HUP INT; sleep 300 & wait; wait']).pid",
    "a fork": "import os\nos.fork() or os.execvp('sleep', ['sleep', '300'])",
}  # fmt: skip
ENDS: dict[str, Callable[[Session], object]] = {
    "destroyed": Session.destroy,
    "restarted": Session.restart,
    "killed": lambda session: session.run("import os\nos.kill(os.getpid(), 9)"),
    "left": lambda session: session.run("import os\nos._exit(0)"),
}


@pytest.fixture
def grandchild(session: Session, request: pytest.FixtureRequest) -> Iterator[psutil.Process]:
    """A process that a session's kernel started, in one way or another."""
    process = psutil.Process(session.value(f"import subprocess\n{request.param}"))
    yield process
    if process.is_running():
        process.kill()


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("grandchild", GRANDCHILDREN.values(), ids=GRANDCHILDREN.keys(), indirect=True)  # fmt: skip
def test_what_a_kernel_started_ends_with_it(
    server: Server,
    session: Session,
    grandchild: psutil.Process,
    end: Callable[[Session], object],
) -> None:
    assert not is_gone(grandchild)
    end(session)
    eventually(lambda: is_gone(grandchild), limit=SOON)
    eventually(lambda: not any(map(is_zombie, descendants(server))), limit=SOON)
