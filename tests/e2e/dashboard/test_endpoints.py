"""Webhook endpoints on the dashboard: added, tried, changed, disabled, sent to again, and deleted."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, expect
from standardwebhooks import Webhook

from tests.e2e.dashboard.visitor import ADMIN, PHONE, Visitor, visiting
from tests.e2e.system import System
from tests.integration.channels.receivers import web_receiver

pytestmark = pytest.mark.asyncio(loop_scope="package")


class Receiver:
    """Remembers what it was sent; answers `status`."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 204
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.hears: Callable[[dict[str, str], bytes], object] = lambda *_: None
        """Called with each before it is answered; where it raises, the answer is 500."""

    async def receive(self, request: web.Request) -> web.Response:
        headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.read()
        self.hears(headers, body)
        self.received.append((headers, body))
        return web.Response(status=self.status, text="not today" if self.status >= 400 else "")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with web_receiver(receiver.receive) as receiver.url:
        yield receiver


async def make(system: System, url: str, **changes: object) -> str:
    return str((await system.call("POST", "/api/v1/endpoints", {"url": url, **changes}, expect=201))["id"])


async def own(page: Page, url: str, **changes: object) -> str:
    """Adds an endpoint as the one who is logged in."""
    script = """body => fetch("/api/v1/endpoints", {
        method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"}
    }).then(answer => answer.json()).then(made => made.id)"""
    return str(await page.evaluate(script, {"url": url, **changes}))


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


async def test_an_endpoint_is_added_and_its_secret_is_shown_once(visitor: Visitor, system: System) -> None:
    page = visitor.page
    async with receiving() as receiver:
        await visitor.open("endpoints")
        await page.get_by_role("button", name="New endpoint…").click()
        form = dialog(page)
        await form.get_by_label("URL").fill(receiver.url)
        await form.get_by_label("Customer").fill("acme")
        await form.get_by_label("Event types").fill("invoice.*, user.created")
        await form.get_by_text("Pace, tries, credentials, headers").click()
        await form.get_by_label("Credentials").select_option("basic")
        await form.get_by_label("User name").fill("tidings")
        await form.get_by_label("Password or token").fill("swordfish")
        await form.get_by_label("Headers, one a line").fill("X-Shop: 4\nX-Aisle: a:b")
        await form.get_by_role("button", name="Add endpoint").click()
        secret = await dialog(page).get_by_role("textbox", name="Secret", exact=True).input_value()
        assert secret.startswith("whsec_")
        await dialog(page).get_by_role("button", name="Copy").click()
        await expect(dialog(page).get_by_role("button", name=re.compile("Copied|Ctrl"))).to_be_visible()
        await dialog(page).get_by_role("button", name="I have kept it").click()
        await expect(page.get_by_role("heading", name=receiver.url)).to_be_visible()
        assert secret not in await page.content()

        await page.get_by_role("button", name="Test event…").click()
        await dialog(page).get_by_label("Payload").fill('{"n": 1')
        await dialog(page).get_by_role("button", name="Send it").click()
        await expect(dialog(page).get_by_role("alert")).to_contain_text("is not JSON")
        await dialog(page).get_by_label("Payload").fill('{"n": 1}')
        await dialog(page).get_by_role("button", name="Send it").click()
        # The message says how the attempt went, and leads to the event and back to the endpoint.
        await expect(page.get_by_role("region", name="What happened")).to_contain_text("Attempt 1: accepted")
        [(headers, body)] = receiver.received
        assert Webhook(secret).verify(body, headers) == {"n": 1}
        assert (headers["x-shop"], headers["x-aisle"]) == ("4", "a:b")
        assert headers["authorization"].startswith("Basic ")
        facts = page.get_by_role("region", name="Facts")
        await facts.locator("a[href*='#/events/']").click()
        await expect(page.get_by_role("heading", name="tidings.test")).to_be_visible()
        await page.get_by_role("region", name="Deliveries").get_by_role("link", name=receiver.url, exact=True).click()
        await expect(page.locator("[data-figure=success]")).to_have_text("100 %")
        await expect(page.get_by_role("region", name="Facts")).to_contain_text("invoice.*, user.created of acme")
        await expect(page.get_by_role("region", name="Facts")).to_contain_text("X-Shop, X-Aisle")


