"""api/dashboard/session.py, and what the cookie opens."""

from http.cookies import SimpleCookie

import msgspec

from api.dashboard import cookie
from tests.integration.api.accounts.people import OPERATORS_KEY, PASSWORD, admin, join, operator
from tests.integration.api.client import JSON, MESSAGE, Answer, Api

SESSION = "/dashboard/session"
ADA = {"email": "ada@example.com", "password": PASSWORD}
PAGE = {"Sec-Fetch-Site": "same-origin"}


async def log_in(api: Api, email: str = "ada@example.com") -> dict[str, str]:
    """The headers with which a browser that has logged in asks."""
    answer = await api.send("POST", SESSION, body={**ADA, "email": email}, headers={**JSON, **PAGE})
    assert answer.status == 201, answer.body
    return {**PAGE, "Cookie": f"{cookie.NAME}={cookie_of(answer)}"}


def cookie_of(answer: Answer) -> str:
    kept = SimpleCookie(answer.headers["Set-Cookie"])[cookie.NAME]
    return kept.value


async def test_the_cookie_opens_what_the_token_opens(api: Api) -> None:
    await join(api)
    browser = await log_in(api)
    assert (await api.get(SESSION, **browser)).body == {"email": "ada@example.com", "role": "user"}
    assert (await api.get("/api/v1/messages", **browser)).status == 200
    mail = {**MESSAGE, "channel": "email", "recipient": "bob@example.com"}
    sent = await api.post("/api/v1/messages", mail, **browser)
    assert sent.status == 201
    assert (await api.get("/api/v1/users", **browser)).status == 403


async def test_the_token_is_in_the_cookie_alone(api: Api) -> None:
    await join(api)
    answer = await api.send("POST", SESSION, body=ADA, headers={**JSON, **PAGE})
    assert answer.body == {"email": "ada@example.com", "role": "user"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert cookie_of(answer) not in msgspec.json.encode(answer.body).decode()


async def test_a_page_of_others_changes_nothing_with_it(api: Api) -> None:
    await join(api)
    browser = await log_in(api)
    for site in ("same-site", "cross-site", "none"):
        refused = await api.post("/api/v1/messages", MESSAGE, **{**browser, "Sec-Fetch-Site": site})
        assert refused.status == 403
    del browser["Sec-Fetch-Site"]
    assert (await api.post("/api/v1/messages", MESSAGE, **browser)).status == 403
    messages = await operator(api).get("/api/v1/messages")
    assert messages.body["messages"] == []


async def test_a_page_of_others_logs_nobody_in_or_out(api: Api) -> None:
    await join(api)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await api.send("POST", SESSION, body=ADA, headers={**JSON, **foreign})).status == 403
    out = await api.send("DELETE", SESSION, headers=foreign)
    assert out.status == 403
    assert "Set-Cookie" not in out.headers


async def test_a_header_counts_before_a_cookie(api: Api) -> None:
    await join(api)
    browser = await log_in(api)
    asked = await api.get(SESSION, **browser, Authorization=f"Bearer {OPERATORS_KEY}")
    assert asked.body == {"email": None, "role": "admin"}
    assert (await api.get(SESSION, **browser, Authorization="Bearer made-up")).status == 401


async def test_a_wrong_password_gives_no_cookie(api: Api) -> None:
    await join(api)
    refused = await api.send("POST", SESSION, body={**ADA, "password": "wrong"}, headers={**JSON, **PAGE})
    assert refused.status == 401
    assert "Set-Cookie" not in refused.headers


async def test_a_new_password_ends_the_session(api: Api) -> None:
    ada = await join(api)
    browser = await log_in(api)
    changed = {"password": "another " + PASSWORD, "current_password": PASSWORD}
    assert (await ada.send("PATCH", "/api/v1/me", changed)).status == 200
    assert (await api.get(SESSION, **browser)).status == 401


async def test_a_cookie_that_is_not_good_is_as_good_as_none(api: Api) -> None:
    for value in ("", "a.b.c", "x" * 5000):
        assert (await api.get(SESSION, Cookie=f"{cookie.NAME}={value}")).status == 401


async def test_an_admin_is_known_as_one(api: Api) -> None:
    await admin(api)
    browser = await log_in(api, "root@example.com")
    assert (await api.get(SESSION, **browser)).body == {"email": "root@example.com", "role": "admin"}
    assert (await api.post("/api/v1/queues/default/stop", **browser)).status == 200
