"""One ZMQ socket on the event loop: no task and no future a message.

``zmq.asyncio`` makes both for each one; a call to a kernel is answered by five.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import zmq

#: Bytes of messages that are taken before the event loop gets its turn, so that a kernel which
#: floods does not keep the loop to itself.
BYTES_A_TURN = 128 * 1024
#: What a message costs besides its bytes, so that many small ones also end a turn.
MESSAGE_OVERHEAD = 4 * 1024
#: Seconds between attempts to send while ZMQ has no room.
SEND_AGAIN_AFTER = 0.01


class ChannelSocket:
    """Gives every message to ``on_frames`` as it comes; :meth:`close` it.

    ZMQ's descriptor becomes readable when something has changed, once, and not while there is
    something to read. So it is read to its end, and looked at again after each send, which takes
    notice of changes too.
    """

    def __init__(self, socket: zmq.Socket[bytes], on_frames: Callable[[list[bytes]], None]) -> None:
        self._socket = socket
        self._on_frames = on_frames
        self._loop = asyncio.get_running_loop()
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._descriptor, self._take)

    async def send(self, frames: Sequence[bytes]) -> None:
        """Hand a message to ZMQ as soon as it has room."""
        while not self.send_now(frames):  # noqa: ASYNC110 - ZMQ has no event for it
            await asyncio.sleep(SEND_AGAIN_AFTER)

    def send_now(self, frames: Sequence[bytes]) -> bool:
        """Hand a message to ZMQ; False when it has no room."""
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        if int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._loop.call_soon(self._take)
        return True

    def close(self) -> None:
        """Close the socket; what was not sent is dropped."""
        if not self._socket.closed:
            self._loop.remove_reader(self._descriptor)
            self._socket.close(0)

    def _take(self) -> None:
        taken = 0
        while not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_frames(frames)
            taken += MESSAGE_OVERHEAD + sum(map(len, frames))
            if taken > BYTES_A_TURN:
                self._loop.call_soon(self._take)
                return
