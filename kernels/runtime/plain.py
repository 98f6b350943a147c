"""Results as plain data, as the API shows them and the history keeps them."""

from __future__ import annotations

from typing import Any

from kernels.runtime.types import Attempt, ErrorInfo, ExecutionResult, OutputItem


def plain_result(result: ExecutionResult) -> dict[str, Any]:
    """All fields of a result, ready for JSON; strings and rich data are not copied."""
    return {
        "status": result.status,
        "output": result.output,
        "stderr": result.stderr,
        "error": plain_error(result.error),
        "return_value": result.return_value,
        "execution_count": result.execution_count,
        "duration_ms": result.duration_ms,
        "outputs": [plain_output(item) for item in result.outputs],
        "attempts": [plain_attempt(attempt) for attempt in result.attempts],
        "truncated": result.truncated,
        "queued_ms": result.queued_ms,
        "state_lost": result.state_lost,
        "state_lost_reason": result.state_lost_reason,
        "execution_id": result.execution_id,
    }


def plain_error(error: ErrorInfo | None) -> dict[str, Any] | None:
    """An exception, or None where there was none."""
    if error is None:
        return None
    return {"ename": error.ename, "evalue": error.evalue, "traceback": list(error.traceback)}


def plain_output(item: OutputItem) -> dict[str, Any]:
    """One output."""
    return {
        "kind": item.kind,
        "text": item.text,
        "name": item.name,
        "data": item.data,
        "metadata": item.metadata,
    }


def plain_attempt(attempt: Attempt) -> dict[str, Any]:
    """One attempt of an execution with retry."""
    return {
        "attempt": attempt.attempt,
        "code": attempt.code,
        "status": attempt.status,
        "output": attempt.output,
        "stderr": attempt.stderr,
        "error": plain_error(attempt.error),
    }
