"""The page of one execution: everything is shown, and nothing of it runs."""

from __future__ import annotations

import base64
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from tests.api.admin_rows import execution_row, html, kernel_row, logged_in, page_of, session_row

pytestmark = pytest.mark.django_db

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
SVG = "<svg xmlns='http://www.w3.org/2000/svg' onload='evil()'><script>evil()</script></svg>"
HOSTILE = "</pre></iframe></textarea>\"'><script>evil()</script><img src=x onerror=evil()>"
#: Elements that run a script or load something, wherever they come from.
LIVE = re.compile(r"<script|<svg|<[a-z][^>]* on[a-z]+=|javascript:", re.IGNORECASE)


@pytest.fixture
def admin_client(client: Client) -> Client:
    """A client that may see everything."""
    return logged_in(client)


def shown(client: Client, **fields: Any) -> str:
    """The page of an execution with those fields, from its own part on."""
    page = html(client, page_of(execution_row(**fields)))
    page = page.partition('id="content-main"')[2].partition("<footer")[0]
    assert not LIVE.search(re.sub('srcdoc="[^"]*"', "", page))
    return page


def display(data: dict[str, Any], kind: str = "display_data") -> list[dict[str, Any]]:
    """The outputs of one display."""
    return [{"kind": kind, "text": data.get("text/plain"), "name": None, "data": data}]


def test_all_fields_are_there(admin_client: Client) -> None:
    session = session_row("demo")
    assert session.kernel is not None
    execution = execution_row(
        kernel_id=session.kernel.pk,
        kernel_name="demo",
        session_name="demo",
        door="websocket",
        asked_by="10.1.2.3",
        execution_count=17,
        duration_ms=1234,
        queued_ms=56,
        truncated=True,
        state_lost=True,
        state_lost_reason="The kernel died: killed by SIGKILL.",
        status="dead",
    )
    page = html(admin_client, page_of(execution))
    for text in (
        execution.pk.hex,
        page_of(session),
        page_of(session.kernel),
        "WebSocket",
        "10.1.2.3",
        "[17]",
        "1234 ms",
        "56 ms",
        "over the limit",
        "The kernel died: killed by SIGKILL.",
        f"{execution.started_at:%Y-%m-%d %H:%M:%S}.{execution.started_at.microsecond // 1000:03} UTC",
        "kb-badge kb-dead",
    ):
        assert text in page, text


def test_a_session_and_a_kernel_that_are_gone_are_named_without_a_link(
    admin_client: Client,
) -> None:
    page = shown(admin_client, session_name="past", kernel_name="old")
    assert "past (deleted)" in page
    assert "old (gone)" in page


def test_code_is_highlighted_and_escaped(admin_client: Client) -> None:
    page = shown(admin_client, code=f"def f():\n    return '''{HOSTILE}'''")
    assert '<span class="k">def</span>' in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_code_of_an_unknown_language_is_shown_as_text(admin_client: Client) -> None:
    page = shown(admin_client, code=HOSTILE, language="<klingon>")
    assert "<script>" not in page
    assert "&lt;klingon&gt;" in page


def test_streams_are_shown_in_order_and_escaped(admin_client: Client) -> None:
    outputs = [
        {"kind": "stream", "name": "stdout", "text": f"first {HOSTILE}"},
        {"kind": "stream", "name": "stderr", "text": f"second {HOSTILE}"},
        {"kind": "stream", "name": "stdout", "text": "third"},
    ]
    page = shown(admin_client, outputs=outputs)
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert titles == ["stdout", "stderr", "stdout"]
    assert page.index("first") < page.index("second") < page.index("third")
    assert "<script>" not in page
    assert "&lt;script&gt;evil()" in page
    assert "kb-block-stderr" in page


def test_a_row_without_outputs_shows_its_streams_and_its_value(admin_client: Client) -> None:
    page = shown(admin_client, output="out", stderr="err", return_value="42")
    assert re.findall(r"<pre class=\"kb-text\">(.*?)</pre>", page) == ["out", "err", "42"]


def test_a_traceback_is_shown_in_its_colours(admin_client: Client) -> None:
    error = {
        "ename": "ValueError",
        "evalue": "no",
        "traceback": ["\x1b[31mValueError\x1b[39m: <no>", "\x1b[38;5;28mgreen\x1b[0m"],
    }
    page = shown(admin_client, status="error", error=error)
    assert '<span class="ansi-fg1">ValueError</span>' in page
    assert '<span class="ansi-fg" style="--fg: #008700">green</span>' in page
    assert "&lt;no&gt;" in page
    assert "\x1b" not in page


def test_an_error_without_a_traceback_says_what_it_says(admin_client: Client) -> None:
    error = {"ename": "KernelDied", "evalue": "<gone>", "traceback": []}
    assert "KernelDied: &lt;gone&gt;" in shown(admin_client, status="dead", error=error)


