"""The database: SQLite in ``KERNELBOX_HOME``, or whatever ``DATABASE_URL`` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dj_database_url

from kernelbox_site.env import BadSetting

#: Seconds for which either waits for a lock, and Postgres for a connection.
WAIT = 5


def database(url: str, home: Path) -> dict[str, Any]:
    """Django's description of the database; raises :class:`BadSetting` for a URL it cannot use."""
    if not url:
        return _sqlite(home / "db.sqlite3")
    try:
        described: dict[str, Any] = {**dj_database_url.parse(url)}
    except (ValueError, KeyError):  # The message would hold the URL, and so the password.
        raise BadSetting(
            "DATABASE_URL is no database URL; one looks like postgres://user:password@host:5432/name."
        ) from None
    engine = described["ENGINE"]
    if engine == "django.db.backends.sqlite3":
        return _sqlite(Path(str(described["NAME"])))
    if engine != "django.db.backends.postgresql":
        raise BadSetting("DATABASE_URL must name Postgres or SQLite.")
    impatient = {"connect_timeout": WAIT, "options": f"-c lock_timeout={WAIT}s"}
    described["OPTIONS"] = impatient | (described.get("OPTIONS") or {})
    return described


def _sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "timeout": WAIT,
            # A transaction that may write takes the lock at its start: one that only asks for it
            # later fails at once when another has written in between, without waiting.
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
                "PRAGMA foreign_keys=ON;PRAGMA mmap_size=134217728;"
            ),
        },
        # A file, not memory: threads share it as the server's do.
        "TEST": {"NAME": str(path.with_name("test.sqlite3"))},
    }
