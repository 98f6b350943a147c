"""What lives as long as the server: one manager of kernels, and the services on top of it."""

from __future__ import annotations

import gc
import logging
from typing import Any

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, LifespanScope

from kernels.api.scope import MANAGER
from kernels.conf import kernel_settings
from kernels.manager import KernelManager
from sessions_app.services import SERVICES, Services

log = logging.getLogger(__name__)


async def lifespan(
    scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Build them at start-up, put them into the state that requests see, and close them at the end."""
    await receive()
    try:
        manager, services = await open_all()
    except Exception as error:
        log.exception("the server could not start")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    state: dict[str, Any] = scope["state"]
    state.update({MANAGER: manager, SERVICES: services})
    # What is there by now stays; the collector would look through all of it again and again.
    gc.collect()
    gc.freeze()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await manager.close()
    await services.close()
    await send({"type": "lifespan.shutdown.complete"})


async def open_all() -> tuple[KernelManager, Services]:
    """A manager and services, ready to work."""
    manager = KernelManager(kernel_settings())
    await manager.open()
    return manager, await Services.open(manager)
