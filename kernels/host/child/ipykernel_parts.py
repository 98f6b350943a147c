"""Private parts of ipykernel are touched here alone, which therefore fits one version of it.

``PARTS`` names each of them; a test looks for every one in the pinned ipykernel, so that an upgrade
fails by the name of what has changed.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any

from kernels.host.child.interrupts import InterruptGate
from kernels.host.child.output import Output
from kernels.host.child.publisher import Publisher
from kernels.host.child.shell_stream import ShellStream


def without_debugger() -> None:
    """Keep debugpy, 8 MiB, from being imported: must be called before ipykernel's kernel is."""
    stub = types.ModuleType("ipykernel.debugger")
    stub.__dict__.update(_is_debugpy_available=False, Debugger=object)
    sys.modules["ipykernel.debugger"] = stub


without_debugger()

import ipykernel.ipkernel as ipkernel_module  # noqa: E402
import ipykernel.kernelbase as kernelbase_module  # noqa: E402
from ipykernel._version import __version__ as installed  # noqa: E402
from ipykernel.displayhook import ZMQDisplayHook, ZMQShellDisplayHook  # noqa: E402
from ipykernel.ipkernel import IPythonKernel  # noqa: E402
from ipykernel.kernelapp import IPKernelApp  # noqa: E402
from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell  # noqa: E402
from jupyter_client.session import DELIM, Session, new_id  # noqa: E402
from traitlets import Any as AnyTrait  # noqa: E402
from zmq.eventloop.zmqstream import ZMQStream  # noqa: E402

VERSION = "7.4.0"

#: Where, and the name of what is used there.
PARTS: tuple[tuple[object, str], ...] = (
    (ipkernel_module, "_accepts_parameters"),
    (kernelbase_module, "_accepts_parameters"),
    (IPythonKernel, "_supports_kernel_subshells"),
    (IPythonKernel, "_execute_sleep"),
    (IPythonKernel, "_aborting"),
    (IPythonKernel, "_topic"),
    (IPythonKernel, "_publish_status"),
    (IPythonKernel, "dispatch_shell"),
    (IPythonKernel, "pre_handler_hook"),
    (IPythonKernel, "post_handler_hook"),
    (IPKernelApp, "patch_io"),
    (IPKernelApp, "init_pdb"),
    (Session, "_add_digest"),
    (Session, "digest_history"),
    (Session, "message_count"),
    (ZMQDisplayPublisher, "pub_socket"),
    (ZMQShellDisplayHook, "pub_socket"),
    (ZMQInteractiveShell, "init_environment"),
)
#: Set by a kernel's ``__init__``, so not to be seen on the class.
INSTANCE_PARTS = (
    "_stdout",
    "_stderr",
    "_main_asyncio_lock",
    "shell_handlers",
    "saved_sigint_handler",
)


def wrong_version() -> str | None:
    """Why this module does not fit the ipykernel that is installed; None when it does."""
    if installed == VERSION:
        return None
    return f"the kernel host needs ipykernel {VERSION}, and {installed} is installed"


class NoSubshells:
    """Stands for the shell channel's thread, which is not there: async cells ask for its parent."""

    def __init__(self) -> None:
        self.parent_thread = threading.current_thread()

    def __bool__(self) -> bool:
        return False


class HostedSession(Session):
    """Jupyter's messages, signed in one step, and read without parsing dates nobody looks at."""

    #: The header that the last messages answer, and as it is sent: a cell's are five or more, and
    #: all have the same. One tuple, as threads send too.
    _packed_parent: tuple[dict[str, Any], bytes] = ({}, b"{}")

    def send(
        self,
        stream: Any,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        ident: Any = None,
        buffers: Any = None,
        *options: Any,
        **more: Any,
    ) -> dict[str, Any] | None:
        """Send a message, and return it; one with buffers, or from a fork, in Jupyter's own way."""
        given = msg_or_type if isinstance(msg_or_type, dict) else None
        if buffers or options or (given and given.get("buffers")) or os.getpid() != self.pid:
            return super().send(
                stream, msg_or_type, content, parent, ident, buffers, *options, **more
            )
        more.pop("track", None)
        message = given or self.msg(str(msg_or_type), content, parent, **more)
        if stream is not None:
            stream.send_multipart(self._frames(message, ident))
        return message

    def _frames(self, message: dict[str, Any], ident: Any) -> list[bytes]:
        parent, packed_parent = self._packed_parent
        if message["parent_header"] is not parent:
            parent = message["parent_header"]
            packed_parent = self.pack(parent)
            self._packed_parent = parent, packed_parent
        metadata = message["metadata"]
        signed = [
            self.pack(message["header"]),
            packed_parent,
            self.pack(metadata) if metadata else b"{}",
            self.pack(message["content"]),
        ]
        idents = ident if isinstance(ident, list) else [] if ident is None else [ident]
        return [*idents, DELIM, self.sign(signed), *signed]

    def deserialize(
        self, msg_list: list[Any], content: bool = True, copy: bool = True
    ) -> dict[str, Any]:
        """A message as nested dicts; raises ValueError unless it is signed, and new."""
        signature, *signed = (bytes(part if copy else part.buffer) for part in msg_list[:5])
        if self.auth is not None:
            if signature in self.digest_history:
                raise ValueError("the message was sent before")
            if not hmac.compare_digest(signature, self.sign(signed)):
                raise ValueError("the signature is not the key's")
            if content:
                self._add_digest(signature)
        header, parent, metadata, body = signed
        fields = self.unpack(header)
        return {
            "header": fields,
            "msg_id": fields["msg_id"],
            "msg_type": fields["msg_type"],
            "parent_header": self.unpack(parent),
            "metadata": self.unpack(metadata),
            "content": self.unpack(body) if content else body,
            "buffers": [memoryview(part if copy else part.buffer) for part in msg_list[5:]],
        }

    def sign(self, msg_list: list[bytes]) -> bytes:
        """The signature, in hexadecimal digits; empty without a key."""
        if self.auth is None:
            return b""
        return hmac.digest(self.key, b"".join(msg_list), self.digest_mod).hex().encode()


