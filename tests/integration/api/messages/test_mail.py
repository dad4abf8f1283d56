"""E-mail with HTML, names, further recipients and attachments, from the request to the mail server"""

from base64 import b64encode
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.app import create_app
from api.messages import attached
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, offers
from tests.integration.api.accounts.people import OPERATORS_KEY, SMTP, Person, join, operator
from tests.integration.api.client import JSON, Api
from tidings.security.secretbox import new_key
from tidings.settings import Settings

MESSAGES = "/api/v1/messages"
MAIL: dict[str, Any] = {"channel": "email", "recipient": "Ida <ida@example.com>", "content": "Hello"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(new_key(),),
        max_message_bytes=4 * 1024**2,
    )


@pytest.fixture
async def ada(api: Api) -> Person:
    return await join(api)


def attachment(content: bytes, **more: str) -> dict[str, str]:
    return {"content": b64encode(content).decode(), **more}


async def test_what_belongs_to_a_mail_is_kept_beside_it_and_not_in_lists(ada: Person, store: Store) -> None:
    content = bytes(range(256)) * 4096
    body = {
        **MAIL,
        "html": "<p>Hello",
        "cc": ["Grace <grace@example.com>"],
        "bcc": ["boss@example.com"],
        "reply_to": "ida@example.com",
        "attachments": [attachment(content, filename="a.bin")],
    }
    created = await ada.post(MESSAGES, body)
    assert created.status == 201
    assert created.body["recipient"] == "ida@example.com"
    path = created.headers["Location"]
    shown = (await ada.get(path)).body
    assert shown["mail"] == created.body["mail"] == {
        "html": "<p>Hello",
        "from": None,
        "recipient_name": "Ida",
        "cc": [{"email": "grace@example.com", "name": "Grace"}],
        "bcc": [{"email": "boss@example.com"}],
        "reply_to": [{"email": "ida@example.com"}],
        "attachments": [
            {"filename": "a.bin", "content_type": "application/octet-stream", "content_id": None, "size": len(content)}
        ],
        "remaining": None,
    }  # fmt: skip
    [listed] = (await ada.get(MESSAGES)).body["messages"]
    assert "mail" not in listed
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=100)
    [delivery] = await store.batches.take(batch.id, consumer="consumer")
    assert delivery.mail_bytes is not None
    assert delivery.mail_bytes > len(content)
    kept = (await store.batches.mails([delivery.id]))[delivery.id]
    assert kept.contents() == [content]


async def test_a_mail_without_any_of_it_keeps_nothing_beside_it(ada: Person, store: Store) -> None:
    plain = (await ada.post(MESSAGES, {**MAIL, "recipient": "ida@example.com"})).body
    assert "mail" not in plain
    message = await store.messages.get(UUID(plain["id"]))
    assert message is not None
    assert message.mail_bytes is None
    async with store.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM mail_parts") == 0


async def test_the_same_request_again_is_the_same_mail(api: Api, ada: Person, store: Store) -> None:
    headers = {"Authorization": f"Bearer {ada.credential}", **JSON, "Idempotency-Key": "k"}
    body = {**MAIL, "html": "<p>Hello", "attachments": [attachment(b"x")]}
    first = await api.send("POST", MESSAGES, headers=headers, body=body)
    again = await api.send("POST", MESSAGES, headers=headers, body=body)
    other = await api.send("POST", MESSAGES, headers=headers, body={**body, "attachments": [attachment(b"y")]})
    assert (again.status, again.body["id"]) == (201, first.body["id"])
    assert other.status == 422
    batch = {"messages": [body, MAIL]}
    assert (await ada.post(f"{MESSAGES}/batch", batch)).status == 201
    async with store.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM mail_parts") == 3


