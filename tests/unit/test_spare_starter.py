"""A spare that is handed out: settled, with the session's own startup code, or passed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.incarnation import Incarnation, KernelOptions
from kernels.runtime.spares import Spares
from kernels.runtime.starters import FreshStarter, SpareStarter
from tests.scripted_cell import raises
from tests.unit.harness import LIMIT, Bench, soon
from tests.unit.hosted_kernel import HostedLauncher, Settling, dies, is_mute, refuses

WORKPLACE = {
    "environment": {"PATH": "/bin", "GREETING": "grüß dich"},
    "working_dir": "/tmp",
    "limits": {"cpu": 10},
}


class Hatchery:
    """Spares that are ready, and where fresh kernels come from."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.waiting = HostedLauncher(bench)
        self._spares: Spares | None = None

    async def starter(self, *settlings: Settling, **options: Any) -> SpareStarter:
        """One with as many spares as it is said how they are settled."""
        self.waiting.settlings = [*settlings]
        self._spares = Spares(self.waiting.start, len(settlings))
        self._spares.open()
        async with asyncio.timeout(LIMIT):
            while len(self._spares) < len(settlings):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.002)
        given = KernelOptions(**options)
        fresh = FreshStarter(self.bench.launcher, self.bench.context, given)
        return SpareStarter(self._spares, fresh, given, WORKPLACE)

    def is_fresh(self, started: Incarnation) -> bool:
        """Whether a process was no spare."""
        return started.connection_file in [k.connection_file for k in self.bench.processes]

    async def close(self) -> None:
        """End everything."""
        if self._spares is not None:
            await self._spares.close()
        await self.waiting.close()


@pytest.fixture
async def hatchery(bench: Bench) -> AsyncIterator[Hatchery]:
    """Makes starters."""
    made = Hatchery(bench)
    yield made
    await made.close()


async def works(kernel: object) -> dict[str, Any]:
    """Be settled, a moment later."""
    await asyncio.sleep(0.01)
    return {"status": "ok"}


async def test_a_spare_is_handed_out_settled_and_has_run_the_startup_code(
    hatchery: Hatchery,
) -> None:
    starter = await hatchery.starter(works, startup_cells=("import a", "import b"))
    [kernel] = hatchery.waiting.kernels
    started = await soon(starter.start())
    assert started.connection_file == kernel.connection_file
    assert kernel.workplaces == [WORKPLACE]
    assert kernel.asked == ["settle_request", "execute_request", "execute_request"]
    assert kernel.codes == ["import a", "import b"]
    assert hatchery.bench.processes == []
    await soon(started.end())
    assert kernel.released


async def test_without_a_spare_a_fresh_process_is_started(hatchery: Hatchery) -> None:
    started = await soon((await hatchery.starter()).start())
    assert hatchery.is_fresh(started)
    await soon(started.end())


async def test_a_spare_that_dies_when_it_is_handed_out_is_passed_over(hatchery: Hatchery) -> None:
    starter = await hatchery.starter(dies, works)
    first, second = hatchery.waiting.kernels
    started = await soon(starter.start())
    assert started.connection_file == second.connection_file
    assert first.released
    assert not second.ended
    await soon(started.end())


async def test_where_all_spares_die_a_fresh_process_is_started(hatchery: Hatchery) -> None:
    started = await soon((await hatchery.starter(dies, dies)).start())
    assert hatchery.is_fresh(started)
    await soon(started.end())


async def test_a_startup_cell_that_raises_fails_the_start_and_leaves_nothing(
    hatchery: Hatchery,
) -> None:
    hatchery.bench.scripts["import a"] = raises("ModuleNotFoundError", "no a")
    starter = await hatchery.starter(works, startup_cells=("import a", "import b"))
    [kernel] = hatchery.waiting.kernels
    with pytest.raises(KernelStartFailed) as failure:
        await soon(starter.start())
    assert str(failure.value) == (
        "The startup code (KERNELBOX_STARTUP_CODE) raised ModuleNotFoundError: no a"
    )
    assert kernel.codes == ["import a"]
    assert kernel.released
    assert hatchery.bench.processes == []


async def test_a_startup_cell_that_ends_the_spare_ends_the_fresh_one_too_and_fails_the_start(
    hatchery: Hatchery,
) -> None:
    starter = await hatchery.starter(works, startup_cells=("os._exit(3)",))
    with pytest.raises(KernelStartFailed, match="exited with code 3"):
        await soon(starter.start())
    assert hatchery.waiting.kernels[0].released
    assert [process.released for process in hatchery.bench.processes] == [True]


async def test_a_spare_that_cannot_be_settled_fails_the_start_with_the_reason(
    hatchery: Hatchery,
) -> None:
    starter = await hatchery.starter(refuses)
    [kernel] = hatchery.waiting.kernels
    with pytest.raises(KernelStartFailed) as failure:
        await soon(starter.start())
    assert str(failure.value) == "The kernel could not be settled: no such folder"
    assert kernel.released


async def test_a_start_that_is_cancelled_leaves_nothing_of_the_spare(hatchery: Hatchery) -> None:
    starter = await hatchery.starter(is_mute)
    [kernel] = hatchery.waiting.kernels
    starting = asyncio.create_task(starter.start())
    async with asyncio.timeout(LIMIT):
        while not kernel.workplaces:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.002)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(starting)
    assert kernel.released


@pytest.mark.parametrize("settling", [is_mute, works])
async def test_a_spare_that_is_not_ready_in_time_fails_the_start_as_any_other(
    hatchery: Hatchery, settling: Settling
) -> None:
    cells = ("while True: pass",)
    starter = await hatchery.starter(settling, startup_cells=cells, start_timeout=0.2)
    try:
        with pytest.raises(KernelStartFailed, match=r"not ready within 0\.2 s"):
            await soon(starter.start())
    finally:
        assert hatchery.waiting.kernels[0].released


async def test_a_process_that_dies_while_it_is_settled_is_told_with_its_last_words(
    hatchery: Hatchery,
) -> None:
    hatchery.waiting.settlings = [dies]
    spare = await soon(hatchery.waiting.start())
    with pytest.raises(KernelStartFailed) as failure:
        await soon(spare.settle(WORKPLACE, KernelOptions()))
    assert "ended before it was ready" in str(failure.value)
    assert str(failure.value).endswith("It said: Out of memory.")
    await soon(spare.end())


async def test_a_process_that_cannot_be_settled_lives_until_it_is_ended(
    hatchery: Hatchery,
) -> None:
    hatchery.waiting.settlings = [refuses]
    spare = await soon(hatchery.waiting.start())
    [kernel] = hatchery.waiting.kernels
    with pytest.raises(KernelStartFailed, match="could not be settled: no such folder"):
        await soon(spare.settle(WORKPLACE, KernelOptions(startup_cells=("import a",))))
    assert (kernel.ended, kernel.codes) == (False, [])
    await soon(spare.end())
    assert kernel.released
