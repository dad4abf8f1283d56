"""A day in the life of a shop that tells its customers by webhook and by text message.

Over real HTTP, with the browser where a person has the browser. An hour passes by moving all due times by one.
"""

import asyncio
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect
from standardwebhooks import Webhook

from tests.e2e.dashboard.conftest import PUBLIC_URL
from tests.e2e.dashboard.test_endpoints import Receiver, dialog, own, receiving
from tests.e2e.dashboard.visitor import PASSWORD, make_account, visiting
from tests.e2e.system import System
from tests.eventually import eventually
from tests.integration.channels.receivers import web_receiver
from tests.integration.channels.sms.providers import basic, reply
from tidings.embedded import EmbeddedStores
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.installation import postgres_account, postgres_programs

pytestmark = pytest.mark.asyncio(loop_scope="package")

SHOP = "shop@example.com"
TOKENS = "first-token-of-twilio-4711", "second-token-of-twilio-4712"
NUMBER = "+4915112345678"


async def test_an_event_for_three_endpoints_of_which_one_is_down_for_an_hour(browser: Browser, system: System) -> None:
    await make_account(system, SHOP, role="user")
    async with visiting(browser, system.url) as visitor, receiving() as erp, receiving() as mail, receiving() as down:
        page = visitor.page
        await visitor.open()
        await page.get_by_label("E-mail address").fill(SHOP)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Endpoints").click()
        secret = await add_endpoint(page, erp.url)
        for receiver, types in ((mail, ["order.*"]), (down, None)):
            await own(page, receiver.url, customer="acme", event_types=types)
        down.status = 503

        first = await post_event(page, "order.paid", '{ "order" : 4711, "total": 12.50 }')
        assert first["messages"] == 3
        await eventually(lambda: asyncio.sleep(0, erp.received and mail.received and down.received), within=20)
        headers, body = erp.received[0]
        # Letter for letter, and signed with the secret that the browser showed.
        assert body == b'{ "order" : 4711, "total": 12.50 }'
        assert Webhook(secret).verify(body, headers) == {"order": 4711, "total": 12.5}
        second = await post_event(page, "stock.low", '{"left": 3}')
        assert second["messages"] == 2
        await visitor.open("endpoints")
        row = page.get_by_role("row").filter(has_text=down.url)
        await expect(row).to_contain_text("failing")
        await expect(row.locator("[data-figure=waiting]")).to_have_text("2")

        # An hour later it is tried again, in vain; then it is up.
        failed = len(down.received)
        await an_hour_later(system)
        await eventually(lambda: asyncio.sleep(0, len(down.received) > failed), within=20)
        down.status = 204
        failed = len(down.received)
        await eventually(lambda: caught_up(system, down, failed, {first["id"], second["id"]}), within=30, every=0.5)
        assert len(mail.received) == 1
        assert len(erp.received) == 2

        # It has lost what it got: all of the day goes to it once more, and to nobody else.
        before = len(down.received)
        await row.get_by_role("link").click()
        await page.get_by_role("button", name="Send again…").click()
        await dialog(page).get_by_label("Which").select_option("all")
        await dialog(page).get_by_role("button", name="Send them").click()
        await visitor.says("2 events will be sent again.")
        await eventually(lambda: asyncio.sleep(0, len(down.received) == before + 2), within=20)
        assert ids(down.received[before:]) == {first["id"], second["id"]}
        assert (len(erp.received), len(mail.received)) == (2, 1)
        await expect(page.get_by_role("main").locator(".badge").first).to_have_text("on")


async def add_endpoint(page: Page, url: str) -> str:
    """In the browser; answers the secret that it shows."""
    await page.get_by_role("button", name="New endpoint…").click()
    await dialog(page).get_by_label("URL").fill(url)
    await dialog(page).get_by_label("Customer").fill("acme")
    await dialog(page).get_by_role("button", name="Add endpoint").click()
    secret = await dialog(page).get_by_role("textbox", name="Secret", exact=True).input_value()
    await dialog(page).get_by_role("button", name="I have kept it").click()
    await expect(page.get_by_role("heading", name=url)).to_be_visible()
    return secret


