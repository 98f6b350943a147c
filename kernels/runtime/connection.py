"""One connection to one kernel: a reader for each socket, every message to whom it answers.

``jupyter_client``'s own clients drop the messages whose parent is not their own, so that two
calls at once on one client lose output; here each message goes to the handler that waits for its
``parent_header.msg_id``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import zmq
import zmq.asyncio

from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.sockets import CheckedSocket
from kernels.runtime.types import Channel
from kernels.runtime.wire import BadMessage, ConnectionInfo, Message, Wire

log = logging.getLogger(__name__)

MessageHandler = Callable[[Channel, Message], None]

#: Bytes of messages that one reader takes before the event loop gets its turn. A receive that
#: finds a message does not suspend, so that a flood would otherwise keep the loop to itself.
BYTES_A_TURN = 128 * 1024
#: What a message costs besides its bytes, so that many small ones also end a turn.
MESSAGE_OVERHEAD = 4 * 1024
#: Milliseconds between attempts to reach a socket that the kernel has not bound yet.
RECONNECT_INTERVAL = 20
#: The channels that every kernel is connected to; control and stdin few are ever asked on.
AT_ONCE = (Channel.SHELL, Channel.IOPUB)
#: Seconds for a request to be handed to ZMQ.
SEND_LIMIT = 5.0


class Connection:
    """A kernel's sockets in this process, and who waits for which answer.

    Opened on the running event loop; :meth:`close` ends the readers and frees the sockets.
    Messages that nobody waits for (of a thread that prints after its cell has ended, say) are
    dropped.
    """

    def __init__(self, info: ConnectionInfo, context: zmq.asyncio.Context) -> None:
        """Connect to the channels on which a kernel runs code; the others open when they are used.

        Raises FileNotFoundError while there are no sockets yet, and :class:`KernelStartFailed` if
        what is in their place is something else.
        """
        self._wire = Wire(info)
        self._info = info
        self._context = context
        self._handlers: dict[str, MessageHandler] = {}
        #: Messages that came, of any kind: a reader that stands still has read all there is.
        self.received = 0
        #: Messages that were refused: a bad signature, or no Jupyter message at all.
        self.refused = 0
        #: Set when the kernel has said that its output reaches this connection.
        self.subscribed = asyncio.Event()
        self._identity = uuid4().hex.encode()
        self._sockets: dict[Channel, zmq.asyncio.Socket] = {}
        self._files: list[CheckedSocket] = []
        self._readers: list[asyncio.Task[None]] = []
        try:
            for channel in AT_ONCE:
                self._open(channel)
        except (OSError, KernelStartFailed):
            self._close_sockets()
            raise

    def _open(self, channel: Channel) -> zmq.asyncio.Socket:
        address = self._address(channel)
        socket = self._context.socket(zmq.SUB if channel is Channel.IOPUB else zmq.DEALER)
        self._sockets[channel] = socket
        socket.linger = 0
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_INTERVAL)
        if channel is Channel.IOPUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        else:
            socket.setsockopt(zmq.IDENTITY, self._identity)
        socket.connect(address)
        reader = asyncio.create_task(self._read(channel, socket), name=f"read {channel}")
        self._readers.append(reader)
        return socket

    def _address(self, channel: Channel) -> str:
        path = self._info.socket_path(channel)
        if path is None:
            return self._info.address(channel)
        # It stays open as long as the connection: ZMQ connects again by the same address.
        file = CheckedSocket(path)
        self._files.append(file)
        return file.address

    async def request(
        self,
        channel: Channel,
        msg_type: str,
        content: dict[str, Any],
        handler: MessageHandler,
    ) -> str:
        """Send a request whose answers go to ``handler``; returns its ``msg_id``.

        :meth:`forget` it when no more answers are wanted.
        """
        msg_id, frames = self._wire.request(msg_type, content)
        self._handlers[msg_id] = handler
        socket = self._sockets.get(channel) or self._open(channel)
        async with asyncio.timeout(SEND_LIMIT):
            await socket.send_multipart(frames)
        return msg_id

    def forget(self, msg_id: str) -> None:
        """Give no more messages to the handler of ``msg_id``."""
        self._handlers.pop(msg_id, None)

    async def close(self) -> None:
        """End the readers and close the sockets; what was not sent is dropped."""
        self._close_sockets()
        self._handlers.clear()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _close_sockets(self) -> None:
        for reader in self._readers:
            reader.cancel()
        for socket in self._sockets.values():
            socket.close(0)
        while self._files:
            self._files.pop().close()

    async def _read(self, channel: Channel, socket: zmq.asyncio.Socket) -> None:
        taken = 0
        while True:
            frames = await socket.recv_multipart()
            taken += MESSAGE_OVERHEAD + sum(map(len, frames))
            self._deliver(channel, frames)
            if taken > BYTES_A_TURN:
                taken = 0
                await asyncio.sleep(0)

    def _deliver(self, channel: Channel, frames: list[bytes]) -> None:
        self.received += 1
        try:
            message = self._wire.parse(frames)
        except BadMessage as error:
            self.refused += 1
            log.warning("refused a message", extra={"channel": channel, "why": str(error)})
            return
        handler = self._handlers.get(message.parent_id)
        if handler is None:
            if message.msg_type == "iopub_welcome":
                self.subscribed.set()
            return
        try:
            handler(channel, message)
        except Exception:
            # One bad handler must not make the channel deaf for everyone after it.
            log.exception("a message handler failed", extra={"channel": channel})
