"""From what a client sent to what the executor runs: the same by HTTP and by WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any

from kernels.conf import KernelSettings
from kernels.runtime.errors import LanguageConflict
from kernels.runtime.languages import Language, Languages
from sessions_app.executor import Order, Target
from sessions_app.models import Door
from sessions_app.services import Services


async def language_named(languages: Languages, name: str) -> Language:
    """A language by name; only the uncommon ones look at the disk, in a thread."""
    common = languages.common(name)
    return common if common is not None else await asyncio.to_thread(languages.resolve, name)


async def make_order(
    services: Services, wanted: dict[str, Any], door: Door, asked_by: str
) -> Order:
    """The order in a validated request; raises :class:`UnknownLanguage`."""
    settings: KernelSettings = services.manager.settings
    timeout = wanted["timeout"]
    language = await language_named(services.manager.languages, wanted["language"])
    return Order(
        code=wanted["code"],
        language=language,
        # One name for each, so that the history can be asked for it: `sh` is bash, `py` is Python.
        language_name="bash" if language.prefix else language.name,
        timeout=settings.execution_timeout if timeout is None else timeout,
        door=door,
        asked_by=asked_by,
    )


async def session_target(services: Services, name: str, order: Order) -> Target:
    """The kernel of a session, which is created if it is not there."""
    session = services.sessions.at_hand(name)
    if session is None:
        session = await services.sessions.open(name, order.language)
    session.check_language(order.language)
    return Target.of_session(session)


async def kernel_target(services: Services, identifier: str, order: Order) -> Target:
    """A kernel by id or name; raises :class:`KernelNotFound` and :class:`LanguageConflict`."""
    kernel = await services.manager.find(identifier)
    if order.language.name != kernel.language:
        raise LanguageConflict(str(kernel), kernel.language, order.language.name)
    return Target.of_kernel(kernel, services.manager.live_for(kernel))


def caller(scope: dict[str, Any]) -> str:
    """Who asks: the address, as far as trusted proxies tell it."""
    client = scope.get("client")
    return str(client[0]) if client else ""
