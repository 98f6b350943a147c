"""A workplace that is entered, and random state that is renewed, in processes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.host import programs
from tests.unit.host.apart import run_apart


def workplace(**changes: Any) -> dict[str, Any]:
    """A workplace that can be entered, but for some changes."""
    return {"environment": {"PATH": "/bin"}, "working_dir": "/", "limits": {}} | changes


def test_a_process_that_enters_a_workplace_has_its_environment_and_no_other() -> None:
    wanted = {"PATH": "/usr/bin:/bin", "EMPTY": "", "UMLAUT": "ä = ü"}
    entered = run_apart(programs.entered, workplace(environment=wanted))
    assert entered["environment"] == wanted
    assert sorted(entered["of_its_children"]) == ["EMPTY=", "PATH=/usr/bin:/bin", "UMLAUT=ä = ü"]


def test_a_process_that_enters_a_workplace_is_in_its_folder_and_time_zone(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "TZ": "Asia/Tokyo"}
    wanted = workplace(environment=environment, working_dir=str(tmp_path))
    entered = run_apart(programs.entered, wanted)
    assert entered["working_dir"] == str(tmp_path)
    assert entered["time_zone"] == ["JST", "JST"]


def test_a_process_that_enters_a_workplace_has_its_limits() -> None:
    assert run_apart(programs.entered, workplace(limits={"nofile": 77}))["nofile"] == [77, 77]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"working_dir": "/nowhere"}, "FileNotFoundError"),
        ({"working_dir": ""}, "FileNotFoundError"),
        ({"environment": {"A=B": "c"}}, "ValueError"),
        ({"environment": {"A": "b\0c"}}, "ValueError"),
    ],
    ids=str,
)
def test_what_cannot_be_set_is_an_error(change: dict[str, Any], error: str) -> None:
    assert run_apart(programs.not_entered, workplace(**change)) == error


def test_siblings_draw_the_same_unless_their_random_state_is_renewed() -> None:
    first, second = run_apart(programs.drawn_by_siblings, False)
    assert first == second
    first, second = run_apart(programs.drawn_by_siblings, True)
    assert all(mine != theirs for mine, theirs in zip(first, second, strict=True))
