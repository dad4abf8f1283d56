"""Swagger UI in a real browser: it shows every operation, asks nobody but us, and can be tried out."""

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.dashboard.visitor import OPERATORS_KEY, visiting
from tests.e2e.system import System
from tests.integration.api.described import operations

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_it_shows_every_operation_and_calls_the_api(browser: Browser, system: System) -> None:
    async with visiting(browser, system.url) as visitor:
        page = visitor.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{system.url}/swagger/")
        await expect(page.locator(".opblock")).to_have_count(len(list(operations())))

        await page.get_by_role("button", name="Authorize").click()
        await page.get_by_label("auth-bearer-value").first.fill(OPERATORS_KEY)
        await page.get_by_label("Apply credentials").first.click()
        await page.get_by_role("button", name="Close").first.click()

        queues = page.locator("#operations-Queues-queues_list_all")
        await queues.locator(".opblock-summary-control").click()
        await queues.get_by_role("button", name="Try it out").click()
        await queues.get_by_role("button", name="Execute").click()
        await expect(queues.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
        await expect(queues.locator(".live-responses-table")).to_contain_text('"name": "default"')
        assert all(url.startswith((system.url, "data:")) for url in asked)
