"""What the page of one execution shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kernels.admin_formats import badge, exact_moment, moment
from kernels.admin_support import Fact
from kernels.models import Kernel
from kernels.runtime.types import ExecutionStatus
from sessions_app.admin_outputs import Block, blocks_of, stream_block
from sessions_app.admin_text import Room, code
from sessions_app.models import Execution, Session

#: Characters of an error that stand beside the number of an attempt.
SAYS = 120


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One attempt of an execution with retry."""

    number: int
    status: SafeString
    says: str
    code: SafeString
    blocks: list[Block]


def execution_page(execution: Execution) -> dict[str, Any]:
    """The context of the page's template."""
    return {
        "title": execution.session_name or execution.kernel_name or f"{execution.kernel_id}",
        "status": badge(execution.status),
        "when": moment(execution.started_at),
        "facts": [fact for fact in _facts(execution) if fact[1] not in (None, "")],
        "code": code(execution.code, execution.language, Room()),
        "blocks": _blocks(execution),
        "running": execution.status == ExecutionStatus.RUNNING,
        "attempts": _attempts(execution),
    }


def _blocks(execution: Execution) -> list[Block]:
    """The outputs in order; of a row that has none, its streams and its value."""
    room = Room()
    if execution.outputs:
        return blocks_of(execution.outputs, execution.error, room)
    texts = {
        "stdout": execution.output,
        "stderr": execution.stderr,
        "result": execution.return_value,
    }
    blocks = [stream_block(name, text, room) for name, text in texts.items() if text]
    return blocks + blocks_of((), execution.error, room)


def _attempts(execution: Execution) -> list[ShownAttempt]:
    room = Room()
    attempts: Iterable[Mapping[str, Any]] = execution.attempts
    return [
        ShownAttempt(
            number=attempt["attempt"],
            status=badge(attempt["status"]),
            says=_says(attempt["error"]),
            code=code(attempt["code"], execution.language, room),
            blocks=_attempt_blocks(attempt, room),
        )
        for attempt in attempts
    ]


def _attempt_blocks(attempt: Mapping[str, Any], room: Room) -> list[Block]:
    texts = {"stdout": attempt["output"], "stderr": attempt["stderr"]}
    blocks = [stream_block(name, text, room) for name, text in texts.items() if text]
    return blocks + blocks_of((), attempt["error"], room)


def _says(error: Mapping[str, Any] | None) -> str:
    """The first line of what went wrong."""
    if not error:
        return ""
    return shorten(f"{error['ename']}: {error['evalue']}", SAYS, placeholder=" …")


def _facts(execution: Execution) -> list[Fact]:
    count = execution.execution_count
    return [
        ("Status", badge(execution.status)),
        ("Id", execution),
        ("Session", _session(execution)),
        ("Kernel", _kernel(execution)),
        ("Language", execution.language),
        ("Number in its kernel", None if count is None else f"[{count}]"),
        ("Started", exact_moment(execution.started_at)),
        ("Finished", exact_moment(execution.finished_at)),
        ("Duration", f"{execution.duration_ms} ms"),
        ("Waited before", f"{execution.queued_ms} ms"),
        ("Door", execution.get_door_display()),
        ("Asked by", execution.asked_by),
        ("Truncated", "Yes: the output was over the limit." if execution.truncated else "No"),
        ("State lost", (execution.state_lost_reason or "Yes") if execution.state_lost else "No"),
    ]


def _session(execution: Execution) -> SafeString | str | None:
    """The session by name, with a link while it is there."""
    if execution.session_name is None:
        return None
    session = Session.objects.only("id").filter(name=execution.session_name).first()
    if session is None:
        return f"{execution.session_name} (deleted)"
    return _link("admin:sessions_app_session_change", session.pk, execution.session_name)


def _kernel(execution: Execution) -> SafeString | str:
    label = execution.kernel_name or execution.kernel_id.hex
    if not Kernel.objects.filter(pk=execution.kernel_id).exists():
        return f"{label} (gone)"
    return _link("admin:kernels_kernel_change", execution.kernel_id, label)


def _link(view: str, key: Any, label: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(view, args=[key]), label)