async def post_event(page: Page, kind: str, payload: str) -> dict[str, Any]:
    """As the one who is logged in; the payload as it is written."""
    body = f'{{"type": "{kind}", "customer": "acme", "payload": {payload}}}'
    script = """body => fetch("/api/v1/events", {
        method: "POST", body, headers: {"Content-Type": "application/json"}
    }).then(answer => answer.json())"""
    posted: dict[str, Any] = await page.evaluate(script, body)
    return posted


def ids(received: list[tuple[dict[str, str], bytes]]) -> set[str]:
    return {headers["webhook-id"] for headers, _ in received}


async def caught_up(system: System, receiver: Receiver, failed: int, events: set[str]) -> bool:
    await an_hour_later(system)
    return ids(receiver.received[failed:]) == events


async def an_hour_later(system: System) -> None:
    connection = await asyncpg.connect(system.settings.postgres_uri)
    try:
        await connection.execute(
            "UPDATE messages SET due_at = due_at - interval '1 hour' WHERE status IN ('pending', 'failed')"
        )
    finally:
        await connection.close()


class Twilio:
    """Takes text messages as Twilio's document says, with one token at a time."""

    def __init__(self, token: str) -> None:
        self.name = f"otp-{uuid4().hex[:8]}"
        """Of the gateway that leads here."""
        self.token = token
        self.taken: list[tuple[str, dict[str, str]]] = []
        """With the id of each."""
        self.refused = 0

    async def receive(self, request: web.Request) -> web.Response:
        if not basic(request, "AC1", self.token):
            self.refused += 1
            return reply(401, {"code": 20003, "message": "Authenticate", "status": 401})
        fields = {name: str(value) for name, value in (await request.post()).items()}
        sid = f"SM{uuid4().hex}"
        self.taken.append((sid, fields))
        return reply(201, {"sid": sid, "status": "queued", "error_code": None, "to": fields["To"]})

    async def report(self, system: System, sid: str, status: str, callback: str) -> int:
        """Tells what became of a message, signed for the URL that it was told."""
        body = urlencode({"MessageSid": sid, "MessageStatus": status, "To": NUMBER})
        fields = {"MessageSid": sid, "MessageStatus": status, "To": NUMBER}
        text = callback + "".join(f"{name}{value}" for name, value in sorted(fields.items()))
        digest = b64encode(hmac.digest(self.token.encode(), text.encode(), "sha1")).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": digest}
        async with system.http.post(system.url + urlsplit(callback).path, data=body, headers=headers) as response:
            return response.status


@asynccontextmanager
async def texting(system: System) -> AsyncIterator[tuple[Twilio, str]]:
    """Twilio, and the path of a gateway that leads there."""
    twilio = Twilio(TOKENS[0])
    async with web_receiver(twilio.receive) as url:
        wanted = {
            "name": twilio.name,
            "preset": "twilio",
            "base_url": url.removesuffix("/hook"),
            "shared": True,
            "account_sid": "AC1",
            "auth_token": twilio.token,
            "from": "+15005550006",
        }
        made = await system.call("POST", "/api/v1/gateways", wanted, expect=201)
        path = f"/api/v1/gateways/{made['id']}"
        try:
            yield twilio, path
        finally:
            await system.call("DELETE", path)


async def send(system: System, twilio: Twilio, content: str) -> str:
    return await system.post(channel="sms", recipient=NUMBER, content=content, gateway=twilio.name)


@asynccontextmanager
async def telling(system: System) -> AsyncIterator[list[dict[str, Any]]]:
    """What an endpoint for status events got, each verified by its secret."""
    async with receiving() as receiver:
        wanted = {"url": receiver.url, "event_types": ["message.*"]}
        made = await system.call("POST", "/api/v1/endpoints", wanted, expect=201)
        told: list[dict[str, Any]] = []
        receiver.hears = lambda headers, body: told.append(Webhook(str(made["secret"])).verify(body, headers))
        yield told
        await system.call("DELETE", f"/api/v1/endpoints/{made['id']}")


async def until_told(told: list[dict[str, Any]], message_id: str, *types: str, besides: str = "") -> None:
    """Waits until this was told of one message, each once, in the order in which it became so."""

    async def look() -> bool:
        events = {event["sequence"]: event["type"] for event in told if event["data"].get("message_id") == message_id}
        return [kind for _, kind in sorted(events.items()) if kind != besides] == list(types)

    await eventually(look, within=20)


