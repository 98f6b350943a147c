"""A kernel without a process: it speaks Jupyter's protocol over real ZMQ sockets, on the test's loop.

What it does is scripted by the code that it is sent::

    launcher = ScriptedLauncher(context, {"load()": prints("loaded\\n")})
    options = KernelOptions()
    kernel = LiveKernel("k1", FreshStarter(launcher, context, options), options, on_step)
    await kernel.start()
    await kernel.execute(RunRequest("load()", timeout=5))

Scripts are in :mod:`tests.scripted_cell`; code that has none ends well and puts out nothing. Cells run one after the other and count from 1 in every new kernel, so that a count shows
whether a kernel is still the same one.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import signal
import tempfile
from collections import ChainMap
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.session import Session

from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.types import Channel, Death
from kernels.runtime.wire import ConnectionInfo
from tests.scripted_cell import DEFAULT_SCRIPTS, Cell, CodeRaised, Script

#: Milliseconds for which ZMQ goes on delivering what a kernel had sent before it died.
LINGER = 1_000


@dataclass(frozen=True, slots=True)
class Start:
    """How one start of a kernel goes; by default it goes well."""

    #: The launch itself fails, with this reason.
    refused: str = ""
    #: The process ends with this return code before it answers, having said ``stderr``.
    dies: int | None = None
    stderr: str = ""
    #: It lives, and never answers.
    mute: bool = False
    #: So many ``kernel_info`` requests are answered on the shell channel alone.
    unheard: int = 0
    interrupts_by_message: bool = False


class ScriptedKernel:
    """A :class:`~kernels.runtime.process.KernelProcess` that lives in the test's own process.

    Its sockets and its connection file are in a folder of its own until :meth:`release`.
    """

    def __init__(
        self, context: zmq.asyncio.Context, scripts: Mapping[str, Script], start: Start
    ) -> None:
        # A Unix socket's path is at most 107 bytes, which pytest's own folders can exceed.
        self.folder = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
        connection = _connection(self.folder)
        self.connection_file = str(self.folder / "kernel.json")
        Path(self.connection_file).write_text(json.dumps(connection))
        self.info = ConnectionInfo.from_mapping(connection)
        self.interrupts_by_message = start.interrupts_by_message
        self.stderr_tail = start.stderr
        self.is_hosted = False
        #: The code of every cell, in the order in which they came.
        self.codes: list[str] = []
        #: The types of the requests on the control channel.
        self.requests: list[str] = []
        self.interrupts = 0
        self.killed = False
        self.released = False
        self._scripts = scripts
        self._unheard = start.unheard
        self._session = Session(key=self.info.key)
        self._count = 0
        self._cell: Cell | None = None
        self._listened_to = asyncio.Event()
        self._ended = asyncio.Event()
        self._death = Death()
        self._sockets = self._bound(context)
        loops = (
            () if start.mute else (self._serve_iopub(), self._serve_shell(), self._serve_control())
        )
        self._tasks = [asyncio.create_task(loop, name="scripted kernel") for loop in loops]
        if start.dies is not None:
            self.die(start.dies)

    # -- as a process ------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether it is dead, however it died."""
        return self._ended.is_set()

    def die(self, return_code: int = -signal.SIGKILL) -> None:
        """End at once, as a process does; what it had sent still arrives."""
        if self.ended:
            return
        self._death = Death.from_return_code(return_code)
        self._ended.set()
        for task in self._tasks:
            task.cancel()
        for socket in self._sockets.values():
            socket.close(LINGER)

    async def wait(self) -> Death:
        """Return when it has died."""
        await self._ended.wait()
        return self._death

    async def interrupt(self) -> None:
        """Interrupt the cell that runs, if one does."""
        self.interrupts += 1
        if self._cell is not None:
            self._cell.on_interrupt()

    async def kill(self) -> None:
        """Die by SIGKILL."""
        self.killed = True
        self.die()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def release(self) -> None:
        """Remove the folder; only a dead kernel's may be."""
        if not self.ended:
            raise RuntimeError("A kernel that lives was released.")
        self.released = True
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- as a kernel -------------------------------------------------------------------------

    async def publish(
        self,
        msg_type: str,
        content: dict[str, Any],
        *,
        parent: dict[str, Any] | None = None,
        session: Session | None = None,
    ) -> None:
        """Send a message on iopub: of any parent, and signed by another session to forge it."""
        signer = session or self._session
        message = signer.msg(msg_type, content, parent=parent)
        await self.publish_frames(signer.serialize(message, ident=msg_type.encode()))

    async def publish_frames(self, frames: Sequence[bytes]) -> None:
        """Send any frames on iopub."""
        await self._sockets[Channel.IOPUB].send_multipart(frames)

    def _bound(self, context: zmq.asyncio.Context) -> dict[Channel, zmq.asyncio.Socket]:
        sockets = {}
        for channel in Channel:
            # XPUB is PUB that hears of its subscribers; ipykernel uses it too.
            kind = zmq.XPUB if channel is Channel.IOPUB else zmq.ROUTER
            sockets[channel] = context.socket(kind)
            sockets[channel].set_hwm(0)  # A test must not lose messages by being slow.
            sockets[channel].bind(self.info.address(channel))
        return sockets

    async def _serve_iopub(self) -> None:
        while True:
            subscription = await self._sockets[Channel.IOPUB].recv()
            if subscription.startswith(b"\x01"):
                self._listened_to.set()

    async def _serve_shell(self) -> None:
        # Once somebody listens to iopub, the first question of a start is enough: no test waits
        # for a second one.
        await self._listened_to.wait()
        while True:
            identities, request = await self._receive(Channel.SHELL)
            if request["msg_type"] == "execute_request":
                await self._execute(identities, request)
            elif request["msg_type"] == "kernel_info_request":
                await self._tell_about_itself(identities, request)

    async def _serve_control(self) -> None:
        while True:
            identities, request = await self._receive(Channel.CONTROL)
            self.requests.append(request["msg_type"])
            if request["msg_type"] == "interrupt_request":
                await self.interrupt()
            await self._answer(Channel.CONTROL, identities, request, {"status": "ok"})
            if request["msg_type"] == "shutdown_request":
                self.die(0)

    async def _tell_about_itself(self, identities: list[bytes], request: dict[str, Any]) -> None:
        heard, self._unheard = self._unheard <= 0, self._unheard - 1
        if heard:
            await self._say("busy", request)
        await self._answer(Channel.SHELL, identities, request, {"status": "ok"})
        if heard:
            await self._say("idle", request)

    async def _execute(self, identities: list[bytes], request: dict[str, Any]) -> None:
        content = request["content"]
        if counted := content["store_history"] and not content["silent"]:
            self._count += 1
        self._cell = cell = Cell(self, request, self._count if counted else None)
        self.codes.append(cell.code)
        await self._say("busy", request)
        if not content["silent"]:
            await cell.publish("execute_input", {"code": cell.code, "execution_count": cell.count})
        script = self._scripts.get(cell.code)
        try:
            if script is not None:
                await script(cell)
        except CodeRaised as raised:
            await cell.error(**raised.content)
        self._cell = None
        await self._answer(Channel.SHELL, identities, request, cell.reply)
        if cell.says_idle:
            await self._say("idle", request)

    async def _receive(self, channel: Channel) -> tuple[list[bytes], dict[str, Any]]:
        frames = await self._sockets[channel].recv_multipart()
        identities, parts = self._session.feed_identities(frames)
        return identities, self._session.deserialize(parts)

    async def _answer(
        self,
        channel: Channel,
        identities: list[bytes],
        request: dict[str, Any],
        content: dict[str, Any],
    ) -> None:
        msg_type = request["msg_type"].replace("_request", "_reply")
        reply = self._session.msg(msg_type, content, parent=request)
        await self._sockets[channel].send_multipart(self._session.serialize(reply, identities))

    async def _say(self, state: str, request: dict[str, Any]) -> None:
        await self.publish("status", {"execution_state": state}, parent=request)


