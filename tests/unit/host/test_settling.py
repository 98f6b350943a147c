"""A forked kernel that is settled: a session's environment, folder and limits in a running kernel."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.nest import Kernel, Nest


def settled(kernel: Kernel, content: dict[str, Any]) -> dict[str, Any]:
    """The content of the reply to a ``settle_request``."""
    reply = kernel.notebook.reply(kernel.notebook.request("settle_request", content))
    assert reply["msg_type"] == "settle_reply"
    answer: dict[str, Any] = reply["content"]
    return answer


def workplace(folder: Path, **changes: Any) -> dict[str, Any]:
    """A workplace in a folder."""
    given = {"environment": {"PATH": "/bin", "MINE": "yes"}, "working_dir": str(folder)}
    return given | {"limits": {"nofile": 150}} | changes


def test_a_kernel_takes_on_what_it_is_settled_in(nest: Nest, tmp_path: Path) -> None:
    kernel = nest.fork(environment={"PATH": "/usr/bin", "THEIRS": "yes"})
    assert settled(kernel, workplace(tmp_path)) == {"status": "ok"}
    seen = kernel.notebook.value("import os; os.environ.get('MINE'), os.environ.get('THEIRS')")
    assert seen == ("yes", "yes")  # A kernelspec's own stay.
    assert kernel.notebook.value("os.getcwd(), os.environ['PATH']") == (str(tmp_path), "/bin")
    assert resource.prlimit(kernel.pid, resource.RLIMIT_NOFILE) == (150, 150)


def test_a_kernel_keeps_its_names_when_it_is_settled(nest: Nest, tmp_path: Path) -> None:
    kernel = nest.fork()
    kernel.notebook.run("x = 41")
    settled(kernel, workplace(tmp_path))
    assert kernel.notebook.value("x + 1") == 42


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"working_dir": "/nowhere"}, "FileNotFoundError"),
        ({"limits": {"ram": 1}}, "ValueError"),
        ({"limits": {"cpu": None}}, "TypeError"),
        ({"environment": None}, "ValueError"),
    ],
    ids=str,
)
def test_what_cannot_be_set_is_answered_and_the_kernel_goes_on(
    nest: Nest, tmp_path: Path, change: dict[str, Any], error: str
) -> None:
    kernel = nest.fork()
    answer = settled(kernel, workplace(tmp_path, **change))
    assert (answer["status"], answer["ename"]) == ("error", error)
    assert answer["evalue"]
    assert kernel.notebook.value("1+1") == 2
    assert settled(kernel, workplace(tmp_path))["status"] == "ok"
