"""api/suppressions/routes.py and door.py: the list, and what it refuses"""

from typing import Any

import pytest

from sql.store import Store
from tests.integration.api.accounts.people import Person, admin, join, operator
from tests.integration.api.bounces.conftest import settings
from tests.integration.api.client import Api
from tidings.domain.ids import new_id
from tidings.domain.suppression import SuppressionReason

__all__ = ["settings"]

SUPPRESSIONS = "/api/v1/suppressions"
MESSAGES = "/api/v1/messages"
MAIL = {"channel": "email", "recipient": "ida@example.com", "content": "Hello"}


@pytest.fixture
async def ada(api: Api) -> Person:
    return await join(api, "ada@example.org")


async def suppress(store: Store, who: Person, *addresses: str) -> None:
    await store.suppressions.put(who.id, dict.fromkeys(addresses), SuppressionReason.BOUNCE)


async def test_added_by_hand_read_and_lifted(ada: Person) -> None:
    added = await ada.post(SUPPRESSIONS, {"address": "Ida@EXAMPLE.com", "detail": "asked for it"})
    assert added.status == 201
    assert (added.body["address"], added.body["reason"], added.body["detail"]) == (
        "ida@example.com",
        "manual",
        "asked for it",
    )
    again = await ada.post(SUPPRESSIONS, {"address": "ida@example.com"})
    assert (again.status, again.body) == (200, added.body)
    assert (await ada.get(SUPPRESSIONS)).body == {"suppressions": [added.body], "next_cursor": None}
    lifted = await ada.send("DELETE", f"{SUPPRESSIONS}/{added.body['id']}")
    assert (lifted.status, lifted.body) == (200, added.body)
    assert (await ada.send("DELETE", f"{SUPPRESSIONS}/{added.body['id']}")).status == 404
    assert (await ada.post(MESSAGES, MAIL)).status == 201


async def test_users_have_their_own_and_admins_all(api: Api, ada: Person, store: Store) -> None:
    bob, root = await join(api, "bob@example.org"), await admin(api)
    await suppress(store, ada, "ida@example.com")
    [hers] = (await ada.get(SUPPRESSIONS)).body["suppressions"]
    assert (await bob.get(SUPPRESSIONS)).body["suppressions"] == []
    assert (await bob.post(MESSAGES, MAIL)).status == 201
    assert (await bob.send("DELETE", f"{SUPPRESSIONS}/{hers['id']}")).status == 404
    assert (await bob.post(SUPPRESSIONS, {"address": "x@example.com", "user_id": str(ada.id)})).status == 403
    assert (await bob.post(SUPPRESSIONS, {"address": "x@example.com", "user_id": None})).status == 403
    assert (await bob.post(SUPPRESSIONS, {"address": "x@example.com", "user_id": str(bob.id)})).status == 201
    assert (await root.post(SUPPRESSIONS, {"address": "y@example.com", "user_id": str(ada.id)})).status == 201
    assert (await root.post(SUPPRESSIONS, {"address": "y@example.com", "user_id": str(new_id())})).status == 404
    assert (await root.post(SUPPRESSIONS, {"address": "z@example.com", "user_id": None})).body["user_id"] is None
    assert len((await root.get(SUPPRESSIONS)).body["suppressions"]) == 4
    assert (await root.send("DELETE", f"{SUPPRESSIONS}/{hers['id']}")).status == 200


