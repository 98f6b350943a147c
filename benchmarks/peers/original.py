"""The original KernelBox from PyPI, by its HTTP API, in an environment of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import LIMIT, Caller

NAME = "KernelBox 0.1.2"
REQUIREMENTS = ["kernelbox==0.1.2", "ipykernel==7.4.0", "uvicorn[standard]==0.54.0"]
ENVIRONMENT = Path(__file__).parents[2] / ".bench" / "kernelbox-0.1.2"


def install() -> Path:
    """Its Python, in an environment that is made if it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "installed").exists():
        print(f"installing {NAME} into {ENVIRONMENT.relative_to(Path.cwd())}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
        (ENVIRONMENT / "installed").touch()
    return python


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """Start it; yields its port."""
    python = install()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ko") as home:
        environment = os.environ | {
            "KERNELBOX_HOME": home,
            "PATH": f"{python.parent}:{os.environ['PATH']}",
        }
        process = subprocess.Popen(
            [python, "-m", "uvicorn", "kernelbox.server.app:app", "--port", str(port)],
            env=environment,
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_well(port)
            yield port
            with contextlib.suppress(OSError, RuntimeError):
                Caller(port).request("DELETE", "/kernels")
        finally:
            process.terminate()
            process.wait(20)


def caller(port: int) -> Caller:
    """A client for it."""
    return Caller(port)


def _wait_until_well(port: int) -> None:
    give_up_at = time.monotonic() + LIMIT
    while True:
        try:
            Caller(port).request("GET", "/health")
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return