class HostedShell(ZMQInteractiveShell):
    """IPython's shell, in which ``exit()`` ends nothing: a session is ended by who owns it."""

    #: What became of the cell that is run: ipykernel asks for it, and IPython again.
    _transformed: tuple[str, str] | None = None
    _runs_async: tuple[str, bool] | None = None

    def begin_cell(self) -> None:
        """Forget the last cell."""
        self._transformed = self._runs_async = None

    def transform_cell(self, raw_cell: str) -> str:
        """The cell as Python, worked out once for each that is run."""
        if self._transformed is None or self._transformed[0] != raw_cell:
            self._transformed = raw_cell, super().transform_cell(raw_cell)
        return self._transformed[1]

    def should_run_async(self, raw_cell: str, **given: Any) -> bool:
        """Whether the cell awaits something at its top level, worked out once."""
        if self._runs_async is None or self._runs_async[0] != raw_cell:
            self._runs_async = raw_cell, super().should_run_async(raw_cell, **given)
        return self._runs_async[1]

    def ask_exit(self) -> None:
        """Tell who asked, as ever, and go on."""
        if self.payload_manager is not None:
            self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": True})


class HostedKernel(IPythonKernel):
    """IPython's kernel, without what a server without a notebook has no use for."""

    shell_class = HostedShell
    #: Not only pyzmq's own.
    shell_stream = AnyTrait()
    #: ``settle_request`` makes a spare the kernel of a session.
    msg_types = [*IPythonKernel.msg_types, "settle_request"]
    #: What it is settled by; set by whoever runs it.
    on_settle: Callable[[Mapping[str, Any]], None]
    gate: InterruptGate
    session: Session
    shell: HostedShell

    @property
    def _supports_kernel_subshells(self) -> bool:
        return False

    def pre_handler_hook(self) -> None:
        """While a request is handled, SIGINT interrupts, but tears no message."""
        self.saved_sigint_handler = signal.signal(signal.SIGINT, self.gate.on_sigint)

    async def do_execute(self, code: str, *args: Any, **options: Any) -> dict[str, Any]:
        """Run a cell."""
        self.shell.begin_cell()
        reply: dict[str, Any] = await super().do_execute(code, *args, **options)
        return reply

    async def settle_request(self, stream: ZMQStream, ident: Any, parent: dict[str, Any]) -> None:
        """Answer a ``settle_request``: status ``ok``, or ``error`` and why."""
        try:
            self.on_settle(parent["content"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            content = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        else:
            content = {"status": "ok"}
        self.session.send(stream, "settle_reply", content, parent, ident=ident)


def speed_up() -> None:
    """Look at a function's signature once, and not before every cell (0.3 ms)."""
    original = kernelbase_module._accepts_parameters
    looked_up: dict[tuple[Any, ...], Any] = {}

    @functools.wraps(original)
    def accepts_parameters(method: Any, names: list[str]) -> Any:
        key = (getattr(method, "__func__", method), *names)
        if key not in looked_up:
            looked_up[key] = original(method, names)
        return looked_up[key]

    setattr(ipkernel_module, "_accepts_parameters", accepts_parameters)  # noqa: B010 - private


def renew_session(session: Session) -> None:
    """Make the session object of before the fork this process's own."""
    session.session = new_id()
    session.pid = os.getpid()
    session.message_count = 0
    session.digest_history = set()


def forget_cells(shell: ZMQInteractiveShell) -> None:
    """Let a shell that has been used be as new: no cells, no results, no last error."""
    hook: Any = shell.displayhook
    history: Any = shell.history_manager
    hook._, hook.__, hook.___ = "", "", ""
    history.input_hist_parsed[:] = history.input_hist_raw[:] = [""]
    history.output_hist.clear()
    history._i00 = history._i = history._ii = history._iii = ""
    shell.execution_count = 1
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)


def plug_in(
    kernel: HostedKernel,
    *,
    shell_stream: ShellStream,
    control_stream: ZMQStream,
    control_thread: threading.Thread,
    stdin_socket: Any,
    publisher: Publisher,
    output: Output,
) -> None:
    """Connect a kernel that was built before the fork to its sockets and streams."""
    kernel.ident = new_id()
    kernel.shell_stream = shell_stream
    kernel.control_stream = control_stream
    kernel.control_thread = control_thread
    kernel.shell_channel_thread = NoSubshells()
    kernel.iopub_socket = publisher
    kernel.stdin_socket = stdin_socket
    streams: Any = output.streams
    kernel._stdout, kernel._stderr = streams["stdout"], streams["stderr"]
    kernel._main_asyncio_lock = asyncio.Lock()
    kernel._aborting = False
    shell: Any = kernel.shell
    shell.displayhook.session = shell.display_pub.session = kernel.session
    shell.displayhook.pub_socket = shell.display_pub.pub_socket = publisher
    shell.displayhook.topic = kernel._topic("execute_result")


def display_hook(kernel: HostedKernel, publisher: Publisher) -> ZMQDisplayHook:
    """``sys.displayhook`` for code that runs outside of a cell."""
    hook = ZMQDisplayHook(kernel.session, publisher)
    setattr(hook, "get_execution_count", lambda: kernel.execution_count)  # noqa: B010 - a method
    return hook
