"""Kernels of other languages, and kernels that do not start as they should."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.live.conftest import Run
from tests.live.kernelspecs import add_echo_kernel

pytestmark = pytest.mark.any_database


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A server that finds four more kernelspecs, and is impatient."""
    folder: Path = tmp_path_factory.mktemp("jupyter")
    add_echo_kernel(folder, "echo")
    add_echo_kernel(folder, "stillborn", "dies")
    add_echo_kernel(folder, "mute", "mute")
    add_echo_kernel(folder, "nowhere", argv=["/nowhere/kernel", "{connection_file}"])
    return {"JUPYTER_PATH": str(folder), "KERNELBOX_START_TIMEOUT": "3"}


def test_a_session_of_another_language_runs_its_kernel(run: Run) -> None:
    result = run("hello there", session="talk", language="echo")
    assert (result["status"], result["output"]) == ("success", "hello there")


def test_a_sessions_language_is_that_of_its_first_call(client: httpx.Client, run: Run) -> None:
    run("hello", session="talk", language="echo")
    response = client.post("/sessions/talk/execute", json={"code": "1"})
    assert response.status_code == 409
    assert "'talk' runs echo" in response.json()["detail"]


def test_an_unknown_language_is_answered_by_those_there_are(client: httpx.Client) -> None:
    response = client.post("/sessions/x/execute", json={"code": "1", "language": "cobol"})
    assert response.status_code == 400
    [sentence] = response.json()["language"]
    assert "bash, echo, mute, nowhere, python, stillborn" in sentence


def test_a_kernel_that_dies_at_its_start_is_a_503_with_what_it_said(client: httpx.Client) -> None:
    begun = time.monotonic()
    response = client.post("/sessions/x/execute", json={"code": "1", "language": "stillborn"})
    assert response.status_code == 503
    assert "does not like to live" in response.json()["detail"]
    assert time.monotonic() - begun < 3


def test_a_kernel_that_never_answers_is_a_503_at_the_limit(client: httpx.Client) -> None:
    response = client.post("/sessions/x/execute", json={"code": "1", "language": "mute"})
    assert response.status_code == 503
    assert "not ready within 3 s" in response.json()["detail"]


def test_a_kernel_whose_program_is_missing_is_a_503(client: httpx.Client) -> None:
    response = client.post("/sessions/x/execute", json={"code": "1", "language": "nowhere"})
    assert response.status_code == 503
    assert "/nowhere/kernel" in response.json()["detail"]


def test_after_a_failed_start_the_name_is_free(client: httpx.Client, run: Run) -> None:
    client.post("/sessions/again/execute", json={"code": "1", "language": "stillborn"})
    assert run("1 + 1", session="again")["return_value"] == "2"
