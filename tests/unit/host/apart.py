"""Runs a function in a Python process of its own: what it does to the process ends with that."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.unit.host.peer import LIMIT


def run_apart(
    function: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
) -> Any:
    """What a function of a module returns, as JSON; fails with what it wrote to stderr."""
    with tempfile.NamedTemporaryFile("r") as result:
        where = [function.__module__, function.__name__, json.dumps(arguments), result.name]
        command = [sys.executable, "-m", __name__, *where]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.load(result)


def main(module: str, name: str, arguments: str, result: str) -> None:
    """In the process: run it, and leave what it returned in a file."""
    function = getattr(importlib.import_module(module), name)
    Path(result).write_text(json.dumps(function(*json.loads(arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
