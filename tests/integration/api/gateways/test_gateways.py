"""api/gateways, and what a text message meets at the door (api/messages/texts.py)"""

from functools import partial
from typing import Any

import msgspec
import pytest
from aiohttp import web
from argon2.profiles import CHEAPEST

from api.accounts import services
from api.accounts.passwords import Passwords
from api.http.resources import STORE
from sql.gateways import MAX_OWN
from tests.integration.api.accounts.people import OPERATORS_KEY, Person, admin, join, operator
from tests.integration.api.client import Answer, Api
from tidings.cli.secrets import rotate
from tidings.domain.errors import UnsealError
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

URL = "/api/v1/gateways"
KEY = new_key()
TWILIO: dict[str, Any] = {
    "name": "twilio",
    "preset": "twilio",
    "account_sid": "AC1",
    "auth_token": "swordfish",
    "from": "+15005550006",
}
TEXT: dict[str, Any] = {"channel": "sms", "recipient": "+491712345678", "content": "Hello"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(KEY,),
        public_url="https://tidings.example.com",
        default_region="DE",
        user_channels=("sms", "webhook"),
    )


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "Passwords", partial(Passwords, CHEAPEST))


@pytest.fixture
async def ada(api: Api) -> Person:
    return await join(api)


async def send(who: Person, **changes: Any) -> Answer:
    return await who.post("/api/v1/messages", {**TEXT, **changes})


async def test_presets_say_what_a_gateway_of_each_needs(ada: Person) -> None:
    listed = (await ada.get("/api/v1/gateway-presets")).body["presets"]
    by_name = {each["name"]: each for each in listed}
    assert by_name.keys() >= {"twilio", "infobip", "plain"}
    assert by_name["twilio"] == {
        "name": "twilio",
        "title": "Twilio Programmable Messaging",
        "docs": "https://www.twilio.com/docs/messaging/api/message-resource",
        "base_url": "https://api.twilio.com",
        "credentials": ["account_sid", "auth_token"],
        "optional": ["messaging_service_sid"],
        "needs_from": False,
    }
    assert by_name["infobip"]["base_url"] == ""


async def test_made_shown_changed_and_deleted(ada: Person, app: web.Application) -> None:
    made = await ada.post(URL, TWILIO)
    assert made.status == 201, made.body
    path = f"{URL}/{made.body['id']}"
    assert made.headers["Location"] == path
    assert made.body["credentials"] == ["account_sid", "auth_token"]
    assert made.body["from"] == ["+15005550006"]
    assert made.body["receipt_url"].startswith(f"https://tidings.example.com/receipts/{made.body['id']}/")
    assert (await ada.get(URL)).body == {"gateways": [made.body]}
    assert (await ada.get(path)).body == made.body
    changed = await ada.send("PATCH", path, {"auth_token": "other", "weight": 5, "prefixes": ["+49"]})
    assert changed.status == 200, changed.body
    assert changed.body == {
        **made.body,
        "weight": 5,
        "prefixes": ["+49"],
        "updated_at": changed.body["updated_at"],
    }
    [row] = await app[STORE].gateways.all()
    assert row.credentials is not None
    sealed = SecretBox([KEY]).unseal(row.credentials, Purpose.GATEWAY, row.id)
    assert msgspec.json.decode(sealed)["auth_token"] == "other"
    assert msgspec.json.decode(sealed)["account_sid"] == "AC1"
    assert (await ada.send("DELETE", path)).status == 200
    assert (await ada.get(URL)).body == {"gateways": []}
    assert (await ada.get(path)).status == 404
    actions = [entry["action"] for entry in (await ada.get("/api/v1/audit")).body["audit"]]
    assert [action for action in actions if "gateway" in action] == [
        "gateway.delete",
        "gateway.change",
        "gateway.create",
    ]


async def test_no_secret_is_kept_in_clear_or_told(ada: Person, app: web.Application) -> None:
    made = await ada.post(URL, TWILIO)
    assert "swordfish" not in str(made.body)
    assert "swordfish" not in str((await ada.get("/api/v1/audit")).body)
    async with app[STORE].database.transaction() as connection:
        rows = await connection.fetch("SELECT gateways::text FROM gateways")
    assert rows
    assert "swordfish" not in str(rows)
    assert b"swordfish".hex() not in str(rows)


async def test_credentials_come_under_the_newest_key(ada: Person, app: web.Application) -> None:
    await ada.post(URL, TWILIO)
    newer = new_key()
    await rotate(app[STORE], SecretBox([newer, KEY]))
    [row] = await app[STORE].gateways.all()
    assert row.credentials is not None
    assert "swordfish" in SecretBox([newer]).unseal(row.credentials, Purpose.GATEWAY, row.id)
    with pytest.raises(UnsealError):
        SecretBox([KEY]).unseal(row.credentials, Purpose.GATEWAY, row.id)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"preset": "nobody"}, "preset"),
        ({"auth_token": ""}, "auth_token"),
        ({"auth_token": None}, "auth_token"),
        ({"auth_token": 5}, "auth_token"),
        ({"auth_token": "two\nlines"}, "auth_token"),
        ({"auth_tokn": "typo"}, "auth_tokn"),
        ({"name": "sms"}, "name"),
        ({"name": "Twilio!"}, "name"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://user:pass@example.com"}, "base_url"),
        ({"preset": None, "base_url": ""}, "base_url"),
        ({"request": {"fields": {"To": "{nothing}"}}}, "request"),
        ({"request": {"method": "DELETE"}}, "request"),
        ({"prefixes": ["49"]}, "prefixes"),
        ({"weight": -1}, "weight"),
        ({"from": "a name that is too long"}, "from"),
        ({"shared": True}, "shared"),
        ({"users": []}, "users"),
    ],
)
async def test_what_is_wrong_is_named(ada: Person, changes: dict[str, Any], field: str) -> None:
    refused = await ada.post(URL, {**TWILIO, **changes})
    assert refused.status == 422, refused.body
    assert field in {fault for _, fault in refused.faults}


