"""Sessions by name: whoever inserts the row starts the kernel, everybody else waits for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from kernels.database import DatabaseThread
from kernels.manager import KernelManager
from kernels.models import Kernel
from kernels.runtime.errors import (
    KernelExists,
    LanguageConflict,
    SessionNotFound,
)
from kernels.runtime.languages import Language
from kernels.runtime.live import LiveKernel
from kernels.runtime.states import NAMED_STATES, KernelState
from sessions_app.models import Session


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session whose kernel is at hand in this process."""

    id: str
    name: str
    language: str
    kernel_name: str | None
    kernel: LiveKernel

    def check_language(self, wanted: Language) -> None:
        """Raise :class:`LanguageConflict` for a language other than that of the first call."""
        if wanted.name != self.language:
            raise LanguageConflict(self.name, self.language, wanted.name)


class Sessions:
    """Gets or creates sessions by name; one that is open is found without the database."""

    def __init__(self, manager: KernelManager, database: DatabaseThread) -> None:
        self._manager = manager
        self._database = database
        self._open: dict[str, OpenSession] = {}
        self._opening: dict[str, asyncio.Task[OpenSession]] = {}

    def at_hand(self, name: str) -> OpenSession | None:
        """The open session of that name, if its kernel was not destroyed."""
        session = self._open.get(name)
        if session is not None and session.kernel.state is KernelState.DESTROYED:
            del self._open[name]
            return None
        return session

    async def open(
        self, name: str, language: Language, tags: dict[str, str] | None = None
    ) -> OpenSession:
        """Get or create a session; of calls at once, one starts the kernel and all get it.

        Raises :class:`LanguageConflict`, and what starting a kernel raises.
        """
        session = self.at_hand(name)
        if session is None:
            opening = self._opening.get(name)
            if opening is None:
                opening = asyncio.create_task(
                    self._manager.owned(self._get_or_create(name, language, tags))
                )
                self._opening[name] = opening
                opening.add_done_callback(lambda task: self._opened(name, task))
            session = await asyncio.shield(opening)
        session.check_language(language)
        return session

    def _opened(self, name: str, opening: asyncio.Task[OpenSession]) -> None:
        self._opening.pop(name, None)
        if not opening.cancelled():
            opening.exception()  # Whoever waited was told; if nobody does any more, so be it.

    async def find(self, name: str) -> Session:
        """The row of a session; raises :class:`SessionNotFound`."""
        return await self._database.run(_find, name)

    async def all(self) -> list[Session]:
        """The rows of all sessions with their kernels, oldest first."""
        return await self._database.run(
            lambda: list(Session.objects.select_related("kernel").order_by("id"))
        )

    async def delete(self, name: str) -> Session:
        """Destroy a session's kernel and forget its name; its history stays."""
        session = await self.find(name)
        if session.kernel is not None and session.kernel.status in NAMED_STATES:
            await self._manager.destroy(session.kernel.kernel_id)
        await self._database.run(Session.objects.filter(pk=session.pk).delete)
        self._open.pop(name, None)
        return session

    async def _get_or_create(
        self, name: str, language: Language, tags: dict[str, str] | None
    ) -> OpenSession:
        row = await self._database.run(_find_or_none, name)
        kernel = row.kernel if row is not None else None
        if kernel is None or kernel.status not in NAMED_STATES:
            kernel = await self._kernel_for(name, language, tags)
            live = self._manager.live_for(kernel)
            row = await self._database.run(_attach, kernel, name, tags)
        else:
            live = self._manager.live_for(kernel)
        assert row is not None  # noqa: S101 - either found above or just attached
        session = OpenSession(
            id=row.pk.hex,
            name=name,
            language=kernel.language,
            kernel_name=kernel.name,
            kernel=live,
        )
        self._open[name] = session
        return session

    async def _kernel_for(
        self, name: str, language: Language, tags: dict[str, str] | None
    ) -> Kernel:
        """The kernel that has the session's name already, or a new one."""
        kernel = await self._manager.named(name)
        if kernel is not None:
            return kernel
        try:
            return await self._manager.create(name, name, tags, language)
        except KernelExists:  # Somebody else created it in between.
            return await self._manager.find(name)


def _find_or_none(name: str) -> Session | None:
    return Session.objects.select_related("kernel").filter(name=name).first()


def _find(name: str) -> Session:
    session = _find_or_none(name) if "\0" not in name else None
    if session is None:
        raise SessionNotFound(name)
    return session


def _attach(kernel: Kernel, name: str, tags: dict[str, str] | None) -> Session:
    """Point the session of that name to a kernel; make the session if there is none."""
    values = {"kernel": kernel, "language": kernel.language}
    try:
        with transaction.atomic():
            Session.objects.filter(kernel=kernel).exclude(name=name).update(kernel=None)
            session, _ = Session.objects.update_or_create(
                name=name,
                defaults=values,
                create_defaults=values | {"name": name, "tags": tags or {}},
            )
    except IntegrityError:  # Another process inserted the name between look and insert.
        session = Session.objects.get(name=name)
    Kernel.objects.filter(pk=kernel.pk, session_name=None).update(session_name=name)
    return session
