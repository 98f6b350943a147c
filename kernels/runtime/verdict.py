"""What the kernel could not tell itself about the end of an execution, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.runtime.execution import End, Execution
from kernels.runtime.types import Death, ErrorInfo

#: Seconds a kernel has to heed an interrupt before it is killed and started again.
HEED_LIMIT = 2.0
UNHEEDED = (
    f"The kernel did not heed an interrupt within {HEED_LIMIT:g} s, was killed and "
    "started again: its variables are gone."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an execution did not end by itself, and why the variables are gone, if they are."""

    failure: ErrorInfo | None = None
    state_lost: str | None = None


def verdict_on(execution: Execution, death: Death) -> Verdict:
    """The verdict on an execution that has ended; ``death`` is that of its kernel, if it died."""
    why = execution.ended.result()
    if why is End.DIED:
        return _lost("KernelDied", f"The kernel died while it ran this code: {death}.")
    if why is End.DESTROYED:
        return _lost("KernelDestroyed", "The kernel was destroyed while it ran this code.")
    if execution.timed_out:
        limit = f"The code ran into its limit of {execution.request.timeout:g} s."
        unheeded = UNHEEDED if why is End.RESTARTED else None
        return Verdict(ErrorInfo("ExecutionTimeout", limit), unheeded)
    if why is End.RESTARTED:
        return _lost("KernelRestarted", "The kernel was restarted while it ran this code.")
    return Verdict()


def _lost(ename: str, sentence: str) -> Verdict:
    return Verdict(ErrorInfo(ename, sentence), sentence)
