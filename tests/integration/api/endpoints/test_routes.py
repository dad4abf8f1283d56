"""api/endpoints: made, changed, disabled, enabled, deleted, tried out, and sent again what was missed."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
import trustme

from sql.store import Store
from tests.integration.api.accounts.people import Person, join, operator
from tests.integration.api.client import Answer, Api
from tests.integration.api.endpoints.conftest import KEY
from tidings.domain.endpoint import Private
from tidings.security.secretbox import Purpose, SecretBox

PATH, URL = "/api/v1/endpoints", "https://hooks.example.com/in"
BOX = SecretBox((KEY,))


async def make(who: Person, **wanted: Any) -> dict[str, Any]:
    made = await who.post(PATH, {"url": URL, **wanted})
    assert made.status == 201, made.body
    return made.body


async def change(who: Person, endpoint: dict[str, Any], **wanted: Any) -> Answer:
    return await who.send("PATCH", f"{PATH}/{endpoint['id']}", wanted)


async def emit(who: Person, **wanted: Any) -> str:
    kept = await who.post("/api/v1/events", {"type": "a.b", "payload": {"n": 1}, **wanted})
    assert kept.status == 201, kept.body
    return str(kept.body["id"])


async def cancel_all(store: Store) -> None:
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE messages SET status = 'cancelled', cancel_reason = 'exhausted' WHERE status = 'pending'"
        )


async def test_secrets_are_shown_once_and_kept_sealed(api: Api, store: Store) -> None:
    ada = await join(api)
    certificate = trustme.CA().issue_cert("client.example.com")
    pem = {
        "certificate": certificate.cert_chain_pems[0].bytes().decode(),
        "key": certificate.private_key_pem.bytes().decode(),
    }
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = await make(
        ada,
        headers={"X-Key": "hush hush"},
        credentials={"type": "basic", "username": "me", "password": "swordfish"},
        client_certificate=pem,
        secret=own,
    )
    assert made["secret"] == own
    shown = (await ada.get(f"{PATH}/{made['id']}")).body
    assert "secret" not in shown
    assert (shown["headers"], shown["credentials"], shown["has_client_certificate"]) == ({"X-Key": "…"}, "basic", True)
    async with store.database.pool.acquire() as connection:
        row = await connection.fetchval("SELECT endpoints::text FROM endpoints")
    for secret in ("hush", "swordfish", own, "PRIVATE"):
        assert secret.encode().hex() not in row
        assert secret not in row
    kept = await store.endpoints.get(UUID(made["id"]))
    assert kept is not None
    assert kept.sealed is not None
    private = msgspec.json.decode(BOX.unseal(kept.sealed, Purpose.ENDPOINT, kept.id), type=Private)
    assert (private.headers, private.key) == ({"X-Key": "hush hush"}, pem["key"])
    assert "swordfish" not in repr((kept, private))


async def test_what_is_absent_stays_and_null_clears(api: Api, store: Store) -> None:
    ada = await join(api)
    made = await make(ada, headers={"X-Key": "hush"}, event_types=["a.*"], rate_limit=5, retry={"delays": [1, 2]})
    changed = await change(ada, made, url="https://hooks.example.com/two", event_types=None, customer="acme")
    assert changed.status == 200, changed.body
    same = {name: value for name, value in made.items() if name not in {"secret", "updated_at"}}
    assert {name: value for name, value in changed.body.items() if name != "updated_at"} == {
        **same,
        "url": "https://hooks.example.com/two",
        "event_types": None,
        "customer": "acme",
    }
    changed = await change(ada, made, headers={}, credentials={"type": "bearer", "token": "t"}, rate_limit=None)
    assert (changed.body["headers"], changed.body["credentials"], changed.body["rate_limit"]) == ({}, "bearer", None)
    cleared = await change(ada, made, credentials=None)
    assert cleared.body["credentials"] is None
    kept = await store.endpoints.get(UUID(made["id"]))
    assert kept is not None
    assert kept.sealed is None


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(api: Api, store: Store) -> None:
    ada = await join(api)
    made = await make(ada)
    rotated = (await ada.post(f"{PATH}/{made['id']}/secret/rotate", {})).body
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"] is not None
    kept = await store.endpoints.get(UUID(made["id"]))
    assert kept is not None
    assert kept.previous_secret is not None
    assert BOX.unseal(kept.previous_secret, Purpose.WEBHOOK_SECRET, kept.id) == made["secret"]
    # A key that is not for credentials cannot be told one.
    program = await ada.key()
    assert (await program.post(f"{PATH}/{made['id']}/secret/rotate", {})).status == 403
    assert (await program.get(PATH)).status == 200


async def test_what_does_not_fit_is_refused(api: Api) -> None:
    ada = await join(api)
    for wanted, field in (
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"event_types": ["*.paid"]}, "event_types"),
        ({"event_types": []}, "event_types"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"webhook-id": "x"}}, "headers"),
        ({"headers": {"X": "a\nb"}}, "headers"),
        ({"headers": {f"X-{n}": "x" * 4000 for n in range(5)}}, "headers"),
        ({"headers": {f"X-{n}": "" for n in range(51)}}, "headers"),
        ({"credentials": {"type": "bearer", "token": "a\nb"}}, "credentials"),
        ({"headers": {"authorization": "x"}, "credentials": {"type": "bearer", "token": "t"}}, "credentials"),
        ({"client_certificate": {"certificate": "no", "key": "no"}}, "client_certificate"),
        ({"secret": "whsec_short"}, "secret"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"customer": "a\0"}, "customer"),
        ({"description": "x" * 501}, "description"),
    ):
        refused = await ada.post(PATH, {"url": URL, **wanted})
        assert refused.status == 422, (wanted, refused.body)
        assert refused.faults[0][1] == field, (wanted, refused.body)


async def test_users_have_their_own_and_admins_all(api: Api) -> None:
    ada, bob = await join(api), await join(api, "bob@example.com")
    hers, operators = await make(ada, customer="acme"), await make(operator(api))
    for who, ids in ((ada, [hers]), (bob, []), (operator(api), [operators, hers])):
        assert [each["id"] for each in (await who.get(PATH)).body["endpoints"]] == [each["id"] for each in ids]
    assert (await ada.get(f"{PATH}?customer=globex")).body["endpoints"] == []
    assert (await ada.get(f"{PATH}?customer=")).faults == [(None, "customer")]
    page = (await operator(api).get(f"{PATH}?limit=1")).body
    assert [each["id"] for each in page["endpoints"]] == [operators["id"]]
    assert (await operator(api).get(f"{PATH}?limit=1&cursor={page['next_cursor']}")).body["endpoints"][0]["id"] == hers[
        "id"
    ]
    path = f"{PATH}/{hers['id']}"
    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
        ("POST", "/secret/rotate", {}),
        ("POST", "/test", {}),
        ("POST", "/recover", {"since": 0}),
        ("POST", "/replay", {"since": 0}),
    ):
        refused = await bob.send(method, f"{path}{tail}", body)
        assert (refused.status, refused.body["detail"]) == (404, "there is no such endpoint"), (method, tail)


async def test_what_passed_a_disabled_endpoint_by_is_recovered_once(api: Api, store: Store) -> None:
    ada = await join(api)
    made = await make(ada)
    path = f"{PATH}/{made['id']}"
    await emit(ada)
    disabled = await ada.post(f"{path}/disable")
    assert (disabled.status, disabled.body["disabled_reason"]) == (200, "requested")
    missed = await emit(ada)
    assert (await ada.get(f"/api/v1/events/{missed}")).body["messages"] == 0
    refused = await ada.post(f"{path}/recover", {"since": 0})
    assert (refused.status, refused.body["detail"]) == (409, "it is disabled; enable it first")
    assert (await ada.post(f"{path}/test", {})).status == 409
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE messages SET held_reason = 'endpoint_disabled', held_since = now(),"
            " due_at = now() + interval '9 min'"
        )
    assert (await ada.get(path)).body["traffic"]["held"] == 1
    assert (await ada.post(f"{path}/enable")).body["messages"] == 1
    # The first still waits, so only the other one is missing.
    assert (await ada.post(f"{path}/recover", {"since": 0})).body == {"messages": 1, "next_cursor": None}
    assert (await ada.post(f"{path}/recover", {"since": 0})).body == {"messages": 0, "next_cursor": None}
    await cancel_all(store)
    assert (await ada.post(f"{path}/recover", {"since": 0})).body["messages"] == 2


async def test_a_span_of_time_is_sent_again_also_what_was_sent(api: Api, store: Store) -> None:
    ada = await join(api)
    made = await make(ada)
    path = f"{PATH}/{made['id']}"
    sent, failed = await emit(ada), await emit(ada)
    async with store.database.pool.acquire() as connection:
        for event, update in (
            (sent, "status = 'processing', batch_id = id"),
            (sent, "status = 'sent', sent_at = now(), batch_id = NULL"),
        ):
            await connection.execute(f"UPDATE messages SET {update} WHERE event_id = $1", UUID(event))
    await cancel_all(store)
    assert (await ada.post(f"{path}/replay", {"since": 0, "until": 1})).body["messages"] == 0
    assert (await ada.post(f"{path}/replay", {"since": 0, "which": "failed"})).body["messages"] == 1
    # That one waits by now.
    assert (await ada.post(f"{path}/replay", {"since": 0})).body["messages"] == 1
    statuses = [(await ada.get(f"/api/v1/events/{each}")).body["statuses"] for each in (sent, failed)]
    assert statuses == [{"sent": 1, "pending": 1}, {"cancelled": 1, "pending": 1}]


async def test_a_test_event_goes_to_one_endpoint_alone(api: Api, store: Store) -> None:
    ada = await join(api)
    made = await make(ada, event_types=["never.this"], customer="acme")
    await make(ada, customer="acme")
    tried = await ada.post(f"{PATH}/{made['id']}/test", {})
    assert tried.status == 201, tried.body
    event = (await ada.get(f"/api/v1/events/{tried.body['event_id']}")).body
    assert (event["type"], event["customer"], event["payload"]["test"]) == ("tidings.test", "acme", True)
    assert [(each["id"], each["endpoint_id"]) for each in event["deliveries"]] == [
        (tried.body["message_id"], made["id"])
    ]
    await cancel_all(store)
    assert (await ada.post(f"{PATH}/{made['id']}/recover", {"since": 0})).body["messages"] == 0


@pytest.mark.parametrize("payload", [{"invoice": 1}, [1], "text", 0, False])
async def test_a_test_event_may_say_anything(api: Api, payload: object) -> None:
    ada = await join(api)
    made = await make(ada)
    tried = await ada.post(f"{PATH}/{made['id']}/test", {"type": "invoice.paid", "payload": payload})
    assert tried.status == 201, tried.body
    event = (await ada.get(f"/api/v1/events/{tried.body['event_id']}")).body
    assert (event["type"], event["payload"]) == ("invoice.paid", payload)


async def test_what_waits_is_cancelled_with_its_endpoint(api: Api) -> None:
    ada = await join(api)
    made = await make(ada)
    event = await emit(ada)
    deleted = await ada.send("DELETE", f"{PATH}/{made['id']}")
    assert (deleted.status, deleted.body["cancelled"]) == (200, 1)
    assert (await ada.get(f"{PATH}/{made['id']}")).status == 404
    [delivery] = (await ada.get(f"/api/v1/events/{event}")).body["deliveries"]
    assert (delivery["cancel_reason"], delivery["last_error"]) == ("requested", "its endpoint was deleted")


async def test_changes_are_in_the_audit_log_without_secrets(api: Api) -> None:
    ada = await join(api)
    made = await make(ada, headers={"X-Key": "hush"})
    await change(ada, made, headers={"X-Key": "psst"})
    await ada.post(f"{PATH}/{made['id']}/secret/rotate", {})
    entries = (await operator(api).get(f"/api/v1/audit?subject={made['id']}")).body
    assert [each["action"] for each in entries["audit"]] == [
        "endpoint.rotate_secret",
        "endpoint.change",
        "endpoint.create",
    ]
    assert "hush" not in str(entries)
    assert "psst" not in str(entries)
