"""The dashboard by keyboard, on a phone, in the dark, and as an accessibility checker reads it."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.e2e.dashboard.visitor import ADMIN, PHONE, Visitor, visiting
from tests.e2e.system import System

pytestmark = pytest.mark.asyncio(loop_scope="package")

VIEWS = {
    "": "Overview",
    "messages": "Messages",
    "endpoints": "Endpoints",
    "gateways": "Gateways",
    "queues": "Queues",
    "consumers": "Consumers",
}


async def test_by_keyboard_alone(visitor: Visitor, system: System) -> None:
    page = visitor.page
    await system.call("PUT", "/api/v1/queues/aardvark", {}, expect=201)
    await visitor.open()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for _ in range(6):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Queues")).to_be_focused()
    await page.keyboard.press("Enter")
    stop = page.get_by_role("button", name="Stop aardvark")
    await expect(stop).to_be_visible()
    await expect(page.get_by_role("main")).to_be_focused()
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await stop.evaluate("button => button === document.activeElement"):
            break
    await page.keyboard.press("Space")
    await visitor.says("aardvark is stopped")
    # The button is another one now, and the focus has not moved.
    await expect(page.get_by_role("button", name="Start aardvark")).to_be_focused()
    assert not (await system.call("GET", "/api/v1/queues/aardvark"))["active"]


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_nothing_that_a_checker_finds(browser: Browser, system: System, colours: str) -> None:
    message = await system.post(channel="echo", recipient="a checker", content="hello")
    # The checker is a script that the policy would refuse.
    async with visiting(browser, system.url, color_scheme=colours, bypass_csp=True) as visitor:
        await visitor.open()
        await expect(visitor.page.get_by_role("heading", name="Log in")).to_be_visible()
        assert await findings(visitor) == []
        await visitor.log_in_by_cookie(ADMIN)
        await visitor.page.reload()
        for view, title in (*VIEWS.items(), (f"messages/{message}", "To a checker")):
            await visitor.open(view)
            await expect(visitor.page.get_by_role("heading", name=title)).to_be_visible()
            await expect(visitor.page.get_by_role("status").filter(has_text="live")).to_be_visible()
            assert await findings(visitor) == [], view


async def findings(visitor: Visitor) -> list[str]:
    found = (await Axe().run(visitor.page)).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


async def test_a_phone_shows_every_view_whole(browser: Browser, system: System) -> None:
    async with visiting(browser, system.url, viewport=PHONE, has_touch=True, is_mobile=True) as visitor:
        await visitor.log_in_by_cookie(ADMIN)
        for view, title in VIEWS.items():
            await visitor.open(view)
            await expect(visitor.page.get_by_role("heading", name=title, exact=True)).to_be_visible()
            too_wide = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert too_wide <= 0, view


async def test_light_and_dark_by_choice(visitor: Visitor) -> None:
    page = visitor.page
    await page.emulate_media(color_scheme="light")
    await visitor.open("queues")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    colours = page.get_by_role("button", name="Colours")
    await colours.click()
    assert await page.evaluate(ground) == light
    await colours.click()
    dark = await page.evaluate(ground)
    assert dark != light
    await page.reload()
    await expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert await page.evaluate(ground) == dark
