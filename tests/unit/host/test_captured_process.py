"""A process whose own stdout and stderr are captured, and its children."""

from __future__ import annotations

from tests.unit.host import programs
from tests.unit.host.apart import run_apart


def test_all_that_a_process_and_its_children_write_is_published_in_order() -> None:
    assert run_apart(programs.redirected) == [
        ["stdout", "printed\nby a shell\n"],
        ["stderr", "to stderr\n"],
        ["stdout", "again\nby a program\nhanded over\n"],
        ["stderr", "the end\n"],
    ]


def test_a_fork_writes_to_the_descriptors_and_nothing_is_published_twice() -> None:
    assert run_apart(programs.printed_by_forks) == [["stdout", "before by the child \\ud800 after"]]
