"""A kernel's output on real sockets, with no kernel: what is written, and what a subscriber hears."""

from __future__ import annotations

import itertools
import os
from typing import Any

import zmq
from jupyter_client.session import Session

from kernels.host.child.capture import Capture
from kernels.host.child.interrupts import InterruptGate
from kernels.host.child.output import Output, Stream
from kernels.host.child.publisher import Publisher
from tests.unit.host.peer import LIMIT

#: What a subscriber heard of a stream: its name and a text.
Heard = tuple[str, str]

_numbers = itertools.count(1)


class Subscriber:
    """Hears what a kernel publishes."""

    def __init__(self, context: zmq.Context[Any], address: str, session: Session) -> None:
        self._session = session
        self.socket = context.socket(zmq.SUB)
        self.socket.connect(address)

    def hears_nothing(self) -> bool:
        """Whether nothing has come."""
        return not self.socket.poll(0)

    def frames(self) -> list[bytes]:
        """The next message as it came."""
        assert self.socket.poll(round(LIMIT * 1_000)), "nothing is published"
        frames: list[bytes] = self.socket.recv_multipart()
        return frames

    def message(self) -> dict[str, Any]:
        """The next message, its signature checked."""
        _, parts = self._session.feed_identities(self.frames())
        message: dict[str, Any] = self._session.deserialize(parts)
        return message


class Stage:
    """Publisher, output and captures as a kernel has them; :meth:`close` it.

    The captures are of descriptors that nobody else uses, unless others are given.
    """

    def __init__(self, targets: dict[str, int] | None = None) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.context.linger = 0
        self.session = Session(key=b"the-key")
        #: ZMQ's context knows its sockets but weakly.
        self._subscribers: list[Subscriber] = []
        self.address = f"inproc://stage-{next(_numbers)}"
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.bind(self.address)
        self.publisher = Publisher(self.socket, self.session, InterruptGate())
        self.targets = targets or {
            name: os.open(os.devnull, os.O_WRONLY) for name in ("stdout", "stderr")
        }
        captures = [Capture(name, target) for name, target in self.targets.items()]
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.output = Output(self.publisher, self.session, captures, self.wake)
        self.subscriber = self.new_subscriber()
        self.subscriber.socket.subscribe(b"")
        assert self.socket.poll(round(LIMIT * 1_000))
        self.publisher.welcome_subscribers()
        self.welcome = self.subscriber.message()

    @property
    def stdout(self) -> Stream:
        """``sys.stdout`` of the kernel."""
        return self.output.streams["stdout"]

    @property
    def stderr(self) -> Stream:
        """``sys.stderr`` of the kernel."""
        return self.output.streams["stderr"]

    def new_subscriber(self) -> Subscriber:
        """Another one, which has yet to subscribe."""
        made = Subscriber(self.context, self.address, Session(key=b"the-key"))
        self._subscribers.append(made)
        return made

    def spill(self, stream: str, data: bytes) -> None:
        """Write to the descriptor itself, as a subprocess does."""
        os.write(self.targets[stream], data)

    def messages(self) -> list[dict[str, Any]]:
        """What was published by now, without flushing anything."""
        self.publisher.send_multipart([b"end"])
        heard = []
        while (frames := self.subscriber.frames()) != [b"end"]:
            _, parts = self.session.feed_identities(frames)
            heard.append(Session(key=b"the-key").deserialize(parts))
        return heard

    def heard(self) -> list[Heard]:
        """The texts that were published by now, in order."""
        return [(m["content"]["name"], m["content"]["text"]) for m in self.messages()]

    def close(self) -> None:
        """Give everything back."""
        self.context.destroy(linger=0)
        for descriptor in (*self.targets.values(), *self.output.descriptors, self.wake):
            os.close(descriptor)
