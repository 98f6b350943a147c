"""A real browser for the tests of pages, and a watch over what it loads and complains about."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, Response, sync_playwright

from tests.server import Server

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed: these tests look at pages in a browser"
)
#: Milliseconds for a page or a part of it to appear.
LIMIT = 10_000


class Watch:
    """What a page asked for and complained about since it was last told to forget."""

    def __init__(self, page: Page, home: str) -> None:
        self._home = urlsplit(home).netloc
        self.forget()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    def forget(self) -> None:
        """Begin anew."""
        #: Errors of the console and of scripts.
        self.errors: list[str] = []
        #: Addresses on other hosts that were asked for and not blocked before they left.
        self.elsewhere: list[str] = []
        #: Addresses here that were answered with an error.
        self.refused: list[str] = []
        #: Everything that was asked for, as ``METHOD address``.
        self.asked: list[str] = []

    def check(self) -> None:
        """Fail if there was anything to complain about, and begin anew."""
        assert (self.errors, self.elsewhere, self.refused) == ([], [], [])
        self.forget()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        self.asked.append(f"{request.method} {request.url}")
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != self._home:
            self.elsewhere.append(request.url)

    def _on_failure(self, request: Request) -> None:
        # Chromium tells of a request that the policy forbids, and does not send it.
        if request.failure == "csp" and request.url in self.elsewhere:
            self.elsewhere.remove(request.url)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {response.url}")


@contextlib.contextmanager
def open_page(server: Server) -> Iterator[tuple[Page, Watch]]:
    """A page of a browser that is started for it, and the watch over it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(base_url=server.url, viewport={"width": 1280, "height": 900})
        page.set_default_timeout(LIMIT)
        yield page, Watch(page, server.url)
        browser.close()


def log_in(page: Page, server: Server) -> None:
    """Log in as the user whom the server made on its first start."""
    page.goto("/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", (server.home / "admin_password").read_text().strip())
    page.click("input[type=submit]")
    page.wait_for_selector("#user-tools")
