"""What can go wrong with kernels, as a tree.

KernelBoxError
├── KernelNotFound          no kernel has that id or name
├── KernelExists            a live kernel already has that name
├── KernelStartFailed       the process did not start, or never answered
├── KernelGone              the kernel was destroyed while a call waited for it
├── KernelLimitReached      KERNELBOX_MAX_KERNELS are alive or starting
├── QueueFull               too many executions wait for one kernel
├── IllegalStep             a kernel cannot go from that state to this one
├── SessionNotFound         no session has that name
├── ExecutionNotFound       the history has no such execution
├── UnknownLanguage         no installed kernel runs that language
├── LanguageConflict        the session already speaks another language
├── HistoryUnavailable      the database did not take the row
└── ServiceStopping         the server is shutting down

What each means for HTTP is said once, in ``kernels/api/errors.py``.
"""

from __future__ import annotations

from collections.abc import Iterable


class KernelBoxError(Exception):
    """Something went wrong in KernelBox."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])


class KernelNotFound(KernelBoxError):
    """No kernel has that id or name."""

    def __init__(self, identifier: str) -> None:
        super().__init__(f"Unknown kernel: {identifier}")


class KernelExists(KernelBoxError):
    """A live kernel already has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Kernel name already exists: {name}")


class KernelStartFailed(KernelBoxError):
    """The kernel did not start."""


class KernelGone(KernelBoxError):
    """The kernel was destroyed before this execution could run."""


class KernelLimitReached(KernelBoxError):
    """The limit of live kernels is reached."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} kernels are alive or starting, which is the limit "
            "(KERNELBOX_MAX_KERNELS). Destroy one, or try again later."
        )


class QueueFull(KernelBoxError):
    """Too many executions wait for this kernel."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} executions already wait for this kernel, which is the limit "
            "(KERNELBOX_QUEUE_LIMIT). Try again later."
        )


class IllegalStep(KernelBoxError):
    """A kernel cannot take that step."""

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(f"A kernel that is {current} cannot become {wanted}.")


class SessionNotFound(KernelBoxError):
    """No session has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Unknown session: {name}")


class ExecutionNotFound(KernelBoxError):
    """The history has no such execution."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(f"Unknown execution: {execution_id}")


class UnknownLanguage(KernelBoxError):
    """No installed kernel runs that language."""

    def __init__(self, language: str, known: Iterable[str]) -> None:
        super().__init__(
            f"No installed kernel runs {language!r}. Languages here: {', '.join(known)}."
        )


class LanguageConflict(KernelBoxError):
    """The session already speaks another language."""

    def __init__(self, session: str, has: str, wanted: str) -> None:
        super().__init__(
            f"Session {session!r} runs {has}: its language is that of its first call. "
            f"Use another session name for {wanted}."
        )


class HistoryUnavailable(KernelBoxError):
    """The database did not take the execution's row."""


class ServiceStopping(KernelBoxError):
    """The server is shutting down."""
