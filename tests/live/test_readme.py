"""Every example of the README is run, and prints what the README says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import httpx
import pytest

from tests.server import ROOT, Server

README = (ROOT / "README.md").read_text()
USE = README[README.index("## Use it") : README.index("## Settings")]
CURLS = [block for block in re.findall(r"```bash\n(.*?)```", USE, re.S) if "curl" in block]

pytestmark = pytest.mark.any_database


def on_this_server(example: str, server: Server) -> str:
    """The example with the address of the test's server."""
    return example.replace("http://127.0.0.1:8080", server.url)


def sh(script: str) -> str:
    """What a shell script prints; it must end well."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_examples_print_what_the_readme_says(server: Server) -> None:
    first, healing, bash, kernels = (on_this_server(block, server) for block in CURLS)
    printed = json.loads(sh(first))
    [shown] = re.findall(r"```json\n(.*?)```", USE, re.S)
    told = json.loads(shown)
    assert printed.keys() == told.keys()
    for name in printed.keys() - {"duration_ms", "execution_id"}:
        assert printed[name] == told[name], name
    healed = json.loads(sh(healing))
    assert (healed["status"], healed["return_value"], len(healed["attempts"])) == (
        "success",
        "42",
        2,
    )
    assert json.loads(sh(bash))["output"] == "42\n"
    answers = sh(kernels.replace("curl ", "curl -sSf -w '\\n' "))
    assert [sorted(json.loads(line))[0] for line in answers.splitlines()] == [
        "kernels",
        "age_seconds",
        "age_seconds",
        "destroyed",
        "next",
        "database",
    ]


def test_the_httpx_example_prints_what_its_comments_say(server: Server) -> None:
    [example] = re.findall(r"```python\n(.*?)```", USE, re.S)
    done = subprocess.run(
        [sys.executable, "-c", on_this_server(example, server)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.split() == re.findall(r"print\(.*?\)\s+# (\S+)", example)


def test_every_page_that_the_readme_names_is_there(server: Server) -> None:
    for path in re.findall(r"<http://127\.0\.0\.1:8080(/[^>]*)>", README):
        answer = httpx.get(server.url + path, follow_redirects=True, trust_env=False)
        assert answer.status_code == 200, path


def test_every_document_that_the_readme_names_is_there() -> None:
    for name in re.findall(r"\]\((docs/[^)]*)\)", README):
        assert (ROOT / name).is_file(), name
