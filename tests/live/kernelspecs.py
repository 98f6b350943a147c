"""Kernelspecs for the tests, in a folder of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ECHO_KERNEL = Path(__file__).with_name("echo_kernel.py")


def add_echo_kernel(folder: Path, language: str, behaviour: str = "", **more: Any) -> None:
    """Install the echo kernel for ``language`` under ``folder``, a ``JUPYTER_PATH``."""
    spec = {
        "argv": [sys.executable, str(ECHO_KERNEL), "-f", "{connection_file}"],
        "display_name": language,
        "language": language,
        "env": {"ECHO_KERNEL": behaviour},
    }
    place = folder / "kernels" / language
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec | more))
