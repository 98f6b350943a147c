"""Which code the next attempt runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class RetryPolicy(Protocol):
    """Decides what follows a failed attempt."""

    def code_after(self, attempt: int, code: str) -> str:
        """The code to run after attempt number ``attempt`` (from 1), which ran ``code``, failed."""


@dataclass(frozen=True, slots=True)
class SameRepair:
    """After every failure the same repair, or where there is none the same code again."""

    on_error_code: str | None = None

    def code_after(self, attempt: int, code: str) -> str:
        """The repair, or ``code``."""
        return code if self.on_error_code is None else self.on_error_code


@dataclass(frozen=True, slots=True)
class Replacements:
    """After the n-th failure the n-th replacement; past the last, what ran before runs again."""

    codes: Sequence[str] = ()

    def code_after(self, attempt: int, code: str) -> str:
        """The replacement of that attempt, or ``code``."""
        return self.codes[attempt - 1] if attempt <= len(self.codes) else code
