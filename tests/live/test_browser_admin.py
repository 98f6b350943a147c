"""The admin in a real browser: it shows what ran, and what a kernel sent runs nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.live.browser import Watch, log_in, needs_chromium, open_page
from tests.server import Server, running_server

pytestmark = needs_chromium

HISTORY = "/admin/sessions_app/execution/"
KERNELS = "/admin/kernels/kernel/"
#: What every hostile script would leave behind.
SCRIPT = "top.ran = 1; fetch('/kernels', {method: 'DELETE'})"
HOSTILE_TEXT = (
    f"print('\\x1b[32mgreen\\x1b[0m <script>{SCRIPT.replace(chr(39), chr(34))}</script>')"
)
ERROR = "def f(n):\n    return 1 / n\n\nf(0)"
PICTURES = f'''
import base64
from IPython.display import SVG, Image, display
display(Image(base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)))
display(SVG("""<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" onload="{SCRIPT}">
<script>{SCRIPT}</script><circle cx="10" cy="10" r="8"/></svg>"""))
'''
HTML = f'''
class Frame:
    def _repr_html_(self):
        return """<table><tr><td>cell</td></tr></table><script>{SCRIPT}</script>
        <img src="http://evil.example/x"><a id="out" href="http://evil.example/y">out</a>
        <form action="/admin/logout/" method="post"><button id="send">send</button></form>"""
Frame()
'''


@dataclass
class Site:
    """A server on which code has run, and a browser that is logged in to it."""

    server: Server
    page: Page
    watch: Watch
    #: The ids of executions by what ran in them.
    executions: dict[str, str]

    def visit(self, address: str) -> Page:
        """Go to a page of the server."""
        self.page.goto(address)
        return self.page

    def visit_execution(self, name: str) -> Page:
        """Go to the page of an execution."""
        return self.visit(f"{HISTORY}{self.executions[name]}/change/")

    def run(self, code: str, session: str = "demo") -> dict[str, Any]:
        """Run code over HTTP."""
        with self.server.client() as client:
            answer = client.post(f"/sessions/{session}/execute", json={"code": code})
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One server and one browser for all tests here."""
    with running_server() as server, open_page(server) as (page, watch):
        site = Site(server, page, watch, {})
        codes = {"text": HOSTILE_TEXT, "error": ERROR, "pictures": PICTURES, "html": HTML}
        for name, code in codes.items():
            site.executions[name] = site.run(code)["execution_id"]
        log_in(page, server)
        yield site


@pytest.fixture(autouse=True)
def quiet(site: Site) -> Iterator[None]:
    """Every page is quiet: no error, nothing from elsewhere, and no script of a kernel's ran."""
    site.watch.forget()
    yield
    site.watch.check()
    assert site.page.evaluate("window.ran") is None


def test_the_index_is_quiet(site: Site) -> None:
    expect(site.visit("/admin/").locator("#site-name")).to_have_text("KernelBox")


def test_kernels_are_listed_with_what_they_do(site: Site) -> None:
    row = site.visit(KERNELS).locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    expect(row.locator(".field-label")).to_have_text("demo")
    expect(row.locator(".field-state")).to_have_text("running")
    expect(row.locator(".field-doing")).to_have_text("idle")


def test_executions_are_listed_and_filtered(site: Site) -> None:
    page = site.visit(HISTORY)
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(4)
    page.click("#changelist-filter >> text=error")
    expect(rows).to_have_count(1)
    page.fill("#searchbar", "no such text")
    page.press("#searchbar", "Enter")
    expect(rows).to_have_count(0)


def test_text_is_shown_in_its_colours_and_runs_nothing(site: Site) -> None:
    page = site.visit_execution("text")
    output = page.locator("pre.kb-text")
    expect(output).to_contain_text("green <script>top.ran")
    expect(output.locator(".ansi-fg2")).to_have_text("green")


def test_an_error_is_shown_with_its_traceback(site: Site) -> None:
    page = site.visit_execution("error")
    expect(page.locator(".kb-block-error")).to_contain_text("ZeroDivisionError: division by zero")
    assert page.locator(".kb-block-error [class*=ansi-fg]").count() > 3
    expect(page.locator(".kb-code .k").first).to_have_text("def")


def test_pictures_are_shown_and_run_nothing(site: Site) -> None:
    page = site.visit_execution("pictures")
    images = page.locator("img.kb-image")
    expect(images).to_have_count(2)
    widths = images.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert widths == [1, 40]


def test_html_of_a_kernel_is_shown_and_can_do_nothing(site: Site) -> None:
    page = site.visit_execution("html")
    frame = page.frame_locator("iframe.kb-frame")
    expect(frame.locator("td")).to_have_text("cell")
    frame.locator("#send").click()
    frame.locator("#out").click()
    expect(page.locator("#user-tools")).to_be_visible()
    assert site.run("1")["status"] == "success"
    # The browser says of each attempt that it was stopped, and nothing else is said.
    stopped = {"script": 0, "image": 0, "form": 0, "link": 0}
    for error in site.watch.errors:
        if error.startswith("Blocked script execution in 'about:srcdoc'"):
            stopped["script"] += 1
        elif error.startswith("Loading the image 'http://evil.example/x' violates"):
            stopped["image"] += 1
        elif error.startswith("Blocked form submission to"):
            stopped["form"] += 1
        elif error.startswith("Framing 'http://evil.example/' violates"):
            stopped["link"] += 1
        else:
            pytest.fail(f"unexpected: {error}")
    assert all(stopped.values()), stopped
    assert not [asked for asked in site.watch.asked if asked.startswith(("POST", "DELETE"))]
    assert site.watch.elsewhere == []
    assert site.page.evaluate("window.ran") is None
    site.watch.forget()


def test_a_kernel_is_restarted_after_a_second_question(site: Site) -> None:
    site.run("kept = 1")
    page = site.visit(KERNELS)
    page.check("#result_list tbody tr .action-select")
    page.select_option("select[name=action]", label="Restart")
    page.click("button[name=index]")
    expect(page.locator("h1").last).to_have_text("Restart demo?")
    assert site.run("kept")["return_value"] == "1"
    page.click("input[value='Yes, restart']")
    expect(page.locator(".messagelist")).to_have_text("Restarted: demo.")
    assert site.run("kept")["error"]["ename"] == "NameError"


def test_a_kernel_is_interrupted_from_its_own_page(site: Site) -> None:
    page = site.visit(KERNELS)
    page.click("#result_list .field-label a")
    page.click("button[value=interrupt]")
    page.click("text=No, take me back")
    expect(page.locator("#result_list")).to_be_visible()
    expect(page.locator(".messagelist")).to_have_count(0)


def test_dark_is_dark_and_light_is_light(site: Site) -> None:
    page = site.visit_execution("error")

    def brightness(selector: str, of: str) -> float:
        script = f"e => getComputedStyle(e).{of}"
        colour = page.locator(selector).first.evaluate(script)
        channels = page.evaluate(
            """colour => {
                const context = document.createElement("canvas").getContext("2d");
                context.fillStyle = colour;
                context.fillRect(0, 0, 1, 1);
                return [...context.getImageData(0, 0, 1, 1).data];
            }""",
            colour,
        )
        return float(sum(channels[:3])) / 3

    for scheme, ground_is_dark in (("light", False), ("dark", True)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert (brightness("body", "backgroundColor") < 128) is ground_is_dark
        for selector in (".kb-code .k", ".kb-block-error [class*=ansi-fg]", "h1 .kb-badge"):
            assert (brightness(selector, "color") > 128) is ground_is_dark, selector
    page.emulate_media(color_scheme="light")