@dataclass(slots=True)
class ScriptedLauncher:
    """A :class:`~kernels.runtime.process.Launcher` of scripted kernels, for one kernel's life."""

    context: zmq.asyncio.Context
    #: By the code that they answer; they go before :data:`DEFAULT_SCRIPTS`, and may be added to.
    scripts: MutableMapping[str, Script] = field(default_factory=dict)
    #: How the coming starts go, the next one first; then they go well.
    starts: list[Start] = field(default_factory=list)
    #: Every kernel that was started, the newest last.
    kernels: list[ScriptedKernel] = field(default_factory=list)
    #: Set by every launch that was not refused.
    launched: asyncio.Event = field(default_factory=asyncio.Event)

    async def launch(self) -> ScriptedKernel:
        """Start one."""
        start = self.starts.pop(0) if self.starts else Start()
        if start.refused:
            raise KernelStartFailed(start.refused)
        kernel = ScriptedKernel(self.context, ChainMap(self.scripts, DEFAULT_SCRIPTS), start)
        self.kernels.append(kernel)
        self.launched.set()
        return kernel

    async def close(self) -> None:
        """End and remove whatever still lives; the last thing a test does."""
        for kernel in self.kernels:
            await kernel.kill()
            await kernel.release()


def _connection(folder: Path) -> dict[str, Any]:
    """The content of a connection file for sockets in ``folder``."""
    ports = {f"{name}_port": n for n, name in enumerate([*map(str, Channel), "hb"], 1)}
    return ports | {
        "transport": "ipc",
        "ip": str(folder / "ipc"),
        "key": secrets.token_hex(32),
        "signature_scheme": "hmac-sha256",
    }
