"""Kernels that wait for a session: always as many as wanted, and never a dead one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from kernels.runtime import spares as spares_module
from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.incarnation import Incarnation
from kernels.runtime.spares import Spares
from tests.unit.harness import LIMIT, Bench, soon
from tests.unit.hosted_kernel import HostedLauncher, HostedScriptedKernel

#: How the next makes go: None goes well, an error is raised.
Outcomes = list[Exception | None]
NewSpares = Callable[[int], Spares]


class Maker:
    """Makes spares, and remembers when."""

    def __init__(self, launcher: HostedLauncher) -> None:
        self._launcher = launcher
        self._at_work = 0
        self.outcomes: Outcomes = []
        self.times: list[float] = []
        #: The most that were made at once.
        self.most_at_once = 0
        self._changed = asyncio.Event()

    async def make(self) -> Incarnation:
        """Make one."""
        self.times.append(asyncio.get_running_loop().time())
        self._at_work += 1
        self.most_at_once = max(self.most_at_once, self._at_work)
        self._changed.set()
        try:
            if self.outcomes and (outcome := self.outcomes.pop(0)) is not None:
                raise outcome
            return await self._launcher.start()
        finally:
            self._at_work -= 1

    async def until_asked(self, times: int) -> None:
        """Wait until it has been asked that often."""
        async with asyncio.timeout(LIMIT):
            while len(self.times) < times:
                self._changed.clear()
                await self._changed.wait()

    @property
    def gaps(self) -> list[float]:
        """Seconds between one make and the next."""
        return [later - sooner for sooner, later in zip(self.times, self.times[1:], strict=False)]


@pytest.fixture
async def launcher(bench: Bench) -> AsyncIterator[HostedLauncher]:
    """Launches kernels of the host."""
    made = HostedLauncher(bench)
    yield made
    await made.close()


@pytest.fixture
def maker(launcher: HostedLauncher) -> Maker:
    """Makes spares."""
    return Maker(launcher)


@pytest.fixture
async def new_spares(maker: Maker, launcher: HostedLauncher) -> AsyncIterator[NewSpares]:
    """Spares that are closed after the test."""
    made: list[Spares] = []

    def make(wanted: int) -> Spares:
        made.append(Spares(maker.make, wanted))
        made[-1].open()
        return made[-1]

    yield make
    for spares in made:
        await soon(spares.close())


async def until(happened: Callable[[], bool]) -> None:
    """Return when something is as wanted."""
    async with asyncio.timeout(LIMIT):
        while not happened():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.002)


def kernel_of(spare: Incarnation | None, launcher: HostedLauncher) -> HostedScriptedKernel:
    """The kernel that a spare is connected to."""
    assert spare is not None
    [kernel] = (k for k in launcher.kernels if k.connection_file == spare.connection_file)
    return kernel


async def test_as_many_are_made_as_are_wanted_one_after_the_other(
    maker: Maker, new_spares: NewSpares
) -> None:
    spares = new_spares(3)
    assert len(spares) == 0
    await until(lambda: len(spares) == 3)
    await asyncio.sleep(0.05)  # for one too many to be made
    assert (len(spares), len(maker.times), maker.most_at_once) == (3, 3, 1)


async def test_where_none_are_wanted_none_is_made(maker: Maker, new_spares: NewSpares) -> None:
    spares = new_spares(0)
    await asyncio.sleep(0.05)  # for one to be made
    assert (len(spares), maker.times, spares.take()) == (0, [], None)


async def test_where_there_is_none_nothing_is_given(new_spares: NewSpares) -> None:
    assert new_spares(1).take() is None


async def test_the_oldest_is_given_first_and_replaced(
    launcher: HostedLauncher, new_spares: NewSpares
) -> None:
    spares = new_spares(2)
    await until(lambda: len(spares) == 2)
    taken = [spares.take(), spares.take()]
    assert [kernel_of(spare, launcher) for spare in taken] == launcher.kernels[:2]
    assert spares.take() is None
    await until(lambda: len(spares) == 2)
    assert len(launcher.kernels) == 4
    for spare in taken:
        assert spare is not None
        await soon(spare.end())


async def test_one_that_was_given_is_the_takers_even_when_they_are_closed(
    launcher: HostedLauncher, new_spares: NewSpares
) -> None:
    spares = new_spares(1)
    await until(lambda: len(spares) == 1)
    taken = spares.take()
    await soon(spares.close())
    assert not kernel_of(taken, launcher).ended
    assert taken is not None
    await soon(taken.end())


async def test_one_that_dies_is_never_given_and_replaced(
    launcher: HostedLauncher, new_spares: NewSpares
) -> None:
    spares = new_spares(2)
    await until(lambda: len(spares) == 2)
    launcher.kernels[0].die()
    await until(lambda: len(launcher.kernels) == 3 and len(spares) == 2)
    await until(lambda: launcher.kernels[0].released)
    taken = [spares.take(), spares.take()]
    assert [kernel_of(spare, launcher) for spare in taken] == launcher.kernels[1:3]
    for spare in taken:
        assert spare is not None
        await soon(spare.end())


async def test_one_that_dies_after_it_was_given_is_no_loss(
    maker: Maker, launcher: HostedLauncher, new_spares: NewSpares
) -> None:
    spares = new_spares(1)
    await until(lambda: len(spares) == 1)
    taken = spares.take()
    await until(lambda: len(spares) == 1)
    kernel_of(taken, launcher).die()
    assert taken is not None
    await soon(asyncio.shield(taken.death))
    await asyncio.sleep(0.05)  # for another one to be made
    assert (len(spares), len(maker.times)) == (1, 2)
    await soon(taken.end())


async def test_one_that_cannot_be_made_is_tried_again_after_longer_and_longer(
    maker: Maker, new_spares: NewSpares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares_module, "FIRST_PAUSE", 0.02)
    maker.outcomes = [KernelStartFailed("no room")] * 4
    spares = new_spares(1)
    await until(lambda: len(spares) == 1)
    assert len(maker.times) == 5
    for gap, least in zip(maker.gaps, (0.02, 0.04, 0.08, 0.16), strict=True):
        assert gap >= least - 0.002


async def test_the_pause_does_not_grow_for_ever(
    maker: Maker, new_spares: NewSpares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(spares_module, "LONGEST_PAUSE", 0.02)
    maker.outcomes = [KernelStartFailed("no room")] * 10  # the last would wait for 5 s
    spares = new_spares(1)
    await until(lambda: len(spares) == 1)
    assert len(maker.times) == 11


async def test_the_pause_begins_anew_after_one_was_made(
    maker: Maker, new_spares: NewSpares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares_module, "FIRST_PAUSE", 0.02)
    failed = KernelStartFailed("no room")
    maker.outcomes = [failed, failed, failed, failed, None, failed, None]
    spares = new_spares(2)
    await until(lambda: len(spares) == 2)
    assert maker.gaps[-1] < 0.3  # It would be 0.32 otherwise.


async def test_an_error_of_a_launchers_own_does_not_end_the_making(
    maker: Maker, new_spares: NewSpares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares_module, "FIRST_PAUSE", 0.01)
    maker.outcomes = [LookupError("what a provisioner of somebody else's may raise")]
    spares = new_spares(1)
    await maker.until_asked(1)
    async with asyncio.timeout(0.5):
        while len(spares) < 1:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.002)


async def test_closing_ends_all_that_wait_and_makes_no_more(
    maker: Maker, launcher: HostedLauncher, new_spares: NewSpares
) -> None:
    spares = new_spares(3)
    await until(lambda: len(spares) == 3)
    await soon(spares.close())
    assert (len(spares), spares.take()) == (0, None)
    assert all(kernel.ended and kernel.released for kernel in launcher.kernels)
    assert len(maker.times) == 3
    await soon(spares.close())


async def test_closing_ends_one_that_is_being_made(
    bench: Bench, launcher: HostedLauncher, maker: Maker, new_spares: NewSpares
) -> None:
    launcher.welcomes = False
    spares = new_spares(1)
    await until(lambda: len(launcher.kernels) == 1)
    await soon(spares.close())
    assert launcher.kernels[0].released
    assert asyncio.all_tasks() == {asyncio.current_task()}
