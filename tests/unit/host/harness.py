"""What the tests of the kernel host share: hosts of their own, and connections to them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from kernels.environment import kernel_environment
from kernels.host.protocol import StartOrder
from kernels.host.workplace import Workplace
from tests.unit.host.peer import LIMIT, Frame, Peer

#: How ``python`` runs the host.
MODULE = ("-m", "kernels.host")
#: A program that does nothing for longer than any test lasts.
IDLE = ("/bin/sleep", "1000")
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


def eventually(condition: Callable[[], bool], limit: float = LIMIT) -> None:
    """Return once ``condition`` holds; fail if it does not within ``limit`` seconds."""
    give_up_at = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < give_up_at, f"did not come true within {limit:g} s"
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    """Whether a process has ended and its parent has looked."""
    return not psutil.pid_exists(pid)


def has_ended(pid: int) -> bool:
    """Whether a process has ended, looked at or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children_with(word: str) -> list[psutil.Process]:
    """This process's own children on whose command line a word is."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # A zombie has no command line.
            if any(word in argument for argument in child.cmdline()):
                found.append(child)
    return found


def sleeps(pid: int) -> bool:
    """Whether a process has become ``sleep``."""
    return psutil.Process(pid).name() == "sleep"


@contextlib.contextmanager
def paused(host: RunningHost) -> Iterator[None]:
    """Have a host see what is done meanwhile at once, afterwards."""
    process = psutil.Process(host.process.pid)
    process.suspend()
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    try:
        yield
    finally:
        process.resume()


def short_folder() -> Path:
    """A folder whose path leaves room for a Unix socket's name."""
    return Path(tempfile.mkdtemp(prefix="kh", dir="/tmp"))


def remove(folder: Path) -> None:
    """Remove a folder and what is in it."""
    shutil.rmtree(folder, ignore_errors=True)


class RunningHost:
    """A host in a folder of its own, with nothing preloaded; :meth:`close` it.

    A lease holds it for as long as this process lives.
    """

    def __init__(
        self,
        *options: str,
        program: Sequence[str] = MODULE,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        lease: bool = True,
    ) -> None:
        self.folder = folder or short_folder()
        self.socket = self.folder / "host.sock"
        self.environment = kernel_environment(os.environ) if environment is None else environment
        self._log = (self.folder / "stderr").open("a+")
        self.process = subprocess.Popen(
            [sys.executable, *program, "--socket", str(self.socket), *options],
            env=dict(self.environment),
            stdin=subprocess.PIPE,  # One of its own, that no kernel may have.
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        self._names = itertools.count(1)
        self._peers: list[Peer] = []
        try:
            self._wait_until_it_answers()
            if lease:
                self.peer().ask("lease", seconds=0)
        except BaseException:
            self.close()
            raise

    def peer(self) -> Peer:
        """A new connection."""
        self._peers.append(Peer(self.socket))
        return self._peers[-1]

    def order(
        self,
        *argv: str,
        fork: bool = False,
        environment: Mapping[str, str] | None = None,
        working_dir: Path | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> StartOrder:
        """An order for a new kernel, whose connection file is there."""
        name = f"kernel-{next(self._names)}"
        workplace = Workplace(
            self.environment if environment is None else environment,
            str(working_dir or self.folder),
            limits or {},
        )
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(connection_to(self.folder / f"{name}-ipc")))
        return StartOrder(name, argv or IDLE, fork, str(file), workplace)

    def wait(self) -> int:
        """Wait until it has ended; returns its exit code."""
        return self.process.wait(LIMIT)

    def wait_for(self, seconds: float) -> int:
        """As :meth:`wait`, in a limited time; raises TimeoutError."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error

    def said(self) -> str:
        """What it wrote to stderr."""
        return (self.folder / "stderr").read_text()

    def close(self) -> None:
        """End it and all of its kernels, and remove its folder."""
        for peer in self._peers:
            peer.close()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LIMIT)
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._log.close()
        remove(self.folder)

    def _wait_until_it_answers(self) -> None:
        give_up_at = time.monotonic() + LIMIT
        while True:
            with contextlib.suppress(ConnectionError, FileNotFoundError):
                return self.peer().close()
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < give_up_at, "the host does not answer"
            time.sleep(0.01)


def connection_to(address: Path) -> Frame:
    """The content of a connection file for Unix sockets."""
    ports = {f"{name}_port": n for n, name in enumerate(CHANNELS, 1)}
    signed = {"key": secrets.token_hex(16), "signature_scheme": "hmac-sha256"}
    return {"transport": "ipc", "ip": str(address)} | ports | signed
