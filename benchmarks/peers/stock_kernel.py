"""A kernel as everybody else starts it: ``python -m ipykernel_launcher`` by ``jupyter_client``."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from benchmarks.peers.session import LIMIT, CallFailed

NAME = "stock ipykernel"


@contextlib.contextmanager
def running(code: str) -> Iterator[int]:
    """Start one and run ``code`` in it; yields its process id."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT)
        reply = client.execute_interactive(code, timeout=LIMIT)
        if reply["content"]["status"] != "ok":
            raise CallFailed(f"a stock kernel could not run {code!r}")
        assert isinstance(manager.provisioner, LocalProvisioner)
        assert manager.provisioner.pid is not None
        yield manager.provisioner.pid
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
