"""The one thread of a kernel that sends what nobody flushes."""

from __future__ import annotations

import os
import select
import threading
import time

from kernels.host.child.output import Output
from kernels.host.child.publisher import Publisher

#: Seconds between two looks while there is output.
INTERVAL = 0.1
#: Looks without anything new after which it sleeps until it is woken.
QUIET_LOOKS = 3


class Pump(threading.Thread):
    """Sleeps until there is output, then flushes it a few times a second; welcomes subscribers."""

    def __init__(self, publisher: Publisher, output: Output, wake: int) -> None:
        super().__init__(name="IOPub", daemon=True)
        self._publisher = publisher
        self._output = output
        self._wake = wake
        self._stopped = False
        self._ready = select.poll()
        for descriptor in (publisher.descriptor, wake, *output.descriptors):
            self._ready.register(descriptor, select.POLLIN)

    def run(self) -> None:
        """Until stopped: sleep until something comes, then attend to it until it is quiet."""
        while not self._stopped:
            self._look(None)
            self._attend()

    def stop(self) -> None:
        """End the thread; what it has not sent is for a flush."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)
        self.join(1.0)

    def _attend(self) -> None:
        self._output.attended = True
        quiet, due = 0, time.monotonic() + INTERVAL
        while quiet < QUIET_LOOKS and not self._stopped:
            self._look(due - time.monotonic())
            if time.monotonic() >= due:
                quiet = 0 if self._output.flush_lines() else quiet + 1
                due = time.monotonic() + INTERVAL
        self._output.attended = False
        # What was written between the last look and now has woken nobody.
        self._output.flush()

    def _look(self, seconds: float | None) -> None:
        """Wait that long for something to happen, and take it."""
        milliseconds = None if seconds is None else max(0, round(seconds * 1000))
        for descriptor, event in self._ready.poll(milliseconds):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
            elif event & select.POLLIN:
                self._take(descriptor)
            else:  # Nobody holds the other end any more.
                self._ready.unregister(descriptor)

    def _take(self, descriptor: int) -> None:
        if descriptor == self._publisher.descriptor:
            self._publisher.welcome_subscribers()
        else:
            self._output.collect()