async def test_a_code_by_text_message_is_delivered(system: System) -> None:
    async with texting(system) as (twilio, _), telling(system) as told:
        message_id = await send(system, twilio, "Your code is 918273")
        await system.until_status(message_id, "sent")
        [(sid, fields)] = twilio.taken
        assert (fields["To"], fields["Body"]) == (NUMBER, "Your code is 918273")
        assert fields["StatusCallback"].startswith(f"{PUBLIC_URL}/receipts/")
        assert await twilio.report(system, sid, "delivered", fields["StatusCallback"]) == 204
        message = await until_known(system, message_id, "receipt")
        assert (message["status"], message["receipt"], message["provider_message_id"]) == ("sent", "delivered", sid)
        # A message that is quicker than the news of a gateway, by 2 s at most, is held until then.
        await until_told(told, message_id, "message.sent", "message.delivered", besides="message.held")
        # Somebody else's report is none.
        twilio.token = "guessed"
        assert await twilio.report(system, sid, "undelivered", fields["StatusCallback"]) == 403
        assert (await system.message(message_id))["receipt"] == "delivered"


async def until_known(system: System, message_id: str, field: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        message = await system.message(message_id)
        return message if message[field] is not None else None

    found = await eventually(look, within=20)
    assert found is not None
    return found


async def test_a_key_that_is_rotated_wrongly_burns_nothing(system: System) -> None:
    async with texting(system) as (twilio, path), telling(system) as told:
        await system.until_status(await send(system, twilio, "Your code is 0"), "sent")
        twilio.taken.clear()
        # Twilio knows the new one only, and somebody has mistyped it.
        twilio.token = TOKENS[1]
        await system.call("PATCH", path, {"auth_token": "mistyped"})
        messages = [await send(system, twilio, f"Your code is {code}") for code in range(20)]
        for message_id in messages:
            held = await until_known(system, message_id, "held_reason")
            assert (held["status"], held["tries"], held["held_reason"]) == ("pending", 0, "gateway")
        assert twilio.taken == []
        assert 0 < twilio.refused <= len(messages)
        await system.call("PATCH", path, {"auth_token": TOKENS[1]})
        for message_id in messages:
            await system.until_status(message_id, "sent")
        assert sorted(fields["Body"] for _, fields in twilio.taken) == sorted(
            f"Your code is {code}" for code in range(20)
        )
        for message_id in messages:
            await until_told(told, message_id, "message.held", "message.sent")


async def test_a_dump_holds_no_secret_in_clear(system: System, stores: EmbeddedStores) -> None:
    async with receiving() as receiver, texting(system):
        wanted = {
            "url": receiver.url,
            "headers": {"X-Key": "in-a-header-of-a-hook"},
            "credentials": {"type": "basic", "username": "shop", "password": "in-the-password-of-a-hook"},
        }
        made = await system.call("POST", "/api/v1/endpoints", wanted, expect=201)
        rotated = await system.call("POST", f"/api/v1/endpoints/{made['id']}/secret/rotate", {})
        directory = DataDirectory(stores.data_dir)
        programs = await postgres_programs(directory.path, postgres_account(directory.cluster))
        process = await asyncio.create_subprocess_exec(
            programs / "pg_dump", system.settings.postgres_uri, stdout=asyncio.subprocess.PIPE
        )
        dump, _ = await process.communicate()
        assert process.returncode == 0
        # The endpoint and the gateway are in it.
        for kept in (str(made["id"]), "twilio"):
            assert kept.encode() in dump
        secrets = [
            *(str(answer["secret"]).removeprefix("whsec_") for answer in (made, rotated)),
            *("in-a-header-of-a-hook", "in-the-password-of-a-hook", TOKENS[0], TOKENS[1]),
            b64encode(b"shop:in-the-password-of-a-hook").decode(),
            PASSWORD,
        ]
        for secret in secrets:
            assert secret.encode() not in dump, secret
        await system.call("DELETE", f"/api/v1/endpoints/{made['id']}")
