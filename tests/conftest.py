"""What all tests share: which of them run on which database."""

from __future__ import annotations

import pytest

from tests.environment import ON_POSTGRES, POSTGRES_URL

WITHOUT_POSTGRES = (
    "KERNELBOX_TEST_POSTGRES_URL is not set: with the URL of a Postgres server "
    "(postgres://user@host:5432/postgres) these tests run on it as well"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the run on Postgres, and say why, where there is none."""
    if ON_POSTGRES and not POSTGRES_URL:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=WITHOUT_POSTGRES))


def pytest_report_header() -> str:
    """Say at the top which database it is."""
    return f"kernelbox tests on {'Postgres' if ON_POSTGRES else 'SQLite'}"
