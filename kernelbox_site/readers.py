"""How the text of an environment variable becomes a value.

A reader raises ValueError with what the value must be, to follow the variable's name in a sentence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")

Reader = Callable[[str], Any]


def text(raw: str) -> str:
    """As it is."""
    return raw


def word(raw: str) -> str:
    """Without the line's end that comes with a secret read from a file."""
    return raw.strip()


def boolean(raw: str) -> bool:
    """Yes or no, in the usual words."""
    folded = raw.strip().lower()
    if folded in {"1", "true", "yes", "on"}:
        return True
    if folded in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError("must be one of 1, 0, true, false, yes, no, on, off")


def whole(low: int, high: int) -> Reader:
    """A whole number within bounds."""

    def read(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            raise ValueError(f"must be a whole number from {low} to {high}") from None
        if not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return read


def seconds(low: float, high: float) -> Reader:
    """A number of seconds within bounds."""

    def read(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}") from None
        if not low <= value <= high:  # NaN included
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return value

    return read


def names(raw: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name for part in raw.split(",") if (name := part.strip()))


def modules(raw: str) -> tuple[str, ...]:
    """Names of Python modules, comma-separated; ``none`` for none at all."""
    found = tuple(filter(None, (name.strip() for name in raw.split(","))))
    if found == ("none",):
        return ()
    for name in found:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError("must be names of Python modules, comma-separated, or none")
    return found


def hosts(raw: str) -> tuple[str, ...]:
    """Names or addresses of hosts between commas."""
    for name in (found := names(raw)):
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(
                "must list names or addresses as they are, without scheme, port or wildcard; "
                f"{name!r} is none"
            )
    return found


def networks(raw: str) -> tuple[str, ...]:
    """IP addresses or networks between commas."""
    for name in (found := names(raw)):
        try:
            ipaddress.ip_network(name, strict=False)
        except ValueError:
            raise ValueError(f"must list IP addresses or networks; {name!r} is neither") from None
    return found


def log_level(raw: str) -> str:
    """One of logging's levels."""
    level = raw.strip().upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise ValueError("must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return level


def path_prefix(raw: str) -> str:
    """A path without a slash at its end, or nothing."""
    prefix = raw.strip().rstrip("/")
    if prefix and not _PATH.fullmatch(prefix):
        raise ValueError(
            "must be a path of letters, digits, '.', '_', '~' and '-', as in /kernelbox"
        )
    return prefix


def folder(raw: str) -> Path:
    """An absolute path; ~ is the user's home."""
    return Path(raw).expanduser().absolute()
