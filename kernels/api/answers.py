"""Kernels as the API shows them: the row, and what the live kernel knows better."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kernels.models import Kernel
from kernels.runtime.live import LiveKernel


def kernel_answer(kernel: Kernel, live: LiveKernel | None) -> dict[str, Any]:
    """All fields of ``KernelSerializer``. The key of its connection is not among them."""
    last_used_at = kernel.last_used_at
    if live is not None:
        last_used_at = max(last_used_at, datetime.fromtimestamp(live.last_used_at, UTC))
    return {
        "kernel_id": kernel.kernel_id,
        "connection_file": live.connection_file if live else "",
        "name": kernel.name,
        "created_at": kernel.created_at.isoformat(),
        "last_used_at": last_used_at.isoformat(),
        "status": live.state if live else kernel.status,
        "session_name": kernel.session_name,
        "attempt_count": kernel.attempt_count,
        "tags": kernel.tags,
        "age_seconds": round((datetime.now(UTC) - kernel.created_at).total_seconds(), 3),
        "language": kernel.language,
        "busy": live.busy if live else False,
        "queue_length": live.waiting if live else 0,
        "runs": kernel.runs,
        "status_reason": kernel.status_reason,
    }
