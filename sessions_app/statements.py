"""The statements of the history: an execution's start is inserted, its end updates the row; one that
has ended before its start was written is inserted whole.

Django's ``bulk_update`` costs fifteen times as much as ``executemany`` of one UPDATE, so they are
composed here, with every value prepared by its model field. Synchronous.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models, transaction
from django.db.models import F

from kernels.models import Kernel
from kernels.runtime.plain import plain_result
from kernels.runtime.types import ExecutionResult
from sessions_app.models import Execution, Session

START_FIELDS = (
    "id", "kernel_id", "kernel_name", "session_id", "session_name", "door", "asked_by",
    "language", "code", "started_at", "status",
)  # fmt: skip
END_FIELDS = (
    "status", "output", "stderr", "return_value", "error", "outputs", "attempts",
    "execution_count", "finished_at", "duration_ms", "queued_ms", "truncated", "state_lost",
    "state_lost_reason",
)  # fmt: skip
#: What the columns that the end fills hold until then.
UNTIL_THE_END: dict[str, Any] = {
    "output": "",
    "stderr": "",
    "outputs": [],
    "attempts": [],
    "duration_ms": 0,
    "queued_ms": 0,
    "truncated": False,
    "state_lost": False,
}
#: Fields whose values the driver wants in a form of its own.
CONVERTED = (models.UUIDField, models.DateTimeField, models.JSONField)
STARTED_FIELDS = (*START_FIELDS, *UNTIL_THE_END)
#: The status is that of the end.
WHOLE_FIELDS = (*START_FIELDS[:-1], *END_FIELDS)

Row = tuple[Any, ...]


@dataclass(slots=True)
class KernelUse:
    """What is new about a kernel: when it was last used, how many more runs and retry attempts."""

    last_used_at: datetime
    runs: int = 0
    attempts: int = 0


def start_row(execution: Execution) -> Row:
    """The values of an execution that is about to be sent."""
    return (*(getattr(execution, name) for name in START_FIELDS), *UNTIL_THE_END.values())


def end_row(execution_id: uuid.UUID, result: ExecutionResult) -> Row:
    """The values of what an execution came to."""
    values = plain_result(result) | {"finished_at": datetime.now(UTC)}
    for name in ("error", "outputs", "attempts"):
        values[name] = _json_without_nul(values[name])
    return (*(values[name] for name in END_FIELDS), execution_id)


def whole_row(start: Row, end: Row) -> Row:
    """The values of an execution from its start to its end."""
    return (*start[: len(START_FIELDS) - 1], *end[:-1])


def write(starts: Iterable[Row], ends: Iterable[Row], wholes: Iterable[Row]) -> None:
    """Insert the starts and what is whole, then write the ends, in one transaction."""
    statements = [
        (sql, rows)
        for sql, rows in (
            (_insert_sql(STARTED_FIELDS), _prepared(STARTED_FIELDS, starts)),
            (_insert_sql(WHOLE_FIELDS), _prepared(WHOLE_FIELDS, wholes)),
            (_update_sql(), _prepared((*END_FIELDS, "id"), ends)),
        )
        if rows
    ]
    # One row is a transaction by itself: no BEGIN and COMMIT, which are two more trips to Postgres.
    alone = sum(len(rows) for _, rows in statements) == 1
    with nullcontext() if alone else transaction.atomic(), connection.cursor() as cursor:
        for sql, rows in statements:
            if alone:
                cursor.execute(sql, rows[0])
            else:
                cursor.executemany(sql, rows)


def write_uses(kernels: dict[uuid.UUID, KernelUse], sessions: dict[uuid.UUID, datetime]) -> None:
    """Note what is new about kernels, and when sessions were last used."""
    with transaction.atomic():
        for kernel_id, use in kernels.items():
            Kernel.objects.filter(pk=kernel_id).update(
                last_used_at=use.last_used_at,
                runs=F("runs") + use.runs,
                attempt_count=F("attempt_count") + use.attempts,
            )
        for session_id, used_at in sessions.items():
            Session.objects.filter(pk=session_id).update(last_used_at=used_at)


@functools.cache
def _insert_sql(fields: tuple[str, ...]) -> str:
    columns = [_column(name) for name in fields]
    marks = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {_table()} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own names


@functools.cache
def _update_sql() -> str:
    changes = ", ".join(f"{_column(name)} = %s" for name in END_FIELDS)
    return f"UPDATE {_table()} SET {changes} WHERE {_column('id')} = %s"  # noqa: S608 - our own names


def _table() -> str:
    return connection.ops.quote_name(Execution._meta.db_table)


def _column(name: str) -> str:
    return connection.ops.quote_name(_field(name).column)


def _field(name: str) -> models.Field[Any, Any]:
    field = Execution._meta.get_field(name)
    assert isinstance(field, models.Field)  # noqa: S101 - the model has no relations
    return field


def _prepared(names: tuple[str, ...], rows: Iterable[Row]) -> list[list[Any]]:
    """The rows as the database's driver wants them."""
    return [_prepared_row(names, row) for row in rows]


def _prepared_row(names: tuple[str, ...], row: Row) -> list[Any]:
    values = [_without_nul(value) for value in row]
    for position, field in _to_convert(names):
        values[position] = field.get_db_prep_save(values[position], connection)
    return values


@functools.cache
def _to_convert(names: tuple[str, ...]) -> list[tuple[int, models.Field[Any, Any]]]:
    """Which values are not text, numbers or truths, which every driver takes as they are."""
    fields = [(position, _field(name)) for position, name in enumerate(names)]
    return [(position, field) for position, field in fields if isinstance(field, CONVERTED)]


def _without_nul(value: Any) -> Any:
    """Postgres cannot store NUL in text: it is kept as the symbol for it."""
    if isinstance(value, str) and "\0" in value:
        return value.replace("\0", "\N{SYMBOL FOR NULL}")
    return value


def _json_without_nul(value: Any) -> Any:
    """The same inside JSON, where NUL hides as an escape that Postgres refuses too."""
    match value:
        case str():
            return _without_nul(value)
        case dict():
            return {_without_nul(key): _json_without_nul(item) for key, item in value.items()}
        case list():
            return [_json_without_nul(item) for item in value]
        case _:
            return value
