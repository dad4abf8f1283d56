"""Logging in to the dashboard, and where the token is meanwhile."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.conftest import fresh_database
from tests.e2e.dashboard.visitor import ADMIN, PASSWORD, make_account, visiting
from tests.e2e.system import System
from tidings.embedded import EmbeddedStores
from tidings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="package")

USER = "ada@example.com"


async def test_in_by_the_form_and_out_again(browser: Browser, system: System) -> None:
    async with visiting(browser, system.url) as visitor:
        page = visitor.page
        await visitor.open()
        await page.get_by_label("E-mail address").fill(ADMIN)
        await page.get_by_label("Password").fill("not the password")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_have_text("the e-mail address or the password is wrong")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        refused = await page.evaluate("fetch('/api/v1/messages').then(answer => answer.status)")
        assert refused == 401


async def test_no_script_can_read_the_token(browser: Browser, system: System) -> None:
    async with visiting(browser, system.url) as visitor:
        await visitor.log_in_by_cookie(ADMIN)
        await visitor.open("messages")
        await expect(visitor.page.get_by_role("heading", name="Messages")).to_be_visible()
        cookies = await visitor.page.context.cookies()
        assert {(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies} == {(True, "Strict")}
        values = {cookie["name"]: cookie["value"] for cookie in cookies}
        assert values.keys() == {"tidings_session", "tidings_device"}
        token, device = values["tidings_session"], values["tidings_device"]
        kept = await visitor.page.evaluate("JSON.stringify([document.cookie, localStorage, sessionStorage])")
        seen = kept + await visitor.page.content()
        assert token.count(".") == 2
        assert token not in seen
        assert device not in seen


async def test_a_session_that_ends_leads_back_to_the_login(browser: Browser, system: System) -> None:
    async with visiting(browser, system.url) as visitor:
        await visitor.log_in_by_cookie(ADMIN)
        await visitor.open("queues")
        await expect(visitor.page.get_by_role("rowheader", name="default")).to_be_visible()
        await visitor.page.context.clear_cookies()
        await visitor.page.get_by_role("link", name="Messages").click()
        await expect(visitor.page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_a_user_sees_own_messages_and_no_switches(browser: Browser, system: System) -> None:
    await make_account(system, USER, role="user")
    await system.post(channel="echo", recipient="somebody else's", content="not for Ada")
    async with visiting(browser, system.url) as visitor:
        page = visitor.page
        await visitor.log_in_by_cookie(USER)
        await visitor.open()
        await expect(page.get_by_text("No messages yet.")).to_be_visible()
        assert await page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts() == [
            "Messages",
            "Endpoints",
            "Gateways",
            "Queues",
        ]
        await page.get_by_role("link", name="Queues").click()
        await expect(page.get_by_role("rowheader", name="default")).to_be_visible()
        await expect(page.get_by_role("button", name="Stop")).to_have_count(0)


async def test_without_accounts_whoever_is_on_this_machine_needs_no_login(
    browser: Browser, stores: EmbeddedStores, template_database: str, tmp_path: Path
) -> None:
    async with fresh_database(stores, template_database) as postgres_uri:
        # Another Redis database: in that of the other tests a producer and consumers show signs of life.
        redis_uri = urlsplit(stores.redis_uri)._replace(query="db=1").geturl()
        settings = Settings(postgres_uri=postgres_uri, redis_uri=redis_uri, data_dir=stores.data_dir)
        async with System(settings, tmp_path) as system:
            await system.start_api()
            async with visiting(browser, system.url) as visitor:
                await visitor.open()
                # Neither producer nor consumer runs: the page says so, and what to do.
                await expect(visitor.page.get_by_text("tidings producer")).to_be_visible()
                await expect(visitor.page.get_by_text("tidings consumer")).to_be_visible()