async def test_what_the_api_refuses_of_an_endpoint_stays_in_the_form(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("endpoints")
    await page.get_by_role("button", name="New endpoint…").click()
    await dialog(page).get_by_label("URL").fill("http://10.1.2.3/hooks")
    await dialog(page).get_by_role("button", name="Add endpoint").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("url")
    await expect(dialog(page).get_by_label("URL")).to_have_value("http://10.1.2.3/hooks")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="New endpoint…")).to_be_focused()


async def test_a_change_leaves_the_secrets_that_it_does_not_name(visitor: Visitor, system: System) -> None:
    page = visitor.page
    made = await make(
        system,
        "https://shop.example.com/before",
        headers={"X-Shop": "4"},
        credentials={"type": "bearer", "token": "swordfish"},
        event_types=["a.*"],
        rate_limit=5,
    )
    await visitor.open(f"endpoints/{made}")
    await page.get_by_role("button", name="Change…").click()
    await dialog(page).get_by_label("URL").fill("https://shop.example.com/after")
    await dialog(page).get_by_label("Event types").fill("")
    await dialog(page).get_by_role("button", name="Change it").click()
    await visitor.says("Changed")
    await expect(page.get_by_role("heading", name="https://shop.example.com/after")).to_be_visible()
    kept = await system.call("GET", f"/api/v1/endpoints/{made}")
    assert {name: kept[name] for name in ("url", "headers", "credentials", "event_types", "rate_limit")} == {
        "url": "https://shop.example.com/after",
        "headers": {"X-Shop": "…"},
        "credentials": "bearer",
        "event_types": None,
        "rate_limit": 5,
    }
    await page.get_by_role("button", name="Change…").click()
    await dialog(page).get_by_text("Pace, tries, credentials, headers").click()
    await dialog(page).get_by_label("Remove all headers").check()
    await dialog(page).get_by_label("Credentials").select_option("none")
    await dialog(page).get_by_role("button", name="Change it").click()
    await expect(dialog(page)).to_be_hidden()
    kept = await system.call("GET", f"/api/v1/endpoints/{made}")
    assert (kept["headers"], kept["credentials"]) == ({}, None)
    await system.call("DELETE", f"/api/v1/endpoints/{made}")


async def test_disabled_it_misses_events_and_gets_them_when_it_is_enabled(visitor: Visitor, system: System) -> None:
    page = visitor.page
    async with receiving() as receiver:
        made = await make(system, receiver.url, customer="globex")
        await visitor.open(f"endpoints/{made}")
        await page.get_by_role("button", name="Disable").click()
        await visitor.says("Disabled")
        await expect(page.locator(".alert")).to_contain_text("by request")
        await expect(page.get_by_role("button", name="Test event…")).to_be_disabled()
        missed = await system.call("POST", "/api/v1/events", event("globex"), expect=201)
        assert missed["messages"] == 0
        await page.get_by_role("link", name="Endpoints").click()
        row = page.get_by_role("row").filter(has_text="globex")
        await expect(row).to_contain_text("disabled since")
        await row.get_by_role("link").click()
        await page.get_by_role("button", name="Enable").click()
        await visitor.says("Enabled")
        await page.get_by_role("button", name="Send again…").click()
        await dialog(page).get_by_role("button", name="Send them").click()
        await visitor.says("1 event will be sent again.")
        await expect(page.locator("[data-figure=success]")).to_have_text("100 %")
        await page.get_by_role("button", name="Send again…").click()
        await dialog(page).get_by_label("Which").select_option("all")
        await dialog(page).get_by_role("button", name="Send them").click()
        await visitor.says("1 event will be sent again.")
        await expect(page.locator(".way")).to_contain_text("of its last 2 messages")
        assert [headers["webhook-id"] for headers, _ in receiver.received] == [missed["id"]] * 2
        await page.get_by_role("button", name="Delete…").click()
        await dialog(page).get_by_role("button", name="Delete it").click()
        await visitor.says("Deleted")
        await expect(page.get_by_role("heading", name="Endpoints")).to_be_visible()
        await expect(page.get_by_role("row").filter(has_text="globex")).to_have_count(0)


