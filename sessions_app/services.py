"""The objects that run code, as long as a server lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from kernels.database import DatabaseThread
from kernels.manager import KernelManager
from kernels.runtime.types import ExecutionStatus
from sessions_app.audit import TRY_FOR, ExecutionWriter
from sessions_app.executor import Executor
from sessions_app.models import Execution
from sessions_app.sessions import Sessions
from sessions_app.watchers import Watchers

#: The key of the services in the state that the server's lifespan hands to every request.
SERVICES = "session_services"


@dataclass(frozen=True, slots=True)
class Services:
    """Sessions, the executor, and what they write with and tell."""

    manager: KernelManager
    sessions: Sessions
    executor: Executor
    watchers: Watchers
    #: For questions to the history, which may take their time.
    history: DatabaseThread
    _writer: ExecutionWriter
    _database: DatabaseThread

    @classmethod
    async def open(cls, manager: KernelManager, try_for: float = TRY_FOR) -> Services:
        """Make them for a manager; executions that an earlier server left running are unknown.

        ``try_for``: seconds for which the history is tried again while the database is locked.
        """
        database = DatabaseThread("session-rows")
        await database.run(_mark_left_running)
        writer = ExecutionWriter(try_for)
        watchers = Watchers()
        executor = Executor(manager, writer, watchers)
        sessions = Sessions(manager, database)
        history = DatabaseThread("history")
        return cls(manager, sessions, executor, watchers, history, writer, database)

    async def close(self) -> None:
        """Commit what is at hand; the manager must be closed before."""
        await self._writer.close()
        await self.history.close()
        await self._database.close()


def services_of(scope: dict[str, Any]) -> Services:
    """The server's services, from an ASGI scope."""
    services: Services = scope["state"][SERVICES]
    return services


def _mark_left_running() -> None:
    Execution.objects.filter(status=ExecutionStatus.RUNNING).update(
        status=ExecutionStatus.UNKNOWN,
        finished_at=timezone.now(),
        state_lost=True,
        state_lost_reason="The server ended while this ran: what came of it is not known.",
    )
