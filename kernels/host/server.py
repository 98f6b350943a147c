"""The loop of the kernel host: one thread, one selector, any number of servers."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from kernels.host.nursery import Child, Nursery
from kernels.host.preload import Preloaded
from kernels.host.protocol import (
    VERSION,
    Certificate,
    Decoder,
    ProtocolError,
    StartOrder,
    encode,
)

log = logging.getLogger(__name__)

#: Bytes that wait for a server which does not read; with more it is taken for gone.
MOST_UNSENT = 16 * 1024 * 1024
READ_SIZE = 256 * 1024
#: Seconds for which a lease may outlive its connection.
LONGEST_LEASE = 10 * 365 * 86_400.0
#: Seconds of one wait: the system has a limit too.
LONGEST_WAIT = 3_600.0
#: Seconds without a look at new connections, after one could not be taken.
LISTEN_AGAIN_AFTER = 0.1

Callback = Callable[[], None]
Handler = Callable[["_Peer", dict[str, Any]], dict[str, Any] | None]


class _Peer:
    """One server that is connected."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.decoder = Decoder()
        self.unsent = bytearray()
        #: Seconds for which kernels live on when it goes; None while it holds no lease.
        self.lease: float | None = None
        #: Kernels that it waits for.
        self.starting: set[str] = set()


