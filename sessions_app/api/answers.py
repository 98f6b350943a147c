"""Sessions and executions of the history as the API shows them."""

from __future__ import annotations

import uuid
from typing import Any

from kernels.api.answers import kernel_answer
from kernels.manager import KernelManager
from kernels.runtime.bounded import cut_text
from kernels.runtime.states import NAMED_STATES
from sessions_app.models import Execution, Session

#: Characters of the code of one execution in a list.
LONGEST_CODE = 10_000
SUMMARY_FIELDS = (
    "status", "output", "stderr", "return_value", "execution_count", "duration_ms", "queued_ms",
    "truncated", "error", "state_lost", "state_lost_reason", "language", "kernel_name",
    "session_name", "door", "asked_by",
)  # fmt: skip


def execution_summary(execution: Execution) -> dict[str, Any]:
    """One execution in a list."""
    finished_at = execution.finished_at
    return {name: getattr(execution, name) for name in SUMMARY_FIELDS} | {
        "code": cut_text(execution.code, LONGEST_CODE),
        "id": uuid.UUID(str(execution.id)).hex,
        "kernel_id": uuid.UUID(str(execution.kernel_id)).hex,
        "started_at": execution.started_at.isoformat(),
        "finished_at": finished_at.isoformat() if finished_at else None,
    }


def whole_execution(execution: Execution) -> dict[str, Any]:
    """One execution with everything it put out."""
    return execution_summary(execution) | {
        "code": execution.code,
        "outputs": execution.outputs,
        "attempts": execution.attempts,
    }


def session_answer(session: Session, manager: KernelManager) -> dict[str, Any]:
    """A session and its kernel."""
    kernel = session.kernel
    if kernel is not None and kernel.status not in NAMED_STATES:
        kernel = None
    return {
        "name": session.name,
        "language": session.language,
        "tags": session.tags,
        "created_at": session.created_at.isoformat(),
        "last_used_at": session.last_used_at.isoformat(),
        "kernel": kernel_answer(kernel, manager.live(kernel.kernel_id)) if kernel else None,
    }