def test_an_error_among_the_outputs_is_shown_once(admin_client: Client) -> None:
    error = {"ename": "E", "evalue": "x", "traceback": ["only once"]}
    outputs = [{"kind": "error", "text": "E: x", "data": error}]
    assert shown(admin_client, error=error, outputs=outputs).count("only once") == 1


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/gif"])
def test_an_image_is_shown_from_a_data_address(admin_client: Client, mime: str) -> None:
    page = shown(admin_client, outputs=display({mime: f"{PNG}\n", "text/plain": "<Figure>"}))
    assert f'<img class="kb-image" src="data:{mime};base64,{PNG}"' in page
    assert "&lt;Figure&gt;" in page


def test_an_image_that_is_none_is_shown_as_text(admin_client: Client) -> None:
    page = shown(admin_client, outputs=display({"image/png": f'"{HOSTILE}'}))
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_svg_is_shown_as_an_image_alone(admin_client: Client) -> None:
    page = shown(admin_client, outputs=display({"image/svg+xml": SVG}))
    encoded = base64.b64encode(SVG.encode()).decode()
    assert f'src="data:image/svg+xml;base64,{encoded}"' in page
    assert "<svg" not in page


def test_html_is_shown_in_a_frame_that_may_do_nothing(admin_client: Client) -> None:
    outputs = display({"text/html": f"<table></table>{HOSTILE}", "text/plain": "plain"})
    page = shown(admin_client, outputs=outputs)
    frame = re.search(r"<iframe([^>]*)></iframe>", page)
    assert frame is not None
    attributes = frame[1]
    assert " sandbox " in attributes
    assert "allow-" not in attributes
    source = re.search(r'srcdoc="([^"]*)"', attributes)
    assert source is not None
    document = unescape(source[1])
    assert document.endswith(f"<table></table>{HOSTILE}")
    policy = re.search(r'Policy" content="(.*?)"', document)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    assert document.index(policy[1]) < document.index("<table>")
    assert "<script>" not in page
    assert "<table></table>" not in page


def test_html_cannot_hint_at_other_hosts(admin_client: Client) -> None:
    hint = '<LINK rel=preconnect href="http://evil.example">'
    assert "&lt;LINK" not in shown(admin_client, outputs=display({"text/html": hint}))


@pytest.mark.parametrize(
    "mime", ["application/javascript", "text/markdown", "text/latex", "application/x-unknown"]
)
def test_other_kinds_are_shown_as_text(admin_client: Client, mime: str) -> None:
    page = shown(admin_client, outputs=display({mime: HOSTILE}))
    assert "<script>" not in page
    assert mime in page


def test_json_is_shown_indented(admin_client: Client) -> None:
    page = shown(admin_client, outputs=display({"application/json": {"<a>": [1, None]}}))
    assert "&lt;a&gt;" in page
    assert "<a>" not in page


@pytest.mark.parametrize(
    "outputs",
    [
        ["text", None, 3],
        [{}],
        [{"kind": "display_data", "data": None}],
        [{"kind": "display_data", "data": {"text/html": ["<b>", "x"], "image/png": {"a": 1}}}],
        [{"kind": "error", "data": {}}],
        [{"kind": "stream", "name": None, "text": None}],
    ],
)
def test_outputs_of_any_shape_are_no_failure(admin_client: Client, outputs: list[Any]) -> None:
    assert "kb-section" in shown(admin_client, outputs=outputs)


def test_attempts_are_shown_with_what_each_came_to(admin_client: Client) -> None:
    error = {"ename": "NameError", "evalue": "<x>", "traceback": ["\x1b[31mred\x1b[0m"]}
    attempts = [
        {"attempt": 1, "code": "x", "status": "error", "output": "", "stderr": "e", "error": error},
        {
            "attempt": 2,
            "code": "y",
            "status": "success",
            "output": "o",
            "stderr": "",
            "error": None,
        },
    ]
    page = shown(admin_client, attempts=attempts)
    assert "Attempt 1" in page
    assert "NameError: &lt;x&gt;" in page
    assert '<span class="ansi-fg1">red</span>' in page
    assert page.index("Attempt 2") < page.index('<pre class="kb-text">o</pre>')


def test_a_long_text_is_cut_and_the_page_says_so(admin_client: Client) -> None:
    page = shown(admin_client, output="x" * 100_007, code="y" * 100_001)
    assert "7 more characters are not shown here" in page
    assert "1 more characters are not shown here" in page


def test_a_session_shows_its_last_executions(admin_client: Client) -> None:
    session = session_row("demo")
    executions = [execution_row(f"line_{n:02}", session_name="demo") for n in range(22)]
    execution_row("another's", session_name="other")
    page = html(admin_client, page_of(session))
    assert re.findall(r">(line_\d\d)<", page) == [f"line_{n:02}" for n in range(21, 1, -1)]
    assert page_of(executions[21]) in page
    assert "another" not in page
    assert "/admin/sessions_app/execution/?session=demo" in page
    assert session.kernel is not None
    assert page_of(session.kernel) in page


def test_a_kernel_shows_everything_but_its_key(admin_client: Client) -> None:
    kernel = kernel_row("k", tags={"team": "data"}, connection_file="/run/k.json", runs=3)
    page = html(admin_client, page_of(kernel))
    for text in (kernel.kernel_id, "python3", "team", "data", "/run/k.json"):
        assert text in page
    assert f"/admin/sessions_app/execution/?kernel={kernel.kernel_id}" in page
