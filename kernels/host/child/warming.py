"""Use a kernel before it is forked, so that no fork has to do anything for the first time.

What is imported, compiled or cached now is shared by all kernels. So is the code itself: Python
rewrites a function's bytecode after a few calls, in place, and each kernel would get pages of its
own by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections.abc import Iterator

import zmq

from kernels.host.child import ipykernel_parts as parts

#: Cells, and how often each is run: what every call goes through, more often than Python needs to
#: specialize it.
CELLS = {
    "1+1": 60,
    "print('x')": 20,
    "_f = 1\n_f": 20,
    "await __import__('asyncio').sleep(0)": 5,
    "def _f():\n    return 1/0\n_f()": 3,
    "from IPython.display import display, HTML; display(HTML('x'))": 3,
    "!true": 1,
}


def warm_up(kernel: parts.HostedKernel) -> None:
    """Have a kernel without sockets run cells that nobody has sent; nothing of them is left in it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel.session.key = b"warm"
    with _names_as_before(kernel.shell), _nothing_shown():
        for cell, times in CELLS.items():
            for _ in range(times):
                loop.run_until_complete(kernel.dispatch_shell(_request(kernel, cell)))
    loop.close()
    asyncio.set_event_loop(None)


def _request(kernel: parts.HostedKernel, code: str) -> list[zmq.Frame]:
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    message = kernel.session.msg("execute_request", content)
    return [zmq.Frame(part) for part in kernel.session.serialize(message)]


@contextlib.contextmanager
def _names_as_before(shell: parts.HostedShell) -> Iterator[None]:
    """Give the user's namespace back as it was, and forget cells and results."""
    namespaces = shell.user_ns, shell.user_ns_hidden
    before = [dict(namespace) for namespace in namespaces]
    yield
    for namespace, names in zip(namespaces, before, strict=True):
        namespace.clear()
        namespace.update(names)
    parts.forget_cells(shell)


@contextlib.contextmanager
def _nothing_shown() -> Iterator[None]:
    """Throw away what cells put out; nothing of it has a socket to go to yet."""
    saved = sys.stdout, sys.stderr, sys.displayhook
    sys.stdout = sys.stderr = io.StringIO()
    try:
        yield
    finally:
        sys.stdout, sys.stderr, sys.displayhook = saved
