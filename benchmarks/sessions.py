"""Many sessions that are alive at one time, each with numpy, pandas and pyplot imported."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import psutil

from benchmarks import memory
from benchmarks.measure import Figures, Series, figures, in_turns, timed
from benchmarks.peers import stock_kernel
from benchmarks.peers.http_session import Caller, sessions
from benchmarks.peers.session import Open
from benchmarks.warm import one_plus_one
from benchmarks.workload import Options, latency
from tests.server import Server, running_server

STEPS = (10, 100)
MANY_STEPS = (500, 1_000)
SETTINGS = {"KERNELBOX_MAX_KERNELS": "1100"}
IMPORTS = "import numpy, pandas, matplotlib.pyplot"
#: Starts under way at one time.
AT_A_TIME = 8
CALLS = 100
WARM_UP = 10
#: Bytes of memory that the machine keeps free.
MEMORY_KEPT = 2_000_000_000
#: Seconds for the last start to be over and done with, and for all kernels to end.
SETTLE = 1.0
END_LIMIT = 300.0


class NotEnoughMemory(Exception):
    """The machine's free memory is running out."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many sessions alive: how fast they came, what they take in MiB, how one is called."""

    alive: int
    starts_a_second: float
    start: Figures
    pss_a_session: float
    memory_in_all: float
    call: Figures


@dataclass(frozen=True, slots=True)
class Sessions:
    """Steps upwards, and in MiB what one kernel takes that is started as usual."""

    title: ClassVar[str] = "Many sessions"
    stock_pss: float
    steps: list[Step] = field(default_factory=list)
    #: Why there are no more steps, if they were not all taken.
    stopped: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, str]:
        """Ours runs alone."""
        return {}

    def lines(self) -> list[str]:
        """A line a step."""
        lines = [
            "| alive | starts/s | a start, p50 (p95) ms | PSS a session, MiB | in all, GiB "
            "| a warm call, p50 (p95) ms |",
            "|--:|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {one.alive:,} | {one.starts_a_second:.1f} | {latency(one.start)} "
            f"| {one.pss_a_session:.1f} | {one.memory_in_all / 1024:.2f} | {latency(one.call)} |"
            for one in self.steps
        ]
        return [
            *lines,
            "",
            f"{AT_A_TIME} starts at a time, each with `{IMPORTS}`; spares are shared out among the sessions, and “in all” has "
            f"the server too. One {stock_kernel.NAME} that has run the same: "
            f"{self.stock_pss:.1f} MiB.",
            *self.stopped,
        ]

    def panel(self) -> None:
        """It has a picture of its own."""


def measure(options: Options) -> Sessions:
    """Start ever more sessions on one server, and look at it at each step."""
    with stock_kernel.running(IMPORTS) as pid:
        result = Sessions(memory.pss(psutil.Process(pid)))
    steps = (*STEPS, *MANY_STEPS) if options.many else STEPS
    with running_server(SETTINGS) as server, _ended(server):
        opened = sessions(server.port)
        _start(
            opened, range(1), Series("the first start")
        )  # Once for all, the kernel host makes ready.
        for begun, wanted in itertools.pairwise((1, *steps)):
            starts = Series("a start")
            try:
                seconds = timed(partial(_start, opened, range(begun, wanted), starts))
            except NotEnoughMemory as error:
                result.stopped.append(f"Stopped on the way to {wanted:,} sessions: {error}.")
                break
            result.steps.append(_look(server, wanted, starts, seconds, options.rounds or CALLS))
    return result


@contextlib.contextmanager
def _ended(server: Server) -> Iterator[None]:
    """End all kernels before the server, which would not wait for that many."""
    try:
        yield
    finally:
        # Ctrl-C reaches the server too, and it may be gone.
        with (
            contextlib.suppress(ConnectionError),
            contextlib.closing(Caller(server.port, limit=END_LIMIT)) as caller,
        ):
            caller.request("DELETE", "/kernels")


def _start(opened: Open, numbers: range, starts: Series) -> None:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(partial(_start_one, opened, starts), map("many-{}".format, numbers)))


def _start_one(opened: Open, starts: Series, name: str) -> None:
    free = psutil.virtual_memory().available
    if free < MEMORY_KEPT:
        raise NotEnoughMemory(f"{free / 1e9:.1f} GB of memory are free")
    with opened(name) as session:
        starts.call(lambda: session.execute(IMPORTS))


def _look(server: Server, alive: int, starts: Series, seconds: float, calls: int) -> Step:
    time.sleep(SETTLE)
    with sessions(server.port)("many-0") as session:
        call = in_turns({"warm": partial(one_plus_one, session)}, calls, WARM_UP)["warm"]
    kernels = memory.together(memory.kernels(server))
    rest = memory.together([psutil.Process(server.process.pid), *memory.hosts(server)])
    return Step(
        alive=alive,
        starts_a_second=len(starts.seconds) / seconds,
        start=figures([starts]),
        pss_a_session=kernels / alive,
        memory_in_all=kernels + rest,
        call=call,
    )
