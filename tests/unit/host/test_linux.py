"""What the host asks of Linux: children, orphans, threads, descriptors, and who a process is."""

from __future__ import annotations

import os
import subprocess

import psutil
import pytest

from kernels.host import linux
from tests.unit.host import programs
from tests.unit.host.apart import run_apart


@pytest.mark.parametrize("kept", [[], [0, 1, 2], [1, 5, 7, 100], [0, 900], [2, 3, 4]], ids=str)
def test_every_descriptor_but_those_is_closed(kept: list[int]) -> None:
    # Python looks for its modules through none of them.
    assert run_apart(programs.descriptors_left, kept) == kept


def test_children_are_those_that_live_or_were_not_waited_for() -> None:
    looks = run_apart(programs.children_seen)
    assert [len(pids) for pids in looks[::2]] == [3, 2, 1, 0]
    assert looks[::2] == looks[1::2]


def test_orphans_of_an_adopting_process_become_its_children() -> None:
    assert run_apart(programs.orphan_adopted) is True


def test_one_that_is_to_die_with_its_parent_is_killed_when_it_ends() -> None:
    assert run_apart(programs.signal_that_ends_it_with_its_parent) is True


def test_one_whose_parent_has_gone_before_it_could_be_watched_exits() -> None:
    assert run_apart(programs.exit_code_without_its_parent) == 1


@pytest.mark.parametrize("name", ["kernel", "a) S (b c", "longer than fifteen bytes"])
def test_a_process_may_have_any_name_and_its_start_time_is_found(name: str) -> None:
    assert run_apart(programs.named, name) == [name[:15], True, True]


def test_threads_are_counted() -> None:
    assert run_apart(programs.threads_counted) == [1, 3, 1]


def test_threads_in_c_are_counted_too() -> None:
    assert linux.threads() == psutil.Process().num_threads()


def test_a_start_time_tells_processes_apart() -> None:
    mine = linux.start_time(os.getpid())
    assert mine == linux.start_time(os.getpid())
    assert mine is not None
    ticks = os.sysconf("SC_CLK_TCK")
    with subprocess.Popen(["/bin/sleep", "1000"]) as child:
        theirs = linux.start_time(child.pid)
        created = psutil.Process(child.pid).create_time() - psutil.Process().create_time()
        child.kill()
    assert theirs is not None
    assert (theirs - mine) / ticks == pytest.approx(created, abs=0.05)


def test_a_process_that_is_gone_has_no_start_time() -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    assert linux.start_time(gone.pid) is None
