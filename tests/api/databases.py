"""The database seen from beside the service: who says what to it, and how it is when it is locked."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from kernels.database import DatabaseThread

WRITER = "execution-writer"
ROWS = "kernel-rows"
HISTORY = "sessions_app_execution"
KERNELS = "kernels_kernel"
#: What keeps everybody else from writing to a table, and nobody from reading.
LOCK = {
    "sqlite": ("BEGIN EXCLUSIVE",),
    "postgresql": ("BEGIN", "LOCK TABLE {table} IN EXCLUSIVE MODE"),
}
#: Milliseconds of patience of one connection.
PATIENCE = {"sqlite": "PRAGMA busy_timeout = 50", "postgresql": "SET lock_timeout = 50"}


class Seen:
    """Every statement since the last :meth:`forget`, with the name of its thread."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, str]] = []
        self._more = threading.Condition()

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Note one statement; called by Django in place of executing it."""
        with self._more:
            self.statements.append((threading.current_thread().name, sql))
            self._more.notify_all()
        return execute(sql, params, many, context)

    def forget(self) -> None:
        """Begin anew."""
        with self._more:
            self.statements.clear()

    async def wait_for(self, statements: int, limit: float = 10.0) -> bool:
        """Whether so many statements have come within ``limit`` seconds."""

        def wait() -> bool:
            with self._more:
                return self._more.wait_for(lambda: len(self.statements) >= statements, limit)

        return await asyncio.to_thread(wait)

    @property
    def threads(self) -> set[str]:
        """Who said anything."""
        return {thread for thread, _ in self.statements}

    def starting_with(self, words: str) -> list[str]:
        """The statements that begin with these words."""
        return [sql for _, sql in self.statements if sql.upper().startswith(words.upper())]


@contextlib.contextmanager
def watched_connections() -> Iterator[Seen]:
    """Watch every connection that is made from here on."""
    seen = Seen()
    with _on_every_connection(lambda connection: connection.execute_wrappers.append(seen)):
        yield seen


@contextlib.contextmanager
def impatient(threads: str) -> Iterator[None]:
    """Connections that threads of that name make from here on hardly wait for a lock."""

    def hurry(connection: BaseDatabaseWrapper) -> None:
        if threading.current_thread().name.startswith(threads):
            _say(connection, PATIENCE[connection.vendor])

    with _on_every_connection(hurry):
        yield


@contextlib.asynccontextmanager
async def locked(table: str) -> AsyncIterator[None]:
    """Hold the lock of a table, or of all that there are: it can be read, and not be written to."""
    thread = DatabaseThread("locker")
    lock = [statement.format(table=table) for statement in LOCK[connection.vendor]]
    await thread.run(lambda: _say(connection, *lock))
    try:
        yield
    finally:
        await thread.run(lambda: _say(connection, "ROLLBACK"))
        await thread.close()


@contextlib.contextmanager
def _on_every_connection(act: Callable[[BaseDatabaseWrapper], None]) -> Iterator[None]:
    def on_created(connection: BaseDatabaseWrapper, **_: Any) -> None:
        act(connection)

    connection_created.connect(on_created)
    try:
        yield
    finally:
        connection_created.disconnect(on_created)


def _say(connection: Any, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