async def test_pages_and_filters(ada: Person, store: Store) -> None:
    await suppress(store, ada, *(f"{number}@example.com" for number in range(5)))
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await ada.get(f"{SUPPRESSIONS}?limit=2{cursor}")).body
        seen += [each["address"] for each in page["suppressions"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == [f"{number}@example.com" for number in range(5)]
    found = (await ada.get(f"{SUPPRESSIONS}?address=3@EXAMPLE.com")).body["suppressions"]
    assert [each["address"] for each in found] == ["3@example.com"]
    assert (await ada.get(f"{SUPPRESSIONS}?reason=complaint")).body["suppressions"] == []
    for query in ("reason=x", "address=x", "limit=0", "cursor=x", "user=x"):
        assert (await ada.get(f"{SUPPRESSIONS}?{query}")).status == 422, query


@pytest.mark.parametrize(
    "body", [{"address": "x"}, {"address": "a@b.example\0"}, {"address": "a@b.example", "detail": "\0"}, {}]
)
async def test_what_cannot_be_added(body: dict[str, Any], ada: Person) -> None:
    assert (await ada.post(SUPPRESSIONS, body)).status == 422


async def test_the_door_says_why_and_since_when(ada: Person, store: Store) -> None:
    await suppress(store, ada, "ida@example.com")
    [kept] = (await ada.get(SUPPRESSIONS)).body["suppressions"]
    for recipient in ("ida@example.com", "IDA@Example.COM", "Ida <ida@example.com>"):
        refused = await ada.post(MESSAGES, {**MAIL, "recipient": recipient})
        assert (refused.status, refused.faults) == (422, [(None, "recipient")])
    since = kept["since"][:16].replace("T", " ")
    assert refused.body["errors"][0]["detail"] == (
        f"ida@example.com takes no more mail of yours since {since} UTC: a mail server said that there is no such "
        f"address; DELETE /api/v1/suppressions/{kept['id']} lifts it"
    )


async def test_an_internationalised_domain_is_one_however_it_is_written(ada: Person, store: Store) -> None:
    await suppress(store, ada, "jörg@bücher.example")
    for recipient in ("jörg@xn--bcher-kva.example", "jörg@BÜCHER.example"):
        assert (await ada.post(MESSAGES, {**MAIL, "recipient": recipient})).status == 422


async def test_copies_are_refused_too(ada: Person, store: Store) -> None:
    await suppress(store, ada, "ida@example.com", "grace@example.com")
    refused = await ada.post(
        MESSAGES, {**MAIL, "recipient": "x@example.com", "cc": ["ida@example.com"], "bcc": ["grace@example.com"]}
    )
    assert refused.faults == [(None, "cc"), (None, "bcc")]


async def test_other_channels_are_not_asked(api: Api, store: Store) -> None:
    await store.suppressions.put(None, {"ida@example.com": None}, SuppressionReason.MANUAL)
    body = {"channel": "echo", "recipient": "ida@example.com", "content": "Hello"}
    assert (await operator(api).post(MESSAGES, body)).status == 201
    assert (await operator(api).post(MESSAGES, MAIL)).status == 422


async def test_a_batch_is_one_query_and_names_each(
    ada: Person, store: Store, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.http.resources import STORE

    await suppress(store, ada, "1@example.com", "3@example.com")
    asked: list[int] = []
    among = app[STORE].suppressions.among

    async def counted(user_id: Any, addresses: Any) -> Any:
        asked.append(len(addresses))
        return await among(user_id, addresses)

    monkeypatch.setattr(app[STORE].suppressions, "among", counted)
    mails = [{**MAIL, "recipient": f"{number}@example.com"} for number in range(5)]
    refused = await ada.post(f"{MESSAGES}/batch", {"messages": [*mails, {**MAIL, "recipient": "nobody"}]})
    assert refused.faults == [(1, "recipient"), (3, "recipient"), (5, "recipient")]
    assert asked == [5]
    assert (await ada.get(MESSAGES)).body["messages"] == []


async def test_a_retry_says_why_not(ada: Person, store: Store) -> None:
    created = (await ada.post(MESSAGES, MAIL)).body
    await suppress(store, ada, "ida@example.com")
    refused = await ada.post(f"{MESSAGES}/{created['id']}/retry")
    assert refused.status == 409
    assert refused.body["detail"].startswith("ida@example.com takes no more mail of yours since ")


async def test_an_earlier_request_keeps_its_answer(ada: Person, store: Store) -> None:
    headers = {
        "Authorization": f"Bearer {ada.credential}",
        "Idempotency-Key": "once",
        "Content-Type": "application/json",
    }
    first = await ada.api.send("POST", MESSAGES, headers=headers, body=MAIL)
    await suppress(store, ada, "ida@example.com")
    again = await ada.api.send("POST", MESSAGES, headers=headers, body=MAIL)
    assert (first.status, again.status, again.body["id"]) == (201, 201, first.body["id"])


async def test_clients_of_the_older_mail_queue_are_answered_in_their_shape(ada: Person, store: Store) -> None:
    await suppress(store, ada, "ida@example.com")
    task = {"recipient_email": "ida@example.com", "subject": "Hi", "body": "Hello"}
    async with ada.api._session.post(
        ada.api.url.with_path("/api/v1/task/enqueue"), json=task, headers={"Authorization": f"Bearer {ada.credential}"}
    ) as response:
        answer = await response.json()
    assert (response.status, answer["status"], set(answer)) == (400, 400, {"error", "status"})
    assert answer["error"].startswith("recipient_email ida@example.com takes no more mail of yours since ")
