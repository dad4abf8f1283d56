"""Somebody at the dashboard, in a real browser, who notices whatever the browser complains of."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.e2e.system import System

OPERATORS_KEY = "the key of the operator"
ADMIN = "root@example.com"
PASSWORD = "correct horse battery staple"
PHONE = {"width": 390, "height": 844}

expect.set_options(timeout=15_000)

_REFUSED_REQUEST = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""What the browser notes of an answer like 401; the page itself says what it means."""


class Visitor:
    """A page, and what the browser complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @classmethod
    @asynccontextmanager
    async def of(cls, browser: Browser, url: str, **settings: Any) -> AsyncIterator[Self]:
        """In a browser profile of its own. Fails where the browser complained of anything, a policy broken included."""
        context = await browser.new_context(**settings)
        context.set_default_timeout(15_000)
        try:
            visitor = cls(await context.new_page(), url)
            yield visitor
            assert visitor.complaints == []
        finally:
            await context.close()

    async def open(self, view: str = "") -> None:
        """Goes to a view, by its address."""
        await self.page.goto(f"{self.url}/#/{view}")

    async def log_in_by_cookie(self, email: str, password: str = PASSWORD) -> None:
        """Logs in without the form: for tests of what comes after."""
        answer = await self.page.request.post(
            f"{self.url}/dashboard/session", data={"email": email, "password": password}, headers={"Origin": self.url}
        )
        assert answer.status == 201, await answer.text()

    async def says(self, text: str) -> None:
        """Waits until the page told what came of an action."""
        await expect(self.page.locator("#notes")).to_contain_text(text)

    def figure(self, row: str, name: str) -> Locator:
        """One number in the row of a table."""
        return self.page.get_by_role("row", name=row).locator(f"[data-figure={name}]")

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _REFUSED_REQUEST.match(message.text):
            self.complaints.append(message.text)


visiting = Visitor.of


async def make_account(system: System, email: str, *, role: str) -> None:
    """An account, made by the operator."""
    await system.call("POST", "/api/v1/users", {"email": email, "password": PASSWORD, "role": role}, expect=201)
