"""``scripts/serve``: what a newcomer runs first."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.server import ROOT, START_LIMIT, clean_environment, free_port, stop

pytestmark = pytest.mark.any_database

SERVE = ROOT / "scripts" / "serve"


@contextmanager
def served(tmp_path: Path, *arguments: str) -> Iterator[tuple[str, float]]:
    """Run ``scripts/serve``; yields its address and the seconds until it was well."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    begun = time.monotonic()
    process = subprocess.Popen(
        [SERVE, "--port", str(port), *arguments],
        env=clean_environment(tmp_path / "home", tmp_path / "run"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        while not _is_well(url):
            assert process.poll() is None
            assert time.monotonic() - begun < START_LIMIT
            time.sleep(0.02)
        yield url, time.monotonic() - begun
    finally:
        stop(process)


def _is_well(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    folder = Path("/tmp") / f"ks{time.monotonic_ns() % 10**9}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_a_second_start_takes_less_than_three_seconds(tmp_path: Path) -> None:
    with served(tmp_path):
        pass
    with served(tmp_path) as (_, seconds):
        assert seconds < 3


def test_host_and_port_go_through_to_the_server(tmp_path: Path) -> None:
    with served(tmp_path, "--host", "localhost") as (url, _):
        answer = httpx.post(f"{url}/sessions/demo/execute", json={"code": "6 * 7"}, trust_env=False)
        assert answer.json()["return_value"] == "42"


def test_reload_serves_as_well(tmp_path: Path) -> None:
    with served(tmp_path, "--reload") as (url, _):
        answer = httpx.post(f"{url}/sessions/demo/execute", json={"code": "6 * 7"}, trust_env=False)
        assert answer.json()["return_value"] == "42"


def test_an_unknown_option_is_a_sentence(tmp_path: Path) -> None:
    done = _run(SERVE, tmp_path, "--prot", "1")
    assert done.returncode == 2
    assert "unrecognized arguments: --prot" in done.stderr


@pytest.mark.parametrize(
    ("script", "sentence"),
    {
        "exit 127": "Python 3.11 or later is needed",
        'case "$*" in *version_info*) exit 1 ;; -V) echo Python 3.9.1 ;; esac': "is 3.9.1: set PYTHON",
        'case "$*" in *ensurepip*) exit 1 ;; esac': "apt install python3-venv",
    }.items(),
    ids=["no Python", "an old Python", "no venv module"],
)
def test_what_is_missing_is_told_in_one_sentence(
    tmp_path: Path, script: str, sentence: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "scripts", project / "scripts")
    for requirements in ROOT.glob("requirements*.txt"):
        shutil.copy(requirements, project)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    done = _run(project / "scripts" / "serve", tmp_path, python=str(python))
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def _run(
    script: Path, tmp_path: Path, *arguments: str, python: str = "python3"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments],
        env=clean_environment(tmp_path / "home", tmp_path / "run", PYTHON=python),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
