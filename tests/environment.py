"""What must be set before Django reads its settings: loaded first of all, by pyproject.toml.

Tests use folders of their own, no setting of whoever runs them, and SQLite; with
``KERNELBOX_TEST_DATABASE=postgres`` the server that ``KERNELBOX_TEST_POSTGRES_URL`` names.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

POSTGRES_URL = os.environ.get("KERNELBOX_TEST_POSTGRES_URL", "")
ON_POSTGRES = os.environ.get("KERNELBOX_TEST_DATABASE") == "postgres"


def _prepare() -> None:
    for name in [*os.environ]:
        ours = name.startswith("KERNELBOX_") and not name.startswith("KERNELBOX_TEST_")
        if ours or name == "DATABASE_URL":
            del os.environ[name]
    folder = tempfile.mkdtemp(prefix="kb", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["KERNELBOX_HOME"] = f"{folder}/home"
    os.environ["KERNELBOX_RUNTIME_DIR"] = f"{folder}/run"
    os.environ["KERNELBOX_LOG_LEVEL"] = "WARNING"
    if ON_POSTGRES and POSTGRES_URL:
        os.environ["DATABASE_URL"] = POSTGRES_URL


_prepare()