async def test_a_failing_endpoint_says_so_and_a_rotated_secret_signs(visitor: Visitor, system: System) -> None:
    page = visitor.page
    async with receiving() as receiver:
        receiver.status = 503
        made = await make(system, receiver.url, customer="initech")
        await system.call("POST", "/api/v1/events", event("initech"), expect=201)
        await visitor.open("endpoints")
        row = page.get_by_role("row").filter(has_text="initech")
        await expect(row).to_contain_text("503")
        await expect(row.locator("[data-figure=success]")).to_have_text("0 %")
        await expect(row.locator("[data-figure=waiting]")).to_have_text("1")
        await visitor.open(f"endpoints/{made}")
        await expect(page.locator(".alert")).to_contain_text("Every attempt has failed")
        receiver.status = 204
        await page.get_by_role("button", name="Rotate secret…").click()
        await dialog(page).get_by_role("button", name="Rotate it").click()
        secret = await dialog(page).get_by_role("textbox", name="Secret", exact=True).input_value()
        await dialog(page).get_by_role("button", name="I have kept it").click()
        await expect(page.get_by_role("region", name="Facts")).to_contain_text("signs too until")
        await page.get_by_role("button", name="Test event…").click()
        await dialog(page).get_by_role("button", name="Send it").click()
        await expect(page.get_by_role("region", name="What happened")).to_contain_text("Attempt 1: accepted")
        headers, body = receiver.received[-1]
        assert Webhook(secret).verify(body, headers)
        assert len(headers["webhook-signature"].split()) == 2
        await system.call("DELETE", f"/api/v1/endpoints/{made}")


async def test_an_event_is_sent_from_the_page_and_one_delivery_again(visitor: Visitor, system: System) -> None:
    page = visitor.page
    async with receiving() as first, receiving() as second:
        await visitor.open("endpoints")
        await expect(page.get_by_role("heading", name="Endpoints")).to_be_visible()
        # Of who is logged in: events go to the endpoints of their own sender.
        made = [await own(page, each.url, customer="umbrella") for each in (first, second)]
        await page.get_by_role("button", name="Send an event…").click()
        await dialog(page).get_by_label("Customer").fill("umbrella")
        await dialog(page).get_by_role("button", name="Send it").click()
        deliveries = page.get_by_role("region", name="Deliveries")
        await expect(deliveries).to_contain_text("2 messages")
        await expect(deliveries.locator(".badge.sent")).to_have_count(2)
        await deliveries.get_by_role("button", name=f"Send again to {first.url}").click()
        await dialog(page).get_by_role("button", name="Send it").click()
        await visitor.says("Sent again: 1 message.")
        await expect(deliveries.locator(".badge.sent")).to_have_count(3)
        assert (len(first.received), len(second.received)) == (2, 1)
        assert first.received[0][1] == b'{"invoice":4711}'
        for each in made:
            await system.call("DELETE", f"/api/v1/endpoints/{each}")


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_a_checker_finds_nothing_on_endpoints_events_and_their_forms(
    browser: Browser, system: System, colours: str
) -> None:
    made = await make(system, f"https://{'long-' * 9}name.example.com/{'hooks/' * 12}", customer="hooli")
    posted = await system.call("POST", "/api/v1/events", event("hooli", payload={"line": "x" * 400}), expect=201)
    settings = {"viewport": PHONE} if colours == "dark" else {"viewport": {"width": 1400, "height": 900}}
    # The checker is a script that the policy would refuse.
    async with visiting(browser, system.url, color_scheme=colours, bypass_csp=True, **settings) as visitor:
        page = visitor.page
        await visitor.log_in_by_cookie(ADMIN)
        for view, title in (
            ("endpoints", "Endpoints"),
            (f"endpoints/{made}", "https"),
            (f"events/{posted['id']}", "a.b"),
        ):
            await visitor.open(view)
            await expect(page.get_by_role("heading", name=title).first).to_be_visible()
            await expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
            assert await findings(page) == [], view
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view
        await visitor.open("endpoints")
        await page.get_by_role("button", name="New endpoint…").click()
        await dialog(page).get_by_text("Pace, tries, credentials, headers").click()
        assert await findings(page) == []
        assert await page.evaluate("document.querySelector('dialog').scrollWidth - innerWidth") <= 0
    await system.call("DELETE", f"/api/v1/endpoints/{made}")


async def findings(page: Page) -> list[str]:
    found = (await Axe().run(page)).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


def event(customer: str, **changes: object) -> dict[str, object]:
    return {"type": "a.b", "customer": customer, "payload": {"n": 1}, **changes}