async def test_one_of_its_own(ada: Person) -> None:
    own = {
        "name": "own",
        "base_url": "https://sms.example.com",
        "token": "swordfish",
        "request": {"auth": {"kind": "bearer", "token": "{token}"}, "fields": {"to": "{to}", "text": "{content}"}},
        "success": {"id": ["id"]},
    }
    made = await ada.post(URL, own)
    assert made.status == 201, made.body
    assert made.body["credentials"] == ["token"]


async def test_a_name_is_taken_once_and_there_is_a_bound(ada: Person) -> None:
    plain = {"preset": "plain", "base_url": "https://sms.example.com"}
    for number in range(MAX_OWN):
        assert (await ada.post(URL, {"name": f"g{number}", **plain})).status == 201
    assert (await ada.post(URL, {"name": "g0", **plain})).status == 409
    assert (await ada.post(URL, {"name": "more", **plain})).status == 409


async def test_nobody_elses(ada: Person, api: Api) -> None:
    bob, root = await join(api, "bob@example.com"), await admin(api)
    made = await ada.post(URL, TWILIO)
    path = f"{URL}/{made.body['id']}"
    for who in (bob, root):
        assert (await who.get(path)).status == 404
        assert (await who.send("PATCH", path, {"enabled": False})).status == 404
        assert (await who.send("DELETE", path)).status == 404
    shared = await root.post(URL, {**TWILIO, "shared": True})
    assert shared.body["shared"]
    assert (await operator(api).get(URL)).body == {"gateways": [shared.body]}
    assert (await ada.get(f"{URL}/{shared.body['id']}")).status == 404


async def test_a_key_without_the_scope_makes_none(ada: Person) -> None:
    program = await ada.key(scopes=["send", "read", "manage"])
    assert (await program.post(URL, TWILIO)).status == 403


async def test_a_message_says_its_parts_and_its_number(ada: Person) -> None:
    sent = await send(ada, recipient="\u202a0171 234 5678\u202c", content="x" * 161)
    assert sent.status == 201, sent.body
    assert (sent.body["recipient"], sent.body["parts"]) == ("+491712345678", 2)
    kept = await ada.get(f"/api/v1/messages/{sent.body['id']}")
    assert (kept.body["parts"], kept.body["gateway"], kept.body["from"]) == (2, None, None)


async def test_smart_encoding_is_asked_for(ada: Person) -> None:
    text = "It\u2019s " + "x" * 150
    assert (await send(ada, content=text)).body["parts"] == 3
    smart = await send(ada, content=text, smart_encoding=True)
    assert (smart.body["parts"], smart.body["content"]) == (1, "It's " + "x" * 150)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"subject": "Hello"}, "subject"),
        ({"headers": {"X-A": "b"}}, "headers"),
        ({"html": "<p>"}, "html"),
        ({"from": "SHOP"}, "from"),
        ({"from": {"email": "ada@example.com"}}, "from"),
        ({"gateway": "nobody"}, "gateway"),
        ({"account": "shop"}, "account"),
        ({"recipient": "somebody"}, "recipient"),
        ({"content": "a\0b"}, "content"),
    ],
)
async def test_what_a_text_message_cannot_carry(ada: Person, changes: dict[str, Any], field: str) -> None:
    refused = await send(ada, **changes)
    assert refused.status == 422, refused.body
    assert field in {fault for _, fault in refused.faults}


@pytest.mark.parametrize("field", ["gateway", "smart_encoding"])
async def test_what_text_messages_alone_have(ada: Person, field: str) -> None:
    refused = await ada.post(
        "/api/v1/messages",
        {
            "channel": "webhook",
            "recipient": "https://example.com",
            "content": "x",
            field: {"gateway": "x"}.get(field, True),
        },
    )
    assert refused.faults == [(None, field)]


async def test_a_sender_that_its_gateways_allow(ada: Person, api: Api) -> None:
    bob = await join(api, "bob@example.com")
    await ada.post(URL, {**TWILIO, "from": ["+15005550006", "SHOP"], "short_codes": True, "prefixes": ["+49"]})
    sent = await send(ada, **{"from": "SHOP"})
    assert sent.status == 201, sent.body
    assert (sent.body["from"], sent.body["gateway"]) == ("SHOP", None)
    named = await send(ada, gateway="twilio")
    assert (named.body["gateway"], named.body["account"]) == ("twilio", None)
    assert (await send(ada, recipient="70070")).body["recipient"] == "70070"
    assert (await send(ada, **{"from": "EVIL"})).faults == [(None, "from")]
    assert (await send(ada, recipient="+436641234567")).faults == [(None, "recipient")]
    assert (await send(bob, **{"from": "SHOP"})).faults == [(None, "from")]
    assert (await send(bob, gateway="twilio")).faults == [(None, "gateway")]
    assert (await send(bob, gateway="me/twilio")).faults == [(None, "gateway")]
