"""One connection to one kernel: four sockets, one reader each, every message to whom it answers.

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
#: Seconds for a request to be handed to ZMQ.
SEND_LIMIT = 5.0


class Connection:
    """A kernel's sockets in this process, and who waits for which answer.

    Opened on the running event loop; :meth:`close` ends the readers and frees the sockets.
    Messages that nobody waits for (of a thread that prints after its cell has ended, say) are
    dropped.
    """

    def __init__(self, info: ConnectionInfo, context: zmq.asyncio.Context) -> None:
        self._wire = Wire(info)
        self._info = info
        self._handlers: dict[str, MessageHandler] = {}
        #: Messages that came, of any kind: a reader that stands still has read all there is.
        self.received = 0
        #: Messages that were refused: a bad signature, or no Jupyter message at all.
        self.refused = 0
        identity = uuid4().hex.encode()
        self._sockets = {
            Channel.SHELL: self._open(context, zmq.DEALER, Channel.SHELL, identity),
            Channel.CONTROL: self._open(context, zmq.DEALER, Channel.CONTROL, identity),
            Channel.STDIN: self._open(context, zmq.DEALER, Channel.STDIN, identity),
            Channel.IOPUB: self._open(context, zmq.SUB, Channel.IOPUB, None),
        }
        self._readers = [
            asyncio.create_task(self._read(channel, socket), name=f"read {channel}")
            for channel, socket in self._sockets.items()
        ]

    def _open(
        self, context: zmq.asyncio.Context, kind: int, channel: Channel, identity: bytes | None
    ) -> zmq.asyncio.Socket:
        socket = context.socket(kind)
        socket.linger = 0
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_INTERVAL)
        if identity is None:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        else:
            socket.setsockopt(zmq.IDENTITY, identity)
        socket.connect(self._info.address(channel))
        return socket

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
        async with asyncio.timeout(SEND_LIMIT):
            await self._sockets[channel].send_multipart(frames)
        return msg_id

    def forget(self, msg_id: str) -> None:
        """Give no more messages to the handler of ``msg_id``."""
        self._handlers.pop(msg_id, None)

    async def close(self) -> None:
        """End the readers and close the sockets; what was not sent is dropped."""
        for reader in self._readers:
            reader.cancel()
        for socket in self._sockets.values():
            socket.close(0)
        self._handlers.clear()
        await asyncio.gather(*self._readers, return_exceptions=True)

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
            return
        try:
            handler(channel, message)
        except Exception:
            # One bad handler must not make the channel deaf for everyone after it.
            log.exception("a message handler failed", extra={"channel": channel})
