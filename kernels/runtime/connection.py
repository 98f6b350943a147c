"""One connection to one kernel: every message to whom it answers.

``jupyter_client``'s own clients drop the messages whose parent is not their own, so that two
calls at once on one client lose output; here each message goes to the handler that waits for its
``parent_header.msg_id``.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import zmq

from kernels.runtime.channels import ChannelSocket
from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.sockets import CAN_CHECK, CheckedSocket
from kernels.runtime.types import Channel
from kernels.runtime.wire import BadMessage, ConnectionInfo, Message, Wire

log = logging.getLogger(__name__)

MessageHandler = Callable[[Channel, Message], None]

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

    def __init__(self, info: ConnectionInfo, context: zmq.Context[Any]) -> None:
        """Connect to the channels on which a kernel runs code; the others open when they are used.

        Raises FileNotFoundError while there are no sockets yet, and :class:`KernelStartFailed` if
        what is in their place is something else.
        """
        self._wire = Wire(info)
        self._info = info
        self._context = context
        self._handlers: dict[str, MessageHandler] = {}
        #: Messages that came, of any kind: a connection that stands still has read all there is.
        self.received = 0
        #: Messages that were refused: a bad signature, or no Jupyter message at all.
        self.refused = 0
        #: Set when the kernel has said that its output reaches this connection.
        self.subscribed = asyncio.Event()
        self._identity = uuid4().hex.encode()
        self._sockets: dict[Channel, ChannelSocket] = {}
        self._files: list[CheckedSocket] = []
        try:
            for channel in AT_ONCE:
                self._open(channel)
        except (OSError, KernelStartFailed):
            self._close_sockets()
            raise

    def _open(self, channel: Channel) -> ChannelSocket:
        address = self._address(channel)
        kind = zmq.SUB if channel is Channel.IOPUB else zmq.DEALER
        socket = self._context.socket(kind, socket_class=zmq.Socket)
        socket.linger = 0
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_INTERVAL)
        if channel is Channel.IOPUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        else:
            socket.setsockopt(zmq.IDENTITY, self._identity)
        socket.connect(address)
        opened = ChannelSocket(socket, functools.partial(self._deliver, channel))
        self._sockets[channel] = opened
        return opened

    def _address(self, channel: Channel) -> str:
        path = self._info.socket_path(channel)
        if path is None or not CAN_CHECK:
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
        if not socket.send_now(frames):
            async with asyncio.timeout(SEND_LIMIT):
                await socket.send(frames)
        return msg_id

    def forget(self, msg_id: str) -> None:
        """Give no more messages to the handler of ``msg_id``."""
        self._handlers.pop(msg_id, None)

    def close(self) -> None:
        """Close the sockets; what was not sent is dropped."""
        self._close_sockets()
        self._handlers.clear()

    def _close_sockets(self) -> None:
        for socket in self._sockets.values():
            socket.close()
        while self._files:
            self._files.pop().close()

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
