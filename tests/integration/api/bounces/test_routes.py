"""api/bounces/routes.py: what comes of a report"""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import aiohttp
import pytest

from api.bounces import routes
from sql.store import Store
from tests.integration.api.accounts.people import OPERATORS_KEY, Person, admin, join, operator
from tests.integration.api.bounces.conftest import BOUNCES, Hand, keep_mail
from tests.integration.api.client import Api
from tests.unit.api.bounces import samples
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import KeptMail, Mailbox, MailParts
from tidings.domain.timestamps import utc_now

SUPPRESSIONS = "/api/v1/suppressions"


@pytest.fixture
async def ada(api: Api) -> Person:
    return await join(api, "ada@example.org")


async def listed(who: Person) -> list[tuple[str, str]]:
    return [(each["address"], each["reason"]) for each in (await who.get(SUPPRESSIONS)).body["suppressions"]]


@pytest.mark.parametrize("name", ["POSTFIX", "EXIM", "EXCHANGE", "GMAIL", "SES"])
async def test_a_hard_bounce(name: str, ada: Person, store: Store, hand: Hand) -> None:
    message_id = await keep_mail(store, ada.id)
    waiting = await keep_mail(store, ada.id, "IDA@example.com", due_at=utc_now() + timedelta(days=1))
    answer = await hand(getattr(samples, name), message_id)
    assert answer.status == 200, answer.body
    assert (answer.body["message_id"], answer.body["receipt"]) == (str(message_id), "undelivered")
    [recipient] = answer.body["recipients"]
    assert (recipient["address"], recipient["event"], recipient["suppressed"]) == (
        "ida@example.com",
        "undelivered",
        True,
    )
    shown = (await ada.get(f"/api/v1/messages/{message_id}")).body
    assert (shown["status"], shown["receipt"]) == ("cancelled", "undelivered")
    assert recipient["diagnostic"] in shown["receipt_detail"]
    [kept] = (await ada.get(SUPPRESSIONS)).body["suppressions"]
    assert (kept["address"], kept["reason"], kept["message_id"], kept["user_id"]) == (
        "ida@example.com",
        "bounce",
        str(message_id),
        str(ada.id),
    )
    cancelled = (await ada.get(f"/api/v1/messages/{waiting}")).body
    assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "suppressed")
    assert (await hand(getattr(samples, name), message_id)).body == answer.body
    assert len(await listed(ada)) == 1


@pytest.mark.parametrize(
    ("name", "receipt"),
    [
        ("POSTFIX_DELAYED", None),
        ("POSTFIX_EXPIRED", "undelivered"),
        ("EXIM_TIMEOUT", "undelivered"),
        ("EXIM_SILENT_TIMEOUT", "undelivered"),
        ("SPAM_BLOCK", "undelivered"),
        ("DELIVERED", "delivered"),
        ("NOT_SPAM", None),
    ],
)
async def test_what_suppresses_nothing(name: str, receipt: str | None, ada: Person, store: Store, hand: Hand) -> None:
    message_id = await keep_mail(store, ada.id)
    answer = await hand(getattr(samples, name), message_id)
    assert (answer.status, answer.body["receipt"]) == (200, receipt)
    shown = (await ada.get(f"/api/v1/messages/{message_id}")).body
    assert (shown["receipt"], shown["receipt_at"] is None) == (receipt, receipt is None)
    assert (shown["status"], await listed(ada)) == ("pending", [])


@pytest.mark.parametrize("name", ["COMPLAINT", "REDACTED_COMPLAINT"])
async def test_a_complaint(name: str, ada: Person, store: Store, hand: Hand) -> None:
    message_id = await keep_mail(store, ada.id)
    answer = await hand(getattr(samples, name), message_id)
    assert answer.body["receipt"] is None, "it was delivered"
    assert await listed(ada) == [("ida@example.com", "complaint")]


async def test_each_recipient_of_a_mail_for_itself(ada: Person, store: Store, hand: Hand) -> None:
    parts = MailParts(cc=(Mailbox(email="grace@example.com"),), bcc=(Mailbox(email="Full@example.com"),))
    message_id = await keep_mail(store, ada.id, mail=KeptMail(parts=parts), mail_bytes=10)
    answer = await hand(samples.SEVERAL, message_id)
    assert [(each["address"], each["event"], each["suppressed"]) for each in answer.body["recipients"]] == [
        ("ida@example.com", "undelivered", True),
        ("grace@example.com", "delivered", False),
        ("Full@example.com", "undelivered", False),
        (None, "undelivered", False),
    ]
    assert answer.body["receipt"] == "undelivered"
    assert await listed(ada) == [("ida@example.com", "bounce")]


