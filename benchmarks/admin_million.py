"""The admin over a million executions: ``python -m benchmarks.admin_million [--database-url URL]``.

Fills a temporary SQLite database, and with ``--database-url`` one on that Postgres server as well
(made and dropped here, so the user must be allowed to), then asks for pages through Django's test
client, logged in. Prints a Markdown table and writes it to ``benchmarks/results/admin_million.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "admin_million.md"
DATABASE = "kb_admin_bench"
#: The variable by which a child of this process is told how many rows to make.
ROWS = "ADMIN_MILLION_ROWS"
#: Requests of one kind; the first counts apart, as it may read from the disk.
REPEATS = 6


def main() -> None:
    """Run both databases one after the other, each in a process with its own settings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--database-url", default="", help="a Postgres server, as a URL")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    if ROWS in os.environ:
        _child(int(os.environ[ROWS]))
        return
    measured = {"SQLite": _measured(options.rows, "")}
    if options.database_url:
        with _own_database(options.database_url) as url:
            measured["Postgres"] = _measured(options.rows, url)
    report = _report(options.rows, measured)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(report)
    print(report)


@contextlib.contextmanager
def _own_database(url: str) -> Iterator[str]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{DATABASE}"))
        finally:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def _measured(rows: int, database_url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kb") as home:
        environment = os.environ | {
            "KERNELBOX_HOME": home,
            "KERNELBOX_RUNTIME_DIR": f"{home}/run",
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "kernelbox_site.settings",
            ROWS: str(rows),
        }
        command = [sys.executable, "-m", "benchmarks.admin_million"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result


def _child(rows: int) -> None:
    import django

    django.setup()
    from benchmarks import admin_million_data as data
    from benchmarks import admin_million_pages as pages

    began = time.perf_counter()
    facts = data.fill(rows)
    print(f"filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(json.dumps({"facts": facts, "pages": pages.measure(REPEATS)}))


def _report(rows: int, measured: dict[str, dict[str, Any]]) -> str:
    lines = [
        f"Milliseconds for a page over {rows:,} executions: the median of {REPEATS - 1} requests, in "
        "brackets the slowest of them and the one before them, and the number of queries.",
        "",
        f"One run on {platform.system()}, Python {platform.python_version()}; "
        + "; ".join(f"{name}: {one['facts']}" for name, one in measured.items())
        + ".",
        "",
        "| Page | " + " | ".join(measured) + " |",
        "|---" + "|--:" * len(measured) + "|",
    ]
    for page in next(iter(measured.values()))["pages"]:
        cells = (_cell(one["pages"][page]) for one in measured.values())
        lines.append(f"| {page} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(page: dict[str, Any]) -> str:
    times = page["milliseconds"][1:]
    first = page["milliseconds"][0]
    return f"{statistics.median(times):.0f} ({max(times):.0f}, {first:.0f}), {page['queries']}"


if __name__ == "__main__":
    main()
