"""A real server on a real port, for every test that comes in from outside."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.postgres import database_settings

ROOT = Path(__file__).resolve().parent.parent
#: Seconds for a server to say where it listens, and to end.
START_LIMIT = 30
STOP_LIMIT = 20
_LISTENING = re.compile(r"^KernelBox \S+ on (\S+)")


@dataclass
class Server:
    """A running server: its address, its process, and what it said."""

    url: str
    home: Path
    runtime_dir: Path
    process: subprocess.Popen[str] = field(repr=False)
    #: What it was started with: its database among it, for another server on the same.
    settings: dict[str, str] = field(default_factory=dict, repr=False)
    lines: list[str] = field(default_factory=list, repr=False)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return httpx.URL(self.url).port or 80

    @property
    def websocket_url(self) -> str:
        """The address for WebSockets."""
        return self.url.replace("http://", "ws://")

    def client(self, **options: object) -> httpx.Client:
        """An HTTP client for it, without the environment's proxies."""
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)  # type: ignore[arg-type]

    def log(self) -> str:
        """All that it said so far."""
        return "\n".join(self.lines)


def clean_environment(home: Path, runtime_dir: Path, **settings: str) -> dict[str, str]:
    """This process's environment with KernelBox's settings set to those given and no others."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("KERNELBOX_") and name != "DATABASE_URL"
    }
    folders = {"KERNELBOX_HOME": str(home), "KERNELBOX_RUNTIME_DIR": str(runtime_dir)}
    quiet = {"KERNELBOX_PORT": "0", "PYTHONUNBUFFERED": "1"}
    return kept | folders | quiet | settings


@contextlib.contextmanager
def running_server(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start ``python -m kernelbox_site`` in folders of its own, and stop it in the end.

    A server that stops by itself leaves no process and no socket file: raises if this one does.
    """
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kh")))
        runtime_dir = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="kr", dir="/tmp"))
        )
        database = stack.enter_context(database_settings())
        settings = {**database, **(settings or {})}
        process = subprocess.Popen(
            [sys.executable, "-m", "kernelbox_site"],
            cwd=ROOT,
            env=clean_environment(home, runtime_dir, **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        stack.callback(stop, process)
        server = Server("", home, runtime_dir, process, settings)
        listening = threading.Event()
        reader = threading.Thread(target=_read, args=(server, listening), daemon=True)
        reader.start()
        if not listening.wait(START_LIMIT) or not server.url:
            raise RuntimeError(f"the server did not start:\n{server.log()}")
        yield server
        _stop_and_look(server)


def _stop_and_look(server: Server) -> None:
    children = []
    if server.process.poll() is None:
        children = psutil.Process(server.process.pid).children(recursive=True)
    if stop(server.process) == -signal.SIGKILL:
        return
    left = [child for child in children if child.is_running()]
    files = list(server.runtime_dir.iterdir())
    if left or files:
        raise RuntimeError(f"the server left {left} and {files}:\n{server.log()}")


def stop(process: subprocess.Popen[str]) -> int:
    """End a server as a service manager would, and by force if it does not heed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(STOP_LIMIT)


def _read(server: Server, listening: threading.Event) -> None:
    """Collect what the server says; it is ready once it has said that its start-up is complete."""
    assert server.process.stdout is not None
    with server.process.stdout as stdout:
        for line in stdout:
            server.lines.append(line.rstrip("\n"))
            if match := _LISTENING.match(line):
                server.url = match[1]
            if "Application startup complete" in line:
                listening.set()
    listening.set()


def free_port() -> int:
    """A port on loopback that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