async def test_whom_mail_may_be_from_is_for_an_admin_to_say(api: Api, ada: Person) -> None:
    assert (await ada.send("PATCH", "/api/v1/me", {"smtp": SMTP})).status == 200
    body = {**MAIL, "from": "News <news@shop.example>"}
    refused = await ada.post(MESSAGES, body)
    assert (refused.status, refused.faults) == (422, [(None, "from")])
    assert (await ada.post(MESSAGES, {**body, "from": "ada@example.com"})).status == 201
    path = f"/api/v1/users/{ada.id}"
    assert (await ada.send("PATCH", path, {"allowed_from": ["@shop.example"]})).status == 403
    allowed = await operator(api).send("PATCH", path, {"allowed_from": ["@SHOP.example", "b@example.org"]})
    assert allowed.body["allowed_from"] == ["@shop.example", "b@example.org"]
    assert (await ada.post(MESSAGES, body)).status == 201
    wrong = await operator(api).send("PATCH", path, {"allowed_from": ["@shop.example", "nobody"]})
    assert (wrong.status, wrong.faults) == (422, [(None, "allowed_from.1")])
    none = await operator(api).send("PATCH", path, {"allowed_from": []})
    assert none.body["allowed_from"] == []
    assert (await ada.post(MESSAGES, body)).status == 422


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("Content-Type", "html"),
        ("Cc", "cc"),
        ("Bcc", "bcc"),
        ("From", "from"),
        ("To", "recipient"),
        ("Date", "written"),
    ],
)
async def test_a_header_that_cannot_be_set_is_refused_by_name(ada: Person, name: str, use: str) -> None:
    answer = await ada.post(MESSAGES, {**MAIL, "headers": {name: "text/html"}})
    assert (answer.status, answer.faults) == (422, [(None, "headers")])
    assert repr(name) in answer.body["detail"]
    assert use in answer.body["detail"]


async def test_how_large_a_request_may_be(ada: Person) -> None:
    fits = {**MAIL, "attachments": [attachment(bytes(2 * 1024**2))]}
    assert (await ada.post(MESSAGES, fits)).status == 201
    over = await ada.post(MESSAGES, {**MAIL, "attachments": [attachment(bytes(4 * 1024**2))]})
    assert (over.status, over.body["detail"]) == (413, f"the body is larger than {4 * 1024**2} bytes")
    hook = await ada.post(
        MESSAGES, {"channel": "webhook", "recipient": "https://example.com/", "content": "x" * 1024**2}
    )
    assert hook.status == 413
    assert (await ada.post(f"{MESSAGES}/batch", {"messages": [fits]})).status == 413


async def test_a_field_within_another_is_named(ada: Person) -> None:
    answer = await ada.send("PATCH", "/api/v1/me", {"smtp": {"host": "mail.example.com", "tls": "never"}})
    assert (answer.status, answer.faults) == (422, [(None, "smtp.tls")])
    assert answer.body["detail"].startswith("smtp.tls ")


@pytest.mark.usefixtures("store")
async def test_addresses_of_ones_own_network_are_for_the_operator_to_open(settings: Settings) -> None:
    inside = msgspec.structs.replace(settings, email_addresses="internal")
    async with Api.serving(create_app(inside)) as api:
        assert (await operator(api).post(MESSAGES, {**MAIL, "recipient": "root@localhost"})).status == 201
    async with Api.serving(create_app(settings)) as api:
        refused = await operator(api).post(MESSAGES, {**MAIL, "recipient": "root@localhost"})
        assert (refused.status, refused.faults) == (422, [(None, "recipient")])
        assert (await operator(api).post(MESSAGES, {**MAIL, "recipient": "foo..bar@docomo.ne.jp"})).status == 201


async def test_a_large_attachment_is_decoded_in_pieces(
    ada: Person, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Watched(msgspec.Struct):
        def decode(self, piece: bytes) -> bytes:
            sizes.append(len(piece))
            return msgspec.json.decode(piece, type=bytes)

    monkeypatch.setattr(attached, "_bytes", Watched())
    monkeypatch.setattr(attached, "PIECE", 256 * 1024)
    content = bytes(range(256)) * 8192
    answer = await ada.post(MESSAGES, {**MAIL, "attachments": [attachment(content), attachment(b"small")]})
    assert answer.status == 201
    assert (len(sizes), max(sizes)) == (12, 256 * 1024 + len('""'))
    made = UUID(answer.body["id"])
    assert (await store.batches.mails([made]))[made].files == content + b"small"


async def test_a_large_attachment_that_is_no_base64(ada: Person) -> None:
    large = attachment(bytes(1024**2))
    for wrong in ("x", "AAA=" * 600_000, "A" * 2_500_001, "ü" * 900_000):
        answer = await ada.post(MESSAGES, {**MAIL, "attachments": [large, {"content": wrong}]})
        assert (answer.status, answer.faults) == (422, [(None, "attachments")])
        assert "base64" in answer.body["detail"].lower()
