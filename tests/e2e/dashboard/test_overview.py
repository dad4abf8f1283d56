"""The overview and the consumers: they follow what happens."""

import re

import pytest
from playwright.async_api import expect

from tests.e2e.dashboard.visitor import Visitor
from tests.e2e.system import System

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_what_is_sent_shows(visitor: Visitor, system: System) -> None:
    page = visitor.page
    await system.call("PUT", "/api/v1/queues/express", {}, expect=201)
    await visitor.open()
    await expect(page.get_by_role("heading", name="Lateness")).to_be_visible()
    each = {"channel": "echo", "recipient": "me", "queue": "express"}
    messages = [{**each, "content": str(number)} for number in range(40)]
    await system.call("POST", "/api/v1/messages/batch", {"messages": messages}, expect=201)
    express = page.get_by_role("region", name="Queues").get_by_role("row", name="express").first
    await expect(express.get_by_role("cell", name="40", exact=True)).to_be_visible()
    await expect(page.locator("[data-figure=rate]")).to_have_text(re.compile(r"[1-9]"))
    # The charts were drawn, and tell in words what they show.
    await expect(page.locator(".chart canvas")).to_have_count(4)
    said = re.compile(r"Messages per second over the last hour\. sent: now .*, at most [1-9]")
    await expect(page.get_by_role("img", name=said)).to_be_visible()


async def test_the_consumers_and_what_they_stand_on(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("consumers")
    for name in ("c1", "c2"):
        # Destinations that rest name their consumer too, in a table of their own.
        row = page.get_by_role("region", name="Consumers", exact=True).get_by_role("row", name=name)
        await expect(row).to_contain_text("well")
    for name in ("Postgres", "Redis", "Producer"):
        await expect(page.get_by_role("row", name=name)).to_contain_text("ok")
