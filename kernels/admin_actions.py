"""What a person may do with kernels: asked once more, and carried out by the server's manager."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from kernels.admin_support import ReadOnlyAdmin
from kernels.api.scope import MANAGER
from kernels.manager import KernelManager
from kernels.models import Kernel
from kernels.runtime.errors import KernelBoxError
from kernels.runtime.states import KernelState

#: Kernels that one action may be for.
MOST_KERNELS = 100
NO_MANAGER = "This process runs no kernels: only the server that holds them can do that."


@dataclass(frozen=True, slots=True)
class KernelAction:
    """Something to be done with kernels, and the words around it."""

    name: str
    verb: str
    done: str
    warning: str
    call: Callable[[KernelManager, str], Awaitable[Kernel]]


INTERRUPT = KernelAction(
    "interrupt",
    "Interrupt",
    "Interrupted",
    "What runs now ends with a KeyboardInterrupt. Variables stay, and what waits runs next.",
    KernelManager.interrupt,
)
RESTART = KernelAction(
    "restart",
    "Restart",
    "Restarted",
    "All variables are lost. What runs now is ended; what waits runs in the new process.",
    KernelManager.restart,
)
DESTROY = KernelAction(
    "destroy",
    "Destroy",
    "Destroyed",
    "The process ends and all variables are lost, also for what waits. The history stays.",
    KernelManager.destroy,
)
ACTIONS = (INTERRUPT, RESTART, DESTROY)


def manager_in(request: HttpRequest) -> KernelManager | None:
    """The server's manager; None where there is none, as under WSGI."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    manager: KernelManager | None = scope.get("state", {}).get(MANAGER)
    return manager


def activity(manager: KernelManager | None, kernel: Kernel) -> str:
    """What a kernel of this process does now; empty for any other."""
    live = manager.live(kernel.kernel_id) if manager is not None else None
    if live is None or live.state is not KernelState.RUNNING:
        return ""
    doing = "busy" if live.busy else "idle"
    return f"{doing}, {live.waiting} waiting" if live.waiting else doing


def ask_or_do(
    admin: ReadOnlyAdmin, request: HttpRequest, queryset: QuerySet[Kernel], action: KernelAction
) -> TemplateResponse | None:
    """The page that asks once more; once that was answered, do it and say what came of it."""
    kernels = list(queryset.exclude(status=KernelState.DESTROYED)[: MOST_KERNELS + 1])
    manager = manager_in(request)
    if manager is None:
        admin.message_user(request, NO_MANAGER, messages.ERROR)
    elif not kernels:
        admin.message_user(request, "Those kernels are destroyed already.", messages.WARNING)
    elif len(kernels) > MOST_KERNELS:
        sentence = f"Choose at most {MOST_KERNELS} kernels at once."
        admin.message_user(request, sentence, messages.ERROR)
    elif "confirmed" not in request.POST:
        return _confirmation(admin, request, kernels, action, manager)
    else:
        _do(admin, request, kernels, action, manager)
    return None


def _confirmation(
    admin: ReadOnlyAdmin,
    request: HttpRequest,
    kernels: Sequence[Kernel],
    action: KernelAction,
    manager: KernelManager,
) -> TemplateResponse:
    what = str(kernels[0]) if len(kernels) == 1 else f"{len(kernels)} kernels"
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{action.verb} {what}?",
        "opts": admin.opts,
        "media": admin.media,
        "action": action,
        "kernels": [(kernel, activity(manager, kernel)) for kernel in kernels],
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    request.current_app = admin.admin_site.name
    return TemplateResponse(request, "admin/kernels/kernel/confirm.html", context)


def _do(
    admin: ReadOnlyAdmin,
    request: HttpRequest,
    kernels: Sequence[Kernel],
    action: KernelAction,
    manager: KernelManager,
) -> None:
    failures = async_to_sync(_carry_out)(manager, kernels, action)
    done = [kernel for kernel in kernels if kernel not in failures]
    for kernel in done:
        admin.log_change(request, kernel, f"{action.done}.")
    if done:
        names = ", ".join(map(str, done))
        admin.message_user(request, f"{action.done}: {names}.", messages.SUCCESS)
    for kernel, error in failures.items():
        admin.message_user(request, f"{kernel}: {error}", messages.ERROR)


async def _carry_out(
    manager: KernelManager, kernels: Sequence[Kernel], action: KernelAction
) -> dict[Kernel, KernelBoxError]:
    """Do it with all at once, on the server's loop; returns what went wrong."""

    async def one(kernel: Kernel) -> KernelBoxError | None:
        try:
            await action.call(manager, kernel.kernel_id)
        except KernelBoxError as error:
            return error
        return None

    errors = await asyncio.gather(*(one(kernel) for kernel in kernels))
    return {kernel: error for kernel, error in zip(kernels, errors, strict=True) if error}
