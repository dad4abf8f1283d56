"""SMS gateways on the dashboard: added by preset, tried, held, mended, and deleted."""

import pytest
from playwright.async_api import Browser, expect

from api.dashboard.pages import STATIC
from tests.e2e.dashboard.test_endpoints import dialog, findings
from tests.e2e.dashboard.visitor import ADMIN, PHONE, Visitor, visiting
from tests.e2e.system import System
from tests.integration.channels.sms.providers import Provider, twilio
from tidings.channels.sms.configured import NAME_PATTERN

pytestmark = pytest.mark.asyncio(loop_scope="package")

NUMBER = "+491700000000"


async def test_the_form_has_the_rule_for_names() -> None:
    # A browser reads the pattern with the flag v, where a hyphen in a class is escaped; in JavaScript's text, twice.
    pattern = NAME_PATTERN.removeprefix("^").removesuffix("$").replace("_-]", r"_\\-]")
    assert f'pattern="{pattern}"' in (STATIC / "gateway_form.js").read_text()


async def test_a_gateway_is_added_held_by_a_wrong_key_and_mended(visitor: Visitor, system: System) -> None:
    page = visitor.page
    async with Provider().serving(twilio) as provider:
        await visitor.open("gateways")
        await page.get_by_role("button", name="New gateway…").click()
        form = dialog(page)
        await form.get_by_label("Provider").select_option("infobip")
        await expect(form.get_by_label("Api key")).to_be_visible()
        await expect(form.get_by_label("Account sid")).to_have_count(0)
        await form.get_by_label("Provider").select_option("twilio")
        await form.get_by_label("Name", exact=True).fill("primary")
        await form.get_by_label("Account sid").fill("AC1")
        await form.get_by_label("Auth token").fill("wrong")
        await form.get_by_label("Base URL").fill(provider.url)
        await form.get_by_label("From").fill("+15005550006")
        await form.get_by_text("Routing, pace, price").click()
        await form.get_by_label("For numbers that begin with").fill("+49 +43")
        await form.get_by_label("Price of a part").fill("0.0075 EUR")
        await form.get_by_role("button", name="Add gateway").click()
        await expect(page.get_by_role("heading", name="primary")).to_be_visible()
        facts = page.get_by_role("region", name="Facts")
        await expect(facts).to_contain_text("account_sid, auth_token")
        await expect(facts).to_contain_text("+49, +43, weight 1")
        gateway = page.url

        await page.get_by_role("button", name="Test message…").click()
        await dialog(page).get_by_label("To").fill("not a number")
        await dialog(page).get_by_role("button", name="Send it").click()
        await expect(dialog(page).get_by_role("alert")).to_contain_text("recipient")
        await dialog(page).get_by_label("To").fill(NUMBER)
        await dialog(page).get_by_role("button", name="Send it").click()
        await expect(page.get_by_role("region", name="Facts")).to_contain_text("Held by")
        message = page.url
        # Nothing is burnt: it waits, untried, and the gateway says why.
        await page.goto(gateway)
        await expect(page.locator(".alert")).to_contain_text("20003")
        await expect(page.locator(".alert")).to_contain_text("1 message waits for it")
        await page.get_by_role("link", name="Gateways").click()
        row = page.get_by_role("row").filter(has_text="primary")
        await expect(row).to_contain_text("held")
        await expect(row.locator("[data-figure=held]")).to_have_text("1")
        await row.get_by_role("link").click()
        await page.get_by_role("button", name="Change…").click()
        await expect(dialog(page).get_by_label("Auth token")).to_have_attribute("placeholder", "unchanged")
        await dialog(page).get_by_label("Auth token").fill("right")
        await dialog(page).get_by_role("button", name="Change it").click()
        await visitor.says("Changed")
        await page.goto(message)
        await expect(page.locator(".head .badge")).to_have_text("sent")
        [request] = provider.requests
        assert (request["To"], request["From"], request["Body"]) == (NUMBER, "+15005550006", "A test of tidings.")

        [made] = [each for each in await listed(system) if each["name"] == "primary"]
        await system.call("DELETE", f"/api/v1/gateways/{made['id']}")


async def listed(system: System) -> list[dict[str, object]]:
    found = (await system.call("GET", "/api/v1/gateways"))["gateways"]
    assert isinstance(found, list)
    return found


async def test_it_is_disabled_and_deleted(visitor: Visitor, system: System) -> None:
    page = visitor.page
    made = await system.call("POST", "/api/v1/gateways", wanted("zeroth", "https://sms.example.com/x"), expect=201)
    await visitor.open(f"gateways/{made['id']}")
    await page.get_by_role("button", name="Disable").click()
    await visitor.says("Disabled")
    await expect(page.get_by_role("button", name="Test message…")).to_be_disabled()
    await page.get_by_role("button", name="Delete…").click()
    await dialog(page).get_by_role("button", name="Delete it").click()
    await visitor.says("Deleted")
    await expect(page.get_by_role("heading", name="Gateways")).to_be_visible()
    assert "zeroth" not in [each["name"] for each in await listed(system)]


async def test_what_waited_is_released(visitor: Visitor, system: System) -> None:
    page = visitor.page
    async with Provider().serving(twilio) as provider:
        made = await system.call(
            "POST", "/api/v1/gateways", wanted("second", provider.url, auth_token="wrong"), expect=201
        )
        sent = await system.post(channel="sms", recipient=NUMBER, content="hello", gateway="second")
        await visitor.open(f"gateways/{made['id']}")
        await expect(page.locator(".alert")).to_contain_text("1 message waits for it")
        await page.get_by_role("button", name="Release").click()
        await visitor.says("Released")
        # It was tried, and is refused again: the key is still wrong.
        await expect(page.locator(".alert")).to_contain_text("1 message waits for it")
        assert (await system.message(sent))["tries"] == 0
        await system.call("POST", f"/api/v1/messages/{sent}/cancel")
        await system.call("DELETE", f"/api/v1/gateways/{made['id']}")


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_a_checker_finds_nothing_on_gateways_and_their_form(
    browser: Browser, system: System, colours: str
) -> None:
    made = await system.call("POST", "/api/v1/gateways", wanted("third", "https://sms.example.com/x"), expect=201)
    size = PHONE if colours == "light" else {"width": 1400, "height": 900}
    # The checker is a script that the policy would refuse.
    async with visiting(browser, system.url, color_scheme=colours, bypass_csp=True, viewport=size) as visitor:
        page = visitor.page
        await visitor.log_in_by_cookie(ADMIN)
        for view, title in (("gateways", "Gateways"), (f"gateways/{made['id']}", "third")):
            await visitor.open(view)
            await expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
            await expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
            assert await findings(page) == [], view
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view
        await visitor.open("gateways")
        await page.get_by_role("button", name="New gateway…").click()
        await dialog(page).get_by_text("Routing, pace, price").click()
        assert await findings(page) == []
    await system.call("DELETE", f"/api/v1/gateways/{made['id']}")


def wanted(name: str, url: str, **changes: object) -> dict[str, object]:
    twilios = {"preset": "twilio", "account_sid": "AC1", "auth_token": "right", "from": "+15005550006"}
    return {"name": name, "base_url": url, "shared": True, **twilios, **changes}
