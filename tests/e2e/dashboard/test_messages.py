"""Messages on the dashboard: arriving, filtered, paged through, one by one, and many at once."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.e2e.dashboard.visitor import Visitor
from tests.e2e.system import System
from tidings.domain.timestamps import utc_now

pytestmark = pytest.mark.asyncio(loop_scope="package")

NUMBER = "+12025550123"
MANY = 10_000


def tomorrow() -> str:
    return (utc_now() + timedelta(days=1)).isoformat()


async def test_messages_arrive_while_one_looks(visitor: Visitor, system: System) -> None:
    page = visitor.page
    await visitor.open("messages")
    await expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
    await system.post(channel="sms", recipient=NUMBER, content="look, it comes by itself")
    row = page.get_by_role("row").filter(has_text="look, it comes by itself")
    await expect(row).to_contain_text("sent")


async def test_what_a_message_holds_stays_text(visitor: Visitor, system: System) -> None:
    script = "<img src=x onerror=\"document.body.dataset.broken = 'yes'\"><script>alert(1)</script>"
    message = await system.post(channel="echo", recipient=script, content=script, subject=script, due_at=tomorrow())
    await visitor.open(f"messages/{message}")
    await expect(visitor.page.locator("pre.content")).to_have_text(script)
    await visitor.open("messages")
    await expect(visitor.page.get_by_role("link", name=script)).to_be_visible()
    assert await visitor.page.locator("body").get_attribute("data-broken") is None
    await system.call("POST", f"/api/v1/messages/{message}/cancel")


async def test_one_is_cancelled_and_started_again(visitor: Visitor, system: System) -> None:
    page = visitor.page
    message = await system.post(channel="echo", recipient="grandma", content="flowers", due_at=tomorrow())
    await visitor.open(f"messages/{message}")
    await expect(page.get_by_role("region", name="Why it is where it is")).to_contain_text("due")
    await page.get_by_role("button", name="Cancel…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    await visitor.says("Cancelled.")
    await expect(page.get_by_text("Cancelled: requested")).to_be_visible()
    await page.get_by_role("button", name="Retry").click()
    await visitor.says("Started again.")
    timeline = page.get_by_role("region", name="What happened")
    await expect(timeline).to_contain_text("Attempt 1: accepted")
    await expect(page.locator(".head .badge")).to_have_text("sent")


async def test_many_are_cancelled_by_filter(visitor: Visitor, system: System) -> None:
    page = visitor.page
    for number in range(3):
        await system.post(channel="echo", recipient="the whole club", content=f"meeting {number}", due_at=tomorrow())
    kept = await system.post(channel="echo", recipient="the treasurer", content="meeting", due_at=tomorrow())
    await visitor.open("messages")
    search = page.get_by_role("searchbox")
    await search.fill("the whole club")
    await search.press("Enter")
    rows = page.locator(".messages tbody tr")
    await expect(rows).to_have_count(3)
    await page.get_by_role("button", name="Cancel all that match…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel them").click()
    await visitor.says("Cancelled: 3 messages.")
    await page.get_by_label("Status").select_option("cancelled")
    await expect(rows).to_have_count(3)
    await expect(page).to_have_url(f"{visitor.url}/#/messages?status=cancelled&recipient=the+whole+club")
    await page.get_by_label("Status").select_option("pending")
    await expect(page.get_by_text("No message matches.")).to_be_visible()
    await page.get_by_role("link", name="Clear").click()
    await expect(page.get_by_label("Status")).to_have_value("")
    await expect(search).to_have_value("")
    await expect(page.get_by_role("row").filter(has_text="the treasurer")).to_be_visible()
    assert (await system.message(kept))["status"] == "pending"
    await system.call("POST", f"/api/v1/messages/{kept}/cancel")


async def test_an_id_in_the_search_opens_the_message(visitor: Visitor, system: System) -> None:
    message = await system.post(channel="echo", recipient="nobody in particular", content="found")
    await visitor.open("messages")
    search = visitor.page.get_by_role("searchbox")
    await search.fill(message)
    await search.press("Enter")
    await expect(visitor.page.get_by_role("heading", name="To nobody in particular")).to_be_visible()


async def test_a_message_that_is_not_there(visitor: Visitor) -> None:
    await visitor.open("messages/01890000-0000-7000-8000-000000000000")
    await expect(visitor.page.get_by_role("alert")).to_have_text("there is no such message")


@pytest.mark.timeout(180)
async def test_ten_thousand_are_paged_through(visitor: Visitor, system: System) -> None:
    page = visitor.page
    each = {"channel": "echo", "recipient": "the archive", "content": "x", "due_at": tomorrow()}
    ids: set[str] = set()
    for start in range(0, MANY, 1000):
        messages = [{**each, "content": f"number {number}"} for number in range(start, start + 1000)]
        made = await system.call("POST", "/api/v1/messages/batch", {"messages": messages}, expect=201)
        ids |= set(made["ids"])  # type: ignore[call-overload]  # a list of texts
    await visitor.open("messages?recipient=the+archive")
    await page.get_by_label("Per page").select_option("500")
    seen: set[str] = set()
    where = page.locator(".pager .where")
    for number in range(1, MANY // 500 + 1):
        await expect(where).to_contain_text(f"Page {number}: {number * 500 - 499:,} to {number * 500:,}")
        links = await page.locator(".messages tbody a").evaluate_all("links => links.map(link => link.hash)")
        seen |= {link.rpartition("/")[2] for link in links}
        if number < MANY // 500:
            await page.get_by_role("button", name="Older").click()
    assert seen == ids
    await expect(page.get_by_role("button", name="Older")).to_be_disabled()
    await page.get_by_role("button", name="Newer").click()
    await expect(where).to_contain_text("Page 19:")
    # From a message "back" leads to the page that one came from.
    await page.locator(".messages tbody a").first.click()
    await expect(page.get_by_role("heading", name="To the archive")).to_be_visible()
    await page.go_back()
    await expect(where).to_contain_text("Page 19:")
