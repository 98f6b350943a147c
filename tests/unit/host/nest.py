"""Kernels of a test: started, looked at, and ended with it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from kernels.host.protocol import StartOrder
from tests.unit.host.harness import RunningHost, eventually
from tests.unit.host.notebook import Notebook
from tests.unit.host.peer import Frame, Peer


@dataclass(slots=True)
class Kernel:
    """A kernel that was started."""

    name: str
    pid: int
    started: int
    order: StartOrder
    peer: Peer = field(repr=False)
    _notebook: Notebook | None = None

    @property
    def notebook(self) -> Notebook:
        """A connection to it; of one that was forked."""
        if self._notebook is None:
            self._notebook = Notebook(Path(self.order.connection_file))
        return self._notebook

    def signal(self, number: int) -> None:
        """Signal its process alone, as somebody else would."""
        os.kill(self.pid, number)

    def dies_of(self, code: str) -> Frame:
        """Run a cell that ends the kernel, and return what is told of it."""
        self.notebook.send(code)
        return self.death()

    def death(self) -> Frame:
        """Wait for its death."""
        return self.peer.death_of(self.name)

    def children(self) -> list[int]:
        """All processes below it."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def close(self) -> None:
        """Disconnect."""
        if self._notebook is not None:
            self._notebook.close()


class Nest:
    """Starts kernels of one host for one test; :meth:`close` it."""

    def __init__(self, host: RunningHost) -> None:
        self.host = host
        self.peer = host.peer()
        self._kernels: list[Kernel] = []

    def fork(self, **options: Any) -> Kernel:
        """A forked kernel."""
        return self.start(self.host.order(fork=True, **options))

    def execute(self, *argv: str, **options: Any) -> Kernel:
        """A program that was executed; one that does nothing if none is given."""
        return self.start(self.host.order(*argv, **options))

    def shell(self, script: str, environment: Mapping[str, str] | None = None) -> Kernel:
        """A shell that runs a script."""
        return self.execute("/bin/sh", "-c", script, environment=environment)

    def start(self, order: StartOrder) -> Kernel:
        """Whatever is ordered."""
        answer = self.peer.start(order)
        assert "error" not in answer, answer["error"]
        kernel = Kernel(order.kernel, answer["pid"], answer["started"], order, self.peer)
        self._kernels.append(kernel)
        return kernel

    def close(self) -> None:
        """End what still lives, whoever has started it."""
        for kernel in self._kernels:
            kernel.close()
        with contextlib.suppress(OSError):  # The host may be gone itself.
            for name in self.peer.kernels():
                self.peer.ask("signal", kernel=name, signal=signal.SIGKILL)
            eventually(lambda: not self.peer.kernels())
        self.peer.close()
