"""A thread of our own for the database, with one connection that lives as long as it.

Django gives every request a thread and a connection of its own, which ends with the request; work
that outlives its request needs another place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

from kernels.runtime.errors import ServiceStopping

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """Runs synchronous database code for asynchronous callers, one piece after another."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._closed = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``work`` in the thread; a connection that an error has left unusable is replaced.

        Raises :class:`ServiceStopping` once the thread has been closed.
        """
        if self._closed:
            raise ServiceStopping

        def call() -> T:
            _drop_unusable_connections()
            return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def close(self) -> None:
        """Close the connection and end the thread, once what it has to do is done."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown()


def _drop_unusable_connections() -> None:
    """Close what an error has left unusable; Django opens another when it is needed.

    Not ``close_old_connections``, which also closes what is older than ``CONN_MAX_AGE``: that is 0
    here, for the connections of requests.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                connection.close()
