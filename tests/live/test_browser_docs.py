"""The API's own pages in a real browser: they work, and nothing of them comes from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.live.browser import Watch, needs_chromium, open_page
from tests.server import running_server

pytestmark = [needs_chromium, pytest.mark.any_database]


@pytest.fixture(scope="module")
def browser() -> Iterator[tuple[Page, Watch]]:
    """One server and one browser for all tests here."""
    with running_server() as server, open_page(server) as opened:
        yield opened


@pytest.fixture
def page(browser: tuple[Page, Watch]) -> Iterator[Page]:
    """A page that is quiet: no error, and nothing from elsewhere."""
    page, watch = browser
    yield page
    watch.check()


def test_swagger_runs_code(page: Page) -> None:
    page.goto("/docs")
    operation = page.locator("#operations-Execution-execute_in_session")
    operation.locator("button.opblock-summary-control").click()
    operation.locator("input[placeholder=name]").fill("swagger")
    operation.locator("textarea.body-param__text").fill(json.dumps({"code": "6 * 7"}))
    operation.get_by_role("button", name="Execute", exact=True).click()
    answer = operation.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    expect(answer).to_contain_text('"return_value": "42"')


def test_redoc_shows_every_part_of_the_api(page: Page) -> None:
    page.goto("/redoc")
    expect(page.locator("h1").first).to_contain_text("KernelBox API")
    for part in ("Service", "Kernels", "Sessions", "Execution", "History"):
        expect(page.locator(".menu-content").get_by_text(part, exact=True)).to_be_visible()
    # Its maker's logo, which would come from another host, is there and empty.
    expect(page.locator("img[alt='redocly logo']")).to_have_attribute(
        "src", "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"
    )
