"""Which thread says what to the database."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


@dataclass
class Seen:
    """Every statement since the last :meth:`forget`, with the name of its thread."""

    statements: list[tuple[str, str]] = field(default_factory=list)

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Note one statement; called by Django in place of executing it."""
        self.statements.append((threading.current_thread().name, sql))
        return execute(sql, params, many, context)

    def forget(self) -> None:
        """Begin anew."""
        self.statements.clear()

    @property
    def threads(self) -> set[str]:
        """Who said anything."""
        return {thread for thread, _ in self.statements}

    def starting_with(self, word: str) -> list[str]:
        """The statements that begin with a word."""
        return [sql for _, sql in self.statements if sql.lstrip().upper().startswith(word)]


@contextlib.contextmanager
def watched_connections() -> Iterator[Seen]:
    """Watch every connection that is made from here on."""
    seen = Seen()

    def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
        connection.execute_wrappers.append(seen)

    connection_created.connect(watch)
    try:
        yield seen
    finally:
        connection_created.disconnect(watch)
