"""Environments of the peers' own, so that their requirements are not mixed with ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".bench"


def python_with(name: str, requirements: Sequence[str]) -> Path:
    """The Python of the environment of that name, which is made if it is not there or has changed."""
    environment = FOLDER / name
    python, stamp = environment / "bin" / "python", environment / "installed"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {' '.join(requirements)}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        install = ["install", "-qq", "--disable-pip-version-check", *requirements]
        subprocess.run([python, "-m", "pip", *install], check=True)
        stamp.write_text(wanted)
    return python
