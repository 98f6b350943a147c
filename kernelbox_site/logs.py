"""Log lines: a constant sentence, and the values beside it."""

from __future__ import annotations

import logging

_ORDINARY = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message", "asctime", "taskName", "color_message", "request", "status_code", "server_time",
}  # fmt: skip


class LineFormatter(logging.Formatter):
    """``time level logger: message key=value …``, with what was given as ``extra``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line, with the values that came beside the message."""
        values = {k: v for k, v in record.__dict__.items() if k not in _ORDINARY}
        line = super().formatMessage(record)
        return " ".join([line, *(f"{key}={value!r}" for key, value in values.items())])
