"""The iopub channel of a kernel: every message leaves at once, from the thread that has it.

Stock ipykernel hands each message to a thread of its own and wakes it, and waits for it at every
flush: a third of what ``1+1`` costs. A ZMQ socket may be used from several threads as long as they
take turns; the lock here is what makes them, and what keeps messages in order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import zmq
from jupyter_client.session import Session

from kernels.host.child.interrupts import InterruptGate


class Publisher:
    """Stands where ipykernel expects its iopub socket."""

    def __init__(self, socket: zmq.Socket[bytes], session: Session, gate: InterruptGate) -> None:
        # A second subscriber (another server on the same kernel) is also to be welcomed.
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket = socket
        self._session = session
        self._pid = os.getpid()
        self.gate = gate
        #: Held while anything is sent, or added to what waits to be sent.
        self.lock = threading.RLock()

    @property
    def descriptor(self) -> int:
        """Readable when :meth:`welcome_subscribers` may have something to do."""
        return int(self._socket.getsockopt(zmq.FD))

    def send_multipart(self, parts: Sequence[Any], **options: Any) -> None:
        """Send one message; what a forked child of the kernel wants to send has no way out."""
        if os.getpid() != self._pid or self._socket.closed:
            return
        with self.gate, self.lock:
            self._socket.send_multipart(parts, copy=True)
            # Sending may have taken the notice of a subscription off the descriptor.
            self.welcome_subscribers()

    def welcome_subscribers(self) -> None:
        """Tell who has subscribed that messages reach it from now on."""
        with self.gate, self.lock:
            while not self._socket.closed and self._has_notice():
                notice = self._socket.recv(zmq.NOBLOCK)
                if notice[:1] == b"\x01":
                    self._welcome(notice[1:])

    def _has_notice(self) -> bool:
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def _welcome(self, topic: bytes) -> None:
        content = {"subscription": topic.decode("utf-8", "replace")}
        message = self._session.msg("iopub_welcome", content)
        self._socket.send_multipart(self._session.serialize(message, topic or None))

    def after_fork(self) -> None:
        """In a forked child of the kernel: the lock may have been another thread's."""
        self.lock = threading.RLock()

    def close(self, linger: int) -> None:
        """Close the socket; what was sent has ``linger`` milliseconds to leave."""
        with self.lock:
            self._socket.close(linger)
