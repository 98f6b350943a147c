"""``jupyter_client``'s own blocking client on a kernel like those of the servers: no server at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from benchmarks.measure import LIMIT

NAME = "raw jupyter_client"


@contextlib.contextmanager
def kernel() -> Iterator[BlockingKernelClient]:
    """A stock ipykernel, started as the servers start theirs, and a client that is ready."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=["--HistoryManager.enabled=False"])
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def execute(client: BlockingKernelClient, code: str) -> None:
    """Run code until both its reply and ``idle`` are here."""
    msg_id = client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=LIMIT)
        mine = message["parent_header"].get("msg_id") == msg_id
        if mine and message["content"].get("execution_state") == "idle":
            break
    while client.get_shell_msg(timeout=LIMIT)["parent_header"].get("msg_id") != msg_id:
        pass
