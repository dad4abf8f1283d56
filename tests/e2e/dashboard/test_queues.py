"""Queues on the dashboard: stopped, started and paced, and the numbers that follow."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.e2e.dashboard.visitor import Visitor
from tests.e2e.system import System

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_stopped_queue_fills_and_drains_when_it_is_started(visitor: Visitor, system: System) -> None:
    page = visitor.page
    await system.call("PUT", "/api/v1/queues/parcels", {}, expect=201)
    await visitor.open("queues")
    await page.get_by_role("button", name="Stop parcels").click()
    await visitor.says("parcels is stopped")
    waiting = visitor.figure("parcels", "waiting")
    for number in range(3):
        await system.post(channel="echo", recipient="me", content=f"parcel {number}", queue="parcels")
    await expect(waiting).to_have_text("3")
    await page.get_by_role("link", name="Overview").click()
    amiss = page.get_by_role("status", name="What is amiss")
    await expect(amiss).to_contain_text("Queue parcels is stopped; 3 messages wait in it.")
    await page.get_by_role("link", name="Start it").click()
    await page.get_by_role("button", name="Start parcels").click()
    await visitor.says("parcels runs")
    await expect(waiting).to_have_text("0")


async def test_a_queue_is_made_and_paced(visitor: Visitor, system: System) -> None:
    page = visitor.page
    await visitor.open("queues")
    await page.get_by_role("button", name="New queue…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("newsletters")
    await dialog.get_by_label("Interval in seconds").fill("120")
    await dialog.get_by_label("Messages in each").fill("2")
    await dialog.get_by_role("button", name="Make queue").click()
    await expect(page.get_by_role("row", name="newsletters")).to_contain_text("2 every 2 min")
    assert (await system.call("GET", "/api/v1/queues/newsletters"))["interval_seconds"] == 120
    # What somebody else changes shows by itself.
    await system.call("PUT", "/api/v1/queues/newsletters", {"interval_seconds": 60, "batch_size": 5})
    await expect(page.get_by_role("row", name="newsletters")).to_contain_text("5 every 1 min")
    await system.call("POST", "/api/v1/queues/newsletters/stop")
    await expect(page.get_by_role("row", name="newsletters")).to_contain_text("stopped")


async def test_what_the_api_refuses_is_shown_in_the_form(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("queues")
    await page.get_by_role("button", name="Pace of default").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Interval in seconds").fill(str(timedelta(days=400).total_seconds()))
    await dialog.get_by_role("button", name="Set pace").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("interval_seconds")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("button", name="Pace of default")).to_be_focused()
