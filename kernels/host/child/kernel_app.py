"""The kernel itself: an IPython kernel application in two halves, with the fork between them.

:meth:`KernelApp.build` imports and makes all that does not depend on the kernel; it leaves one
thread and no socket. :meth:`KernelApp.connect` adds sockets, streams and threads in the child, and
:meth:`KernelApp.serve` runs it. Findings behind the order: sockets and threads do not survive a fork;
everything else is shared until it is written to.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import faulthandler
import importlib
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import zmq
from ipykernel.control import ControlThread
from ipykernel.kernelapp import IPKernelApp
from tornado import ioloop
from zmq.eventloop.zmqstream import ZMQStream

from kernels.host.child import ipykernel_parts as parts
from kernels.host.child import randomness
from kernels.host.child.capture import Capture
from kernels.host.child.interrupts import InterruptGate
from kernels.host.child.output import Output
from kernels.host.child.publisher import Publisher
from kernels.host.child.pump import Pump
from kernels.host.child.shell_stream import ShellStream
from kernels.host.child.warming import warm_up
from kernels.host.workplace import Workplace

#: Milliseconds for the last messages to leave when a kernel ends by itself.
LINGER = 500
#: Imported by the first kernel that needs them otherwise, and by each anew.
NEEDED_SOON = ("tornado.platform.asyncio", "IPython.utils._process_posix", "pexpect")
CHANNELS = ("shell", "stdin", "control", "iopub")


class KernelApp(IPKernelApp):
    """``ipython kernel``, to be forked."""

    kernel_class = parts.HostedKernel

    # -- before the fork --------------------------------------------------------------------

    def build(self) -> None:
        """Make the kernel, its shell and all their parts, and use each of them once."""
        self.config.HistoryManager.enabled = False
        self.config.Kernel._execute_sleep = 0.0
        self.log_level = logging.ERROR
        self.gate = InterruptGate()
        super(IPKernelApp, self).initialize([])
        self.log.setLevel(logging.ERROR)  # Its handler's alone is set, and every record made first.
        self.init_pdb()
        self.init_path()
        self.patch_io()
        # Without one, tornado gives the root logger a handler, and basicConfig() in a cell does nothing.
        logging.getLogger("tornado").addHandler(logging.NullHandler())
        parts.speed_up()
        for module in NEEDED_SOON:
            importlib.import_module(module)
        self.session = parts.HostedSession(parent=self)
        self.kernel = parts.HostedKernel.instance(
            parent=self,
            session=self.session,
            profile_dir=self.profile_dir,
            log=self.log,
            user_ns=self.user_ns,
            shell_channel_thread=parts.NoSubshells(),
        )
        self.init_shell()
        self.init_gui_pylab()
        self.init_extensions()
        self.kernel.gate = self.gate
        warm_up(self.kernel)

    # -- after it ---------------------------------------------------------------------------

    def connect(self, connection_file: Path, stderr: tuple[int, int]) -> None:
        """Bind the sockets that the connection file names; from then on the kernel can be reached.

        ``stderr``: both ends of a pipe, of which the host keeps the reading one too.
        """
        asyncio.set_event_loop(asyncio.new_event_loop())
        randomness.renew()
        parts.renew_session(self.session)
        info = json.loads(connection_file.read_text())
        self.load_connection_info(info)
        sockets = self._bind(info)
        self.publisher = Publisher(sockets["iopub"], self.session, self.gate)
        self._redirect(stderr)
        self._plug_in(sockets)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        faulthandler.enable(file=2)
        self.kernel.start()
        self.io_loop = ioloop.IOLoop.current()
        # SIGINT does not wake a loop that waits in `await asyncio.sleep(…)` otherwise.
        loop: Any = asyncio.get_event_loop()
        waker = loop._csock.fileno()
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)

    def _bind(self, info: dict[str, Any]) -> dict[str, zmq.Socket[bytes]]:
        self.context = self._zmq = zmq.Context()
        separator = "-" if info["transport"] == "ipc" else ":"
        sockets = {}
        for channel in CHANNELS:
            socket = self.context.socket(zmq.XPUB if channel == "iopub" else zmq.ROUTER)
            socket.linger = LINGER
            if channel == "iopub":
                socket.sndhwm = 0  # Beyond a limit, ZMQ would drop messages without a word.
            else:
                socket.router_handover = 1
            port = info[f"{channel}_port"]
            socket.bind(f"{info['transport']}://{info['ip']}{separator}{port}")
            sockets[channel] = socket
        return sockets

    def _redirect(self, stderr: tuple[int, int]) -> None:
        """Make stdout, stderr and what is written to their descriptors the kernel's output."""
        wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        captures = [Capture("stdout", 1), Capture("stderr", 2, stderr)]
        self.output = Output(self.publisher, self.session, captures, wake)
        self._pump = Pump(self.publisher, self.output, wake)
        sys.stdout, sys.stderr = self.output.streams["stdout"], self.output.streams["stderr"]
        self.displayhook = sys.displayhook = parts.display_hook(self.kernel, self.publisher)
        os.register_at_fork(
            before=lambda: self.publisher.lock.acquire(),
            after_in_parent=lambda: self.publisher.lock.release(),
            after_in_child=self._become_child,
        )
        self._pump.start()

    def _become_child(self) -> None:
        self.publisher.after_fork()
        self.output.after_fork()

    def _plug_in(self, sockets: dict[str, zmq.Socket[bytes]]) -> None:
        self._control_thread = ControlThread(daemon=True)
        self._sockets = sockets
        parts.plug_in(
            self.kernel,
            shell_stream=ShellStream(sockets["shell"]),
            control_stream=ZMQStream(sockets["control"], self._control_thread.io_loop),
            control_thread=self._control_thread,
            stdin_socket=sockets["stdin"],
            publisher=self.publisher,
            output=self.output,
        )
        self.kernel.on_settle = lambda content: self.settle(
            Workplace.from_mapping(content), started_ahead=True
        )
        self._control_thread.start()

    def settle(self, workplace: Workplace, *, started_ahead: bool = False) -> None:
        """Take on the environment, the working folder and the limits of a session."""
        workplace.enter(keep_environment=started_ahead)
        self.kernel.shell.init_environment()
        self.init_gui_pylab()

    def run_startup_files(self) -> None:
        """Run what the user's IPython profile says is to be run in every kernel."""
        profile = self.profile_dir
        files = profile is not None and any(Path(profile.startup_dir).glob("*.*py"))
        if files or self.exec_lines or self.exec_files or self.code_to_run:
            self.init_code()

    def serve(self) -> None:
        """Run until a shutdown request."""
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                self.io_loop.start()
                return

    def finish(self) -> None:
        """Run the user's exit handlers, send what is left, and free all sockets."""
        # First: it may wait for an output that nobody would send any more.
        self._control_thread.stop()
        self._control_thread.join(2.0)
        atexit._run_exitfuncs()
        self.output.flush()
        self._pump.stop()
        self.publisher.close(LINGER)
        for socket in self._sockets.values():
            socket.close(LINGER)
        self._zmq.term()
