"""The private parts of ipykernel that the host's kernels stand on: all there, in the version pinned."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from kernels.host.child import ipykernel_parts as parts
from tests.unit.host import programs
from tests.unit.host.apart import run_apart

REQUIREMENTS = Path(__file__).parents[3] / "requirements.txt"


def name_of(part: tuple[object, str]) -> str:
    """How a part is called: ``IPythonKernel._topic``."""
    where = getattr(part[0], "__name__", repr(part[0])).rpartition(".")[2]
    return f"{where}.{part[1]}"


@pytest.mark.parametrize("part", parts.PARTS, ids=name_of)
def test_the_installed_ipykernel_has(part: tuple[object, str]) -> None:
    where, name = part
    assert hasattr(where, name), f"{name_of(part)} is gone: see what has taken its place"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What is told of a kernel that was built and not yet forked."""
    built: dict[str, Any] = run_apart(programs.built)
    return built


def test_a_kernel_has_the_parts_that_it_gets_when_it_is_made(told: dict[str, Any]) -> None:
    assert told["instance_parts"] == list(parts.INSTANCE_PARTS)


def test_the_version_is_the_one_that_is_installed_and_pinned() -> None:
    assert version("ipykernel") == parts.VERSION
    assert f"ipykernel=={parts.VERSION}" in REQUIREMENTS.read_text().splitlines()
    assert parts.wrong_version() is None


def test_another_version_is_told_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "installed", "6.29.0")
    told = f"the kernel host needs ipykernel {parts.VERSION}, and 6.29.0 is installed"
    assert parts.wrong_version() == told


def test_a_kernel_is_built_without_threads_sockets_or_a_debugger(told: dict[str, Any]) -> None:
    assert told["threads"] == 1
    assert told["sockets"] == []
    assert told["debuggers"] == []
    assert told["subshells"] is False


def test_a_kernel_is_built_as_if_no_cell_had_run_in_it(told: dict[str, Any]) -> None:
    assert told["execution_count"] == 1
    assert told["cells"] == [""]
    assert told["results"] == {}
    assert told["last"] == ["", "", ""]
    assert not {"_f", "HTML", "_1", "_i1"} & set(told["names"])
    assert told["last_error"] is False
    assert told["streams_restored"] is True
