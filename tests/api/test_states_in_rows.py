"""A kernel's row moves by compare-and-set, and its name is its own while it lives."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from functools import partial
from itertools import product
from typing import Any

import pytest

from kernels import rows
from kernels.database import DatabaseThread
from kernels.models import Kernel
from kernels.runtime.errors import IllegalStep, KernelExists, KernelNotFound
from kernels.runtime.states import ALIVE_STATES, LEGAL_STEPS, KernelState
from tests.api.conftest import soon

STARTING, RUNNING, RESTARTING = KernelState.STARTING, KernelState.RUNNING, KernelState.RESTARTING
DEAD, DESTROYED = KernelState.DEAD, KernelState.DESTROYED


@pytest.fixture
async def threads(transactional_db: None) -> AsyncIterator[list[DatabaseThread]]:
    """Several connections, as of several processes."""
    made = [DatabaseThread(f"process-{number}") for number in range(4)]
    yield made
    for thread in made:
        await soon(thread.close())


@pytest.fixture
def one(threads: list[DatabaseThread]) -> DatabaseThread:
    """One of them."""
    return threads[0]


def kernel_in(state: KernelState, **fields: Any) -> Kernel:
    """The row of a kernel, not saved yet."""
    return Kernel(kernelspec="python3", status=state, **fields)


def stored(kernel: Kernel) -> tuple[str, str, str]:
    """What the database has of a kernel: status, reason, connection file."""
    kernel.refresh_from_db()
    return kernel.status, kernel.status_reason, kernel.connection_file


async def test_a_step_moves_the_row_and_says_why(one: DatabaseThread) -> None:
    kernel = kernel_in(STARTING)
    await one.run(rows.insert, kernel)
    ready = partial(rows.step, kernel.kernel_id, STARTING, RUNNING, connection_file="/k.json")
    assert await one.run(ready) is True
    assert await one.run(stored, kernel) == ("running", "", "/k.json")
    died = partial(rows.step, kernel.kernel_id, RUNNING, DEAD, "It died.", connection_file="")
    assert await one.run(died) is True
    assert await one.run(stored, kernel) == ("dead", "It died.", "")


async def test_a_step_from_a_state_that_the_row_has_left_changes_nothing(
    one: DatabaseThread,
) -> None:
    kernel = kernel_in(DEAD, status_reason="It died.")
    await one.run(rows.insert, kernel)
    assert await one.run(rows.step, kernel.kernel_id, RUNNING, DESTROYED, "too late") is False
    assert await one.run(stored, kernel) == ("dead", "It died.", "")
    assert await one.run(rows.step, uuid.uuid4().hex, RUNNING, DEAD) is False


async def test_nul_in_the_reason_is_kept_as_its_symbol(one: DatabaseThread) -> None:
    kernel = kernel_in(STARTING)
    await one.run(rows.insert, kernel)
    assert await one.run(rows.step, kernel.kernel_id, STARTING, DEAD, "It said: a\0b") is True
    assert (await one.run(stored, kernel))[1] == "It said: a␀b"


async def test_of_steps_at_once_from_one_state_one_wins(threads: list[DatabaseThread]) -> None:
    wanted = [RESTARTING, DEAD, DESTROYED, DEAD]
    for attempt in range(5):
        kernel = kernel_in(RUNNING)
        await threads[0].run(rows.insert, kernel)
        steps = [
            thread.run(rows.step, kernel.kernel_id, RUNNING, state, f"{attempt} {place}")
            for place, (thread, state) in enumerate(zip(threads, wanted, strict=True))
        ]
        moved = await soon(asyncio.gather(*steps))
        assert sorted(moved) == [False, False, False, True]
        winner = moved.index(True)
        assert await threads[0].run(stored, kernel) == (wanted[winner], f"{attempt} {winner}", "")


async def test_every_legal_step_moves_the_row_and_every_other_raises(one: DatabaseThread) -> None:
    legal = illegal = 0
    for current, wanted in product(KernelState, KernelState):
        kernel = kernel_in(current)
        await one.run(rows.insert, kernel)
        if wanted in LEGAL_STEPS[current]:
            assert await one.run(rows.step, kernel.kernel_id, current, wanted), (current, wanted)
            assert (await one.run(stored, kernel))[0] == wanted
            legal += 1
        else:
            sentence = f"A kernel that is {current} cannot become {wanted}."
            with pytest.raises(IllegalStep, match=f"^{re.escape(sentence)}$"):
                await one.run(rows.step, kernel.kernel_id, current, wanted)
            assert (await one.run(stored, kernel))[0] == current
            illegal += 1
    assert (legal, illegal) == (11, 14)


@pytest.mark.parametrize("field", ["name", "session_name"])
async def test_a_name_is_taken_until_its_kernel_is_destroyed(
    one: DatabaseThread, field: str
) -> None:
    for state in KernelState:
        holder = kernel_in(state, **{field: f"name {state}"})
        await one.run(rows.insert, holder)
        other = kernel_in(STARTING, **{field: f"name {state}"})
        if state is DESTROYED:
            await one.run(rows.insert, other)
        else:
            with pytest.raises(KernelExists, match=f"already exists: name {state}"):
                await one.run(rows.insert, other)
    assert await one.run(Kernel.objects.count) == len(KernelState) + 1


async def test_of_inserts_at_once_under_one_name_one_wins(threads: list[DatabaseThread]) -> None:
    kernels = [kernel_in(STARTING, name="mine", session_name="demo") for _ in threads]
    inserts = [t.run(rows.insert, k) for t, k in zip(threads, kernels, strict=True)]
    came_of_it = await soon(asyncio.gather(*inserts, return_exceptions=True))
    assert sorted(type(one).__name__ for one in came_of_it) == [*["KernelExists"] * 3, "NoneType"]
    assert await threads[0].run(Kernel.objects.count) == 1


async def test_kernels_without_a_name_do_not_get_in_each_other_s_way(one: DatabaseThread) -> None:
    for _ in range(3):
        await one.run(rows.insert, kernel_in(RUNNING))
    assert len(await one.run(rows.existing)) == 3


async def test_a_kernel_is_found_by_id_name_and_session_until_it_is_destroyed(
    one: DatabaseThread,
) -> None:
    kernel = kernel_in(RUNNING, name="mine", session_name="demo")
    await one.run(rows.insert, kernel)
    called = (kernel.kernel_id, str(kernel.id), kernel.kernel_id.upper(), "mine", "demo")
    for name in called:
        assert (await one.run(rows.find, name)).pk == kernel.pk, name
    await one.run(rows.step, kernel.kernel_id, RUNNING, DESTROYED)
    for name in (*called, "", "nobody", "a\0b"):
        with pytest.raises(KernelNotFound):
            await one.run(rows.find, name)
    assert await one.run(rows.existing) == []


async def test_what_exists_is_listed_oldest_first_without_what_was_destroyed(
    one: DatabaseThread,
) -> None:
    kernels = [kernel_in(state) for state in (RUNNING, DESTROYED, DEAD, STARTING)]
    for kernel in kernels:
        await one.run(rows.insert, kernel)
    assert await one.run(rows.existing) == [kernels[0], kernels[2], kernels[3]]


async def test_what_an_earlier_server_left_alive_is_marked_dead(one: DatabaseThread) -> None:
    kernels = {
        state: kernel_in(state, status_reason="as it was", connection_file="/k.json")
        for state in KernelState
    }
    for kernel in kernels.values():
        await one.run(rows.insert, kernel)
    assert await one.run(rows.mark_left_behind, "The server ended.") == len(ALIVE_STATES)
    for state, kernel in kernels.items():
        expected = (
            ("dead", "The server ended.", "")
            if state in ALIVE_STATES
            else (state, "as it was", "/k.json")
        )
        assert await one.run(stored, kernel) == expected, state