async def test_an_address_that_a_server_forwarded_to_is_the_one_that_it_was_sent_to(
    ada: Person, store: Store, hand: Hand
) -> None:
    message_id = await keep_mail(store, ada.id, "list@forwarder.example")
    assert (await hand(samples.POSTFIX, message_id)).body["recipients"][0]["address"] == "list@forwarder.example"
    assert await listed(ada) == [("list@forwarder.example", "bounce")]


async def test_a_report_that_is_not_english(ada: Person, store: Store, hand: Hand) -> None:
    message_id = await keep_mail(store, ada.id, "jörg@bücher.example")
    answer = await hand(samples.NON_ENGLISH, message_id)
    assert answer.body["recipients"][0]["diagnostic"] == "smtp; 550 5.1.1 Empfänger unbekannt: «jörg»"
    assert await listed(ada) == [("jörg@bücher.example", "bounce")]


async def test_whose_message_it_is(api: Api, ada: Person, store: Store, hand: Hand) -> None:
    message_id = await keep_mail(store, ada.id)
    bob, root = await join(api, "bob@example.org"), await admin(api)
    refused = await hand(samples.POSTFIX, message_id, bob.credential)
    assert (refused.status, refused.body["detail"]) == (404, "it names no message of yours that is kept here")
    assert (await ada.get(f"/api/v1/messages/{message_id}")).body["receipt"] is None
    assert await listed(ada) == await listed(bob) == []
    assert (await hand(samples.POSTFIX, message_id, (await ada.key()).credential)).status == 200
    assert (await hand(samples.POSTFIX, message_id, root.credential)).status == 200
    assert await listed(bob) == []


async def test_who_forges_a_report_reaches_no_address_but_those_of_the_message(
    ada: Person, store: Store, hand: Hand
) -> None:
    parts = MailParts(cc=(Mailbox(email="grace@example.com"),))
    message_id = await keep_mail(store, ada.id, mail=KeptMail(parts=parts), mail_bytes=10)
    forged = samples.POSTFIX.replace(b"ida@example.com", b"victim@example.net").replace(b"Ida@Example.com", b"x@y.de")
    answer = await hand(forged, message_id)
    assert (answer.status, answer.body["receipt"]) == (200, None)
    assert answer.body["recipients"][0]["address"] is None
    assert await listed(ada) == []


async def test_it_is_about_mail(ada: Person, store: Store, hand: Hand) -> None:
    assert (await hand(samples.POSTFIX, new_id())).status == 404
    message_id = await keep_mail(store, ada.id)
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE messages SET channel = 'echo' WHERE id = $1", message_id)
    assert (await hand(samples.POSTFIX, message_id)).status == 404


async def test_the_pipe_may_say_whom_the_report_came_for(ada: Person, store: Store, hand: Hand) -> None:
    message_id = await keep_mail(store, ada.id)
    raw = samples.POSTFIX.replace(b"Message-ID", b"X-Was")
    assert (await hand(raw, message_id)).status == 404
    query = f"?recipient=bounces%2B{message_id}@sender.example"
    assert (await hand(raw, message_id, query=query)).body["message_id"] == str(message_id)


async def test_the_operators_own_mail(api: Api, store: Store, hand: Hand) -> None:
    message_id = await keep_mail(store, None)
    assert (await hand(samples.POSTFIX, message_id)).status == 200
    [kept] = (await operator(api).get(SUPPRESSIONS)).body["suppressions"]
    assert kept["user_id"] is None


@pytest.mark.parametrize("raw", [b"", b"Hello", samples.POSTFIX.replace(b"Action: failed", b"Action: x"), b"\0\xff"])
async def test_what_is_no_report(raw: bytes, hand: Hand) -> None:
    answer = await hand(raw, new_id())
    assert answer.status == 422
    assert answer.body["detail"].startswith("it ")


async def test_another_media_type(api: Api) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {OPERATORS_KEY}"}
    answer = await api.send("POST", BOUNCES, headers=headers, body=b"{}")
    assert (answer.status, "message/rfc822" in answer.body["detail"]) == (415, True)


async def test_a_report_that_returns_a_large_mail_is_read_from_its_beginning(
    ada: Person, store: Store, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await keep_mail(store, ada.id)
    large = samples.POSTFIX.replace(b"Hello", b"attachment\r\n" * 200_000)
    assert len(large) > 2 * routes.READ_BYTES
    assert (await hand(large, message_id)).status == 200
    monkeypatch.setattr(routes, "MAX_REPORT", 1024**2)
    assert (await hand(large, message_id)).status == 413


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_stranger_hands_over_nothing(api: Api, session: aiohttp.ClientSession, store: Store) -> None:
    message_id: UUID = await keep_mail(store, None)
    url = api.url.join(api.url.with_path(BOUNCES))
    async with session.post(url, data=samples.POSTFIX, headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 401
    message = await store.messages.get(message_id)
    assert message is not None
    assert message.receipt is None
