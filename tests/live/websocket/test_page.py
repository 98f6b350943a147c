"""``docs/websocket.md`` says what is really sent."""

from __future__ import annotations

import re
import subprocess
import sys

from websockets.sync.client import ClientConnection

from tests.live.websocket.talk import (
    EVERYTHING,
    LIMIT,
    PAGE,
    hear_until,
    run,
    say,
)
from tests.server import Server


def documented() -> dict[str, set[str]]:
    """The messages of the page, and the fields in the table of each."""
    sections = re.split(r"^### `(\w+)`.*$", PAGE, flags=re.MULTILINE)[1:]
    return {
        kind: set(re.findall(r"^\| `(\w+)` \|", text.split("\n## ")[0], re.MULTILINE))
        for kind, text in zip(sections[::2], sections[1::2], strict=True)
    }


def test_the_page_has_every_message_and_every_field_and_no_other(
    server: Server, socket: ClientConnection, shared: str
) -> None:
    messages = run(socket, EVERYTHING) + run(socket, "1 / 0")
    say(socket, type="execute", code="1", request_id=1)
    messages += hear_until(socket, "answered")
    say(socket, type="interrupt", request_id=2)
    messages += hear_until(socket, "interrupted")
    say(socket, type="execute", request_id=3)
    messages += hear_until(socket, "refused")
    sent: dict[str, set[str]] = {"dropped": {"type", "messages"}}
    for message in messages:
        sent.setdefault(message["type"], set()).update(message)
    taken = {"execute": {"type", "code", "language", "timeout", "request_id"}, "interrupt": {"type", "request_id"}}  # fmt: skip
    assert documented() == sent | taken


def test_the_page_s_example_runs_and_prints_what_the_page_says(server: Server) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (printed,) = re.findall(r"^It prints:\n\n```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    program = program.replace("ws://127.0.0.1:8080", server.websocket_url)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert re.sub(r"[0-9a-f]{32}", "…", done.stdout) == re.sub(r"[0-9a-f]{32}", "…", printed)
