"""A history to measure the admin on: a month, thousands of sessions, one of which is busy."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection

from kernels.models import Kernel
from sessions_app.admin_filters import first_id
from sessions_app.models import Execution, Session

BATCH = 2_000
DAYS = 30
SESSIONS = 2_000
#: Of all executions, those of the busiest session, and those of the quietest.
BUSIEST, QUIETEST = 0.2, 0.00005
#: In nearly every row, and in the very first one alone.
COMMON, RARE = "import", "needle in the haystack"
STATUSES = {"success": 880, "error": 100, "timeout": 14, "interrupted": 5, "dead": 1}
LANGUAGES = {"python": 9_290, "bash": 700, "r": 10}
WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "frame",
    "column",
    "mean",
    "index",
    "value",
    "total",
    "plot",
    "model",
    "score",
    "window",
]


def fill(rows: int) -> str:
    """Make the tables and fill them; returns what the database says of itself."""
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("admin")
    chance = random.Random(1)
    now = datetime.now(UTC)
    kernels = [
        Kernel(
            name=_session(number),
            session_name=_session(number),
            kernelspec="python3",
            status="running" if number < 50 else "dead",
            last_used_at=now - timedelta(minutes=number),
        )
        for number in range(SESSIONS)
    ]
    Kernel.objects.bulk_create(kernels, BATCH)
    Session.objects.bulk_create(
        [
            Session(name=kernel.name or "", kernel=kernel, last_used_at=kernel.last_used_at)
            for kernel in kernels
        ],
        BATCH,
    )
    batch: list[Execution] = []
    for execution in _executions(rows, kernels, now, chance):
        batch.append(execution)
        if len(batch) == BATCH:
            Execution.objects.bulk_create(batch)
            batch.clear()
    Execution.objects.bulk_create(batch)
    return _settle()


def _session(number: int) -> str:
    return f"session-{number:05}"


def _executions(
    rows: int, kernels: list[Kernel], now: datetime, chance: random.Random
) -> Iterator[Execution]:
    step = timedelta(days=DAYS) / rows
    statuses = chance.choices([*STATUSES], [*STATUSES.values()], k=rows)
    languages = chance.choices([*LANGUAGES], [*LANGUAGES.values()], k=rows)
    for number in range(rows):
        at = now - step * (rows - number)
        draw = chance.random()
        if draw < BUSIEST:
            kernel = kernels[0]
        elif draw < BUSIEST + QUIETEST:
            kernel = kernels[-1]
        else:
            kernel = kernels[chance.randrange(1, SESSIONS - 1)]
        code = _code(chance)
        output = " ".join(chance.choices(WORDS, k=chance.randrange(90)))
        if number == 0:
            output += RARE
        failed = statuses[number] == "error"
        error = {"ename": "ValueError", "evalue": "no", "traceback": ["line"] * 20}
        yield Execution(
            id=uuid.UUID(int=first_id(at).int | 7 << 76 | 2 << 62 | chance.getrandbits(62)),
            kernel_id=kernel.pk,
            kernel_name=kernel.name,
            session_name=kernel.name,
            language=languages[number],
            code=code,
            status=statuses[number],
            output=output,
            error=error if failed else None,
            outputs=[{"kind": "stream", "name": "stdout", "text": output, "data": {}}],
            started_at=at,
            finished_at=at,
            duration_ms=chance.randrange(2_000),
        )


def _code(chance: random.Random) -> str:
    lines = [f"import {chance.choice(WORDS)}"]
    lines += [
        f"{chance.choice(WORDS)}_{chance.randrange(99)} = {chance.choice(WORDS)}.{chance.choice(WORDS)}()"
        for _ in range(chance.randrange(14))
    ]
    return "\n".join(lines)


def _settle() -> str:
    """What Postgres does by itself in time; SQLite is left as the service leaves it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        size: int = cursor.fetchone()[0]
    version = ".".join(map(str, connection.get_database_version()))
    return f"{version}, {size / 1e9:.1f} GB"
