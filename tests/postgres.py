"""Databases of their own for the servers of tests on Postgres."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.environment import ON_POSTGRES, POSTGRES_URL


@contextlib.contextmanager
def database_settings() -> Iterator[dict[str, str]]:
    """The settings of a server's database: none for SQLite, a new database on Postgres."""
    if not ON_POSTGRES:
        yield {}
        return
    name = f"kernelbox_test_{secrets.token_hex(6)}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield {"DATABASE_URL": urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{name}"))}
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)
