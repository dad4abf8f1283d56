"""api/accounts/users_routes.py: what an admin does with users."""

from uuid import uuid4

import pytest

from tests.integration.api.accounts.people import PASSWORD, SMTP, admin, join, log_in, operator
from tests.integration.api.client import Api

USERS = "/api/v1/users"


async def test_users_come_in_pages(api: Api) -> None:
    emails = [f"user{number}@example.com" for number in range(5)]
    for email in emails:
        await operator(api).post(USERS, {"email": email, "password": PASSWORD})
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await operator(api).get(f"{USERS}?limit=2{cursor}")).body
        seen += [user["email"] for user in page["users"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == emails


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "cursor=x", "status=sent"])
async def test_a_page_that_cannot_be(api: Api, query: str) -> None:
    answer = await operator(api).get(f"{USERS}?{query}")
    assert (answer.status, answer.faults) == (422, [(None, query.partition("=")[0])])


async def test_an_admin_makes_a_user(api: Api) -> None:
    wanted = {"email": "ada@example.com", "password": PASSWORD, "role": "admin", "channels": ["sms"], "smtp": SMTP}
    made = await (await admin(api)).post(USERS, wanted)
    assert made.status == 201
    assert (made.body["role"], made.body["channels"]) == ("admin", ["sms"])
    shown = await operator(api).get(made.headers["Location"])
    assert (shown.status, shown.body) == (200, made.body)
    assert str(SMTP["password"]) not in str(made.body)
    await log_in(api, "ada@example.com")


async def test_role_and_channels(api: Api) -> None:
    ada = await join(api)
    await admin(api)
    path = f"{USERS}/{ada.id}"
    assert (await ada.get(USERS)).status == 403
    promoted = await operator(api).send("PATCH", path, {"role": "admin"})
    assert promoted.body["role"] == "admin"
    assert "sms" in promoted.body["channels"]
    assert (await ada.get(USERS)).status == 200
    demoted = await ada.send("PATCH", path, {"role": "user", "channels": ["webhook", "sms"]})
    assert (demoted.body["role"], demoted.body["channels"]) == ("user", ["sms", "webhook"])
    assert (await ada.get(USERS)).status == 403
    for channels, usable in (([], []), (None, ["email", "webhook"])):
        assert (await operator(api).send("PATCH", path, {"channels": channels})).body["channels"] == usable


async def test_to_go_before_others_is_a_right_that_an_admin_gives(api: Api) -> None:
    ada = await join(api)
    path = f"{USERS}/{ada.id}"
    assert (await ada.get("/api/v1/me")).body["may_prioritize"] is False
    urgent = {"channel": "webhook", "recipient": "https://example.com/", "content": "x", "priority": "high"}
    of_a_customer = {**urgent, "priority": "normal", "fairness_key": "customer 1"}
    assert (await ada.send("PATCH", path, {"may_prioritize": True})).status == 403
    for message, field in ((urgent, "priority"), (of_a_customer, "fairness_key")):
        refused = await ada.post("/api/v1/messages", message)
        assert (refused.status, refused.faults) == (422, [(None, field)])
        assert "is a right that an admin gives" in refused.body["errors"][0]["detail"]
        batch = await ada.post("/api/v1/messages/batch", {"messages": [message]})
        assert "is a right that an admin gives" in str(batch.body)
    given = await operator(api).send("PATCH", path, {"may_prioritize": True})
    assert (given.status, given.body["may_prioritize"]) == (200, True)
    for message in (urgent, of_a_customer):
        made = await (await log_in(api, ada.email)).post("/api/v1/messages", message)
        assert (made.status, made.body["priority"]) == (201, message["priority"])
    taken = await operator(api).send("PATCH", path, {"may_prioritize": False})
    assert taken.body["may_prioritize"] is False


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": "root"}, "role"),
        ({"role": None}, "role"),
        ({"channels": ["pigeon"]}, "channels"),
        ({"email": "a@b.c"}, "email"),
    ],
)
async def test_a_change_that_cannot_be(api: Api, change: dict[str, object], field: str) -> None:
    ada = await join(api)
    before = (await ada.get("/api/v1/me")).body
    answer = await operator(api).send("PATCH", f"{USERS}/{ada.id}", change)
    assert (answer.status, answer.faults) == (422, [(None, field)])
    assert (await ada.get("/api/v1/me")).body == before


@pytest.mark.parametrize("user_id", [uuid4(), "x", "%00"])
async def test_nobody(api: Api, user_id: object) -> None:
    assert (await operator(api).get(f"{USERS}/{user_id}")).status == 404
    assert (await operator(api).send("PATCH", f"{USERS}/{user_id}", {"role": "admin"})).status == 404
