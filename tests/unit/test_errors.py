"""The tree of errors: complete as drawn, and every error says something."""

from __future__ import annotations

import re

import pytest

from kernels.runtime import errors
from kernels.runtime.errors import KernelBoxError


def test_the_tree_in_the_documentation_names_every_error() -> None:
    drawn = set(re.findall(r"──\s(\w+)", errors.__doc__ or ""))
    assert drawn == {error.__name__ for error in KernelBoxError.__subclasses__()}


def test_the_docstring_is_the_default_message() -> None:
    assert str(errors.KernelGone()) == "The kernel was destroyed before this execution could run."


def test_a_message_of_its_own_takes_the_place_of_the_default() -> None:
    assert str(errors.KernelStartFailed("No more memory.")) == "No more memory."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.KernelNotFound("k9"), "Unknown kernel: k9"),
        (errors.KernelExists("calc"), "Kernel name already exists: calc"),
        (errors.SessionNotFound("calc"), "Unknown session: calc"),
        (errors.ExecutionNotFound("e1"), "Unknown execution: e1"),
        (
            errors.UnknownLanguage("cobol", ["bash", "python"]),
            "No installed kernel runs 'cobol'. Languages here: bash, python.",
        ),
        (
            errors.LanguageConflict("calc", "python", "r"),
            "Session 'calc' runs python: its language is that of its first call. "
            "Use another session name for r.",
        ),
    ],
)
def test_an_error_names_what_it_is_about(error: KernelBoxError, said: str) -> None:
    assert str(error) == said


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (errors.KernelLimitReached(12), "KERNELBOX_MAX_KERNELS"),
        (errors.QueueFull(12), "KERNELBOX_QUEUE_LIMIT"),
    ],
)
def test_a_limit_that_is_reached_names_its_setting_and_its_value(
    error: KernelBoxError, setting: str
) -> None:
    assert str(error).startswith("12 ")
    assert setting in str(error)