class Host:
    """Serves until no lease is held any more, or until it is told to stop."""

    def __init__(
        self, listener: socket.socket, make_nursery: Callable[..., Nursery], grace: float
    ) -> None:
        """``grace``: seconds without any lease before the first one."""
        self._selector = selectors.DefaultSelector()
        self._nursery = make_nursery(self._selector, self._tell_death)
        self._listener = listener
        self._peers: list[_Peer] = []
        self._expires_at: float | None = time.monotonic() + grace
        self._listen_again_at: float | None = None
        self._stopping = False
        self._handlers: dict[str, Handler] = {
            "start": self._start,
            "signal": self._signal,
            "list": self._list,
            "lease": self._lease,
            "stop": self._stop,
        }
        self.preloaded = Preloaded()

    def serve(self) -> None:
        """Run the loop; at its end no kernel is left."""
        wake_read, wake_write = os.pipe()
        for descriptor in (wake_read, wake_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(wake_read, selectors.EVENT_READ, lambda: self._wake(wake_read))
        try:
            while not self._is_over():
                self._turn()
        finally:
            self._nursery.close()

    def _turn(self) -> None:
        for key, events in self._selector.select(self._seconds_left()):
            now = self._selector.get_map().get(key.fd)
            if now is None or now.data is not key.data:
                continue  # What was handled before it has closed it.
            if isinstance(key.data, _Peer):
                self._attend(key.data, events)
            else:
                key.data()

        if self._listen_again_at is not None and time.monotonic() >= self._listen_again_at:
            self._listen_again_at = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _seconds_left(self) -> float | None:
        """How long nothing has to be done of its own accord."""
        due = [at for at in (self._expires_at, self._listen_again_at) if at is not None]
        return min(max(0.0, min(due) - time.monotonic()), LONGEST_WAIT) if due else None

    def _is_over(self) -> bool:
        expired = self._expires_at is not None and time.monotonic() >= self._expires_at
        return self._stopping or expired

    def _on_stop_signal(self, *_: object) -> None:
        self._stopping = True

    def _wake(self, descriptor: int) -> None:
        """A signal came: most likely a child has ended."""
        while len(os.read(descriptor, 4_096)) == 4_096:
            continue
        self._nursery.reap()

    # -- connections ------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # It has gone already, or there are no descriptors left.
            log.warning("a connection was not taken: %s", error)
            self._selector.unregister(self._listener)
            self._listen_again_at = time.monotonic() + LISTEN_AGAIN_AFTER
            return
        peer = _Peer(connection)
        self._peers.append(peer)
        self._selector.register(connection, selectors.EVENT_READ, peer)
        self._send(peer, {"protocol": VERSION, "pid": os.getpid()} | self.preloaded.as_mapping())

    def _attend(self, peer: _Peer, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush(peer)
        if events & selectors.EVENT_READ and peer in self._peers:
            self._read(peer)

    def _read(self, peer: _Peer) -> None:
        try:
            data = peer.connection.recv(READ_SIZE)
            if not data:
                self._drop(peer)
                return
            for message in peer.decoder.feed(data):
                if peer in self._peers:  # It may have been found gone by what it asked before.
                    self._answer(peer, message)
        except BlockingIOError:
            return
        except OSError:
            self._drop(peer)
        except ProtocolError as error:
            log.warning("a connection is ended: it sent %s", error)
            self._drop(peer)

    def _answer(self, peer: _Peer, message: dict[str, Any]) -> None:
        handler = self._handlers.get(str(message.get("op")))
        if handler is None:
            raise ProtocolError("an operation that does not exist")
        if not isinstance(message.get("id"), int | str | None):
            raise ProtocolError("an id that is neither a number nor text")
        try:
            answer = handler(peer, message)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise ProtocolError(f"{message.get('op')!r} with a bad {error}") from error
        if answer is not None and "id" in message:
            self._send(peer, {"id": message.get("id")} | answer)

    def _send(self, peer: _Peer, message: dict[str, Any]) -> None:
        if peer not in self._peers:
            return
        peer.unsent += encode(message)
        self._flush(peer)

    def _flush(self, peer: _Peer) -> None:
        try:
            sent = peer.connection.send(peer.unsent)
            del peer.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(peer)
            return
        if len(peer.unsent) > MOST_UNSENT:
            log.warning("a connection is ended: it does not read")
            self._drop(peer)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        if self._selector.get_key(peer.connection).events != events:
            self._selector.modify(peer.connection, events, peer)

    def _drop(self, peer: _Peer) -> None:
        """Forget a connection; what it was just starting has nobody to belong to."""
        if peer not in self._peers:
            return
        self._peers.remove(peer)
        self._selector.unregister(peer.connection)
        peer.connection.close()
        for kernel in peer.starting:
            self._nursery.signal(kernel, signal.SIGKILL)
        self._leases_changed(peer.lease)

    # -- operations -------------------------------------------------------------------------

    def _start(self, peer: _Peer, message: dict[str, Any]) -> None:
        order = StartOrder.from_message(message)
        if self._nursery.has(order.kernel):
            error = f"there is a kernel {order.kernel} already"
            self._send(peer, {"id": message.get("id"), "error": error})
            return
        peer.starting.add(order.kernel)

        def on_start(result: Child | str) -> None:
            peer.starting.discard(order.kernel)
            if isinstance(result, str):
                answer: dict[str, Any] = {"error": result}
            else:
                answer = {"pid": result.pid, "started": result.started}
            self._send(peer, {"id": message.get("id")} | answer)

        self._nursery.start(order, on_start)

    def _signal(self, peer: _Peer, message: dict[str, Any]) -> dict[str, Any]:
        number = signal.Signals(message["signal"])
        return {"sent": self._nursery.signal(str(message["kernel"]), number)}

    def _list(self, peer: _Peer, message: dict[str, Any]) -> dict[str, Any]:
        kernels = [
            {"kernel": child.kernel, "pid": child.pid, "started": child.started}
            for child in self._nursery.children
        ]
        deaths = [death.as_message(kernel) for kernel, death in self._nursery.deaths]
        others = sum(one.lease is not None for one in self._peers if one is not peer)
        return {"kernels": kernels, "deaths": deaths, "other_leases": others}

    def _lease(self, peer: _Peer, message: dict[str, Any]) -> dict[str, Any]:
        peer.lease = min(max(0.0, float(message["seconds"])), LONGEST_LEASE)
        self._expires_at = None
        return {}

    def _stop(self, peer: _Peer, message: dict[str, Any]) -> dict[str, Any]:
        peer.lease = None
        self._leases_changed(0.0)
        return {"stopping": self._expires_at is not None}

    def _leases_changed(self, grace: float | None) -> None:
        """A lease that held for ``grace`` seconds more is given up, unless it was none."""
        if grace is not None and all(peer.lease is None for peer in self._peers):
            self._expires_at = time.monotonic() + grace

    def _tell_death(self, kernel: str, certificate: Certificate) -> None:
        for peer in [*self._peers]:
            self._send(peer, certificate.as_message(kernel))
