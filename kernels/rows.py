"""The rows of kernels: read, inserted, and moved by compare-and-set. Synchronous."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from kernels.models import Kernel
from kernels.runtime.errors import KernelExists, KernelNotFound
from kernels.runtime.states import ALIVE_STATES, NAMED_STATES, KernelState, check_step


def insert(kernel: Kernel) -> None:
    """Insert a new row; raises :class:`KernelExists` when its name or its session has a kernel."""
    try:
        with transaction.atomic():
            kernel.save(force_insert=True)
    except IntegrityError as error:
        taken = kernel.name if named(kernel.name) else kernel.session_name
        raise KernelExists(taken or str(kernel)) from error


def step(
    kernel_id: str, current: KernelState, wanted: KernelState, why: str = "", **changes: Any
) -> bool:
    """Move a row from one state to another; False when it was no longer in the first."""
    check_step(current, wanted)
    # What a kernel said when it died may hold NUL, which Postgres cannot store.
    reason = why.replace("\0", "\N{SYMBOL FOR NULL}")
    moved = Kernel.objects.filter(pk=kernel_id, status=current).update(
        status=wanted, status_reason=reason, **changes
    )
    return moved == 1


def named(name: str | None) -> Kernel | None:
    """The kernel of that name, or of the session of that name."""
    if not name or "\0" in name:  # Postgres refuses the character.
        return None
    rows = Kernel.objects.filter(status__in=NAMED_STATES)
    return rows.filter(Q(name=name) | Q(session_name=name)).order_by("id").first()


def find(identifier: str) -> Kernel:
    """The kernel with that id or name; raises :class:`KernelNotFound`."""
    try:
        pk = uuid.UUID(hex=identifier)
    except ValueError:
        kernel = None
    else:
        kernel = Kernel.objects.filter(pk=pk, status__in=NAMED_STATES).first()
    kernel = kernel or named(identifier)
    if kernel is None:
        raise KernelNotFound(identifier)
    return kernel


def existing() -> list[Kernel]:
    """All kernels that are not destroyed, oldest first."""
    return list(Kernel.objects.filter(status__in=NAMED_STATES).order_by("id"))


def mark_left_behind(why: str) -> int:
    """Say of every kernel that an earlier server left alive that it is dead; returns how many."""
    return Kernel.objects.filter(status__in=ALIVE_STATES).update(
        status=KernelState.DEAD, status_reason=why, connection_file=""
    )


def ask_database() -> None:
    """Return if the database answers at all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
