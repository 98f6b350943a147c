"""A peer's server process: started in a folder of its own, waited for, and ended with its kernels."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks.peers.session import FAILURES

#: Seconds for a server to answer, and to end with all its kernels.
START_LIMIT = 60.0
STOP_LIMIT = 20.0
#: Settings of whoever runs the benchmarks are none of the peers'.
FOREIGN = ("KERNELBOX_", "DATABASE_URL", "JUPYTER", "KG_", "IPYTHON")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder; kernels that end late may still write into it."""
    with tempfile.TemporaryDirectory(prefix="kp", ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextlib.contextmanager
def started(
    command: Sequence[str],
    settings: Mapping[str, str],
    home: Path,
    ask: Callable[[], object],
) -> Iterator[None]:
    """Run ``command`` in ``home`` once ``ask`` raises nothing; ends it and what it has started."""
    inherited = {n: value for n, value in os.environ.items() if not n.startswith(FOREIGN)}
    log = home / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env={**inherited, **settings},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, who then end it.
        )
    try:
        _wait_until_well(process, ask, log)
        yield
    finally:
        _end(process)


def _wait_until_well(
    process: subprocess.Popen[bytes], ask: Callable[[], object], log: Path
) -> None:
    give_up_at = time.monotonic() + START_LIMIT
    while True:
        try:
            ask()
        except FAILURES as error:
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"a peer did not start:\n{log.read_text()}") from error
            time.sleep(0.05)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server, and kernels that outlive it."""
    kernels = []
    with contextlib.suppress(psutil.NoSuchProcess):
        kernels = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for kernel in kernels:
        with contextlib.suppress(psutil.NoSuchProcess):
            kernel.kill()
    psutil.wait_procs(kernels, STOP_LIMIT)
