"""api/accounts/smtp_routes.py: several SMTP accounts, and a mail to oneself through one"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from api.accounts import smtp_trials
from sql.store import Store
from tests.integration.api.accounts.people import OPERATORS_KEY, SMTP, Person, join, log_in, operator
from tests.integration.api.client import Api
from tests.integration.channels.smtp.conftest import authority
from tests.integration.channels.smtp_server import HOST, PASSWORD, USERNAME, Security, SmtpServer, smtp_server
from tidings.channels.http.resolving import REFUSED
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

__all__ = ["authority"]

ACCOUNTS = "/api/v1/me/smtp-accounts"
MESSAGES = "/api/v1/messages"
MAIL: dict[str, Any] = {"channel": "email", "recipient": "ida@example.com", "content": "Hello"}
KEY = new_key()
OAUTH = {"token_url": "https://login.example.com/token", "client_id": "tidings", "refresh_token": "swordfish"}


@pytest.fixture
def settings(settings: Settings, authority: trustme.CA, tmp_path: Path) -> Settings:
    """Where the operator's account is open to nobody."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(KEY,),
        smtp_ca_file=str(ca_file),
        smtp_open_to="nobody",
    )


@pytest.fixture
async def server(authority: trustme.CA) -> AsyncIterator[SmtpServer]:
    async with smtp_server(Security.STARTTLS, authority) as server:
        yield server


@pytest.fixture
async def ada(api: Api) -> Person:
    return await join(api)


def account_at(server: SmtpServer, **more: Any) -> dict[str, Any]:
    return {"host": HOST, "port": server.port, "username": USERNAME, "password": PASSWORD, **more}


async def test_made_listed_replaced_and_deleted(ada: Person) -> None:
    assert (await ada.get(ACCOUNTS)).body == {"smtp_accounts": []}
    made = await ada.post(ACCOUNTS, {"name": "shop", **SMTP, "from": "The shop <ada@example.com>", "per_hour": 100})
    assert (made.status, made.headers["Location"]) == (201, f"{ACCOUNTS}/shop")
    assert made.body == {
        "name": "shop",
        "is_default": True,
        "host": "mail.example.com",
        "port": 587,
        "tls": "starttls",
        "username": "ada",
        "has_password": True,
        "oauth": None,
        "from": {"email": "ada@example.com", "name": "The shop"},
        "per_hour": 100,
        "max_connections": None,
    }
    assert (await ada.post(ACCOUNTS, {"name": "shop", **SMTP})).status == 409
    oauth = await ada.send("PUT", f"{ACCOUNTS}/news", {"host": "b.example.com", "username": "b", "oauth": OAUTH})
    assert (oauth.status, oauth.body["is_default"]) == (200, False)
    assert oauth.body["oauth"] == {"token_url": OAUTH["token_url"], "client_id": "tidings"}
    assert "swordfish" not in str((await ada.get(ACCOUNTS)).body)
    # The profile, and the clients that know one account only, have the default one.
    assert (await ada.get("/api/v1/me")).body["smtp"]["host"] == "mail.example.com"
    await ada.send("PUT", f"{ACCOUNTS}/news", {"host": "b.example.com", "is_default": True})
    assert (await ada.get("/api/v1/me")).body["smtp"]["host"] == "b.example.com"
    replaced = await ada.send("PUT", "/api/v1/me/smtp", {"host": "c.example.com"})
    assert (replaced.status, replaced.body["name"], replaced.body["host"]) == (200, "news", "c.example.com")
    assert (await ada.send("DELETE", f"{ACCOUNTS}/news")).body["name"] == "news"
    assert (await ada.send("DELETE", f"{ACCOUNTS}/news")).status == 404
    assert [each["name"] for each in (await ada.get(ACCOUNTS)).body["smtp_accounts"]] == ["shop"]


async def test_secrets_are_sealed(ada: Person, store: Store) -> None:
    await ada.post(ACCOUNTS, {"name": "shop", "host": "b.example.com", "username": "b", "oauth": OAUTH})
    assert ada.id is not None
    [kept] = await store.smtp_accounts.list(ada.id)
    assert kept.account.oauth is not None
    sealed = kept.account.oauth.refresh_token
    assert SecretBox([KEY]).unseal(sealed, Purpose.SMTP_PASSWORD, ada.id) == "swordfish"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "operator"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "n" * 65}, "name"),
        ({"host": "a host"}, "host"),
        ({"username": None}, "username"),
        ({"username": "svc@corp.local"}, "username"),
        ({"password": None}, "password"),
        ({"password": "x", "oauth": OAUTH}, "password"),
        ({"oauth": {**OAUTH, "token_url": "file:///etc/passwd"}}, "oauth.token_url"),
        ({"oauth": {"token_url": OAUTH["token_url"]}}, "oauth"),
        ({"from": "boss@example.com"}, "from"),
        ({"from": "nobody"}, "from"),
        ({"per_hour": 0}, "per_hour"),
        ({"max_connections": 0}, "max_connections"),
        ({"tls": "ssl"}, "tls"),
    ],
)
async def test_what_is_no_account(ada: Person, body: dict[str, Any], field: str) -> None:
    refused = await ada.post(ACCOUNTS, {"name": "shop", **SMTP, **body})
    assert (refused.status, refused.faults) == (422, [(None, field)])


async def test_a_login_that_cannot_be_a_sender_goes_with_one_that_can(ada: Person) -> None:
    smtp = {**SMTP, "username": "svc@corp.local"}
    refused = await ada.send("PATCH", "/api/v1/me", {"smtp": smtp})
    assert (refused.status, refused.faults) == (422, [(None, "smtp.username")])
    assert "corp.local" in refused.body["detail"]
    assert (await ada.post(ACCOUNTS, {"name": "shop", **smtp, "from": "ada@example.com"})).status == 201
    # The profile changes how that one logs in, and leaves whom its mail is from.
    assert (await ada.send("PATCH", "/api/v1/me", {"smtp": {**smtp, "username": "other@corp.local"}})).status == 200


async def test_mail_without_an_account_is_refused_at_the_door_and_by_each_account_taken(
    api: Api, ada: Person, store: Store
) -> None:
    refused = await ada.post(MESSAGES, MAIL)
    assert (refused.status, refused.faults) == (422, [(None, "channel")])
    assert "PUT /api/v1/me/smtp" in refused.body["detail"]
    await ada.post(ACCOUNTS, {"name": "shop", **SMTP})
    await ada.post(ACCOUNTS, {"name": "news", **SMTP})
    assert (await ada.post(MESSAGES, MAIL)).body["account"] is None
    by_news = await ada.post(MESSAGES, {**MAIL, "account": "news"})
    assert (by_news.status, by_news.body["account"]) == (201, "news")
    hook = {"channel": "webhook", "recipient": "https://example.com/in", "content": "Hello", "account": "news"}
    batch = {"messages": [MAIL, {**MAIL, "account": "other"}, hook]}
    refused = await ada.post(f"{MESSAGES}/batch", batch)
    assert (refused.status, refused.faults) == (422, [(1, "account"), (2, "account")])
    # The operator has SMTP_URL here.
    assert (await operator(api).post(MESSAGES, MAIL)).status == 201


async def test_clients_of_the_older_mail_queue_need_no_more_than_to_register(api: Api) -> None:
    smtp = {"smtp_host": "mail.example.com", "smtp_port": 587, "smtp-username": "x", "smtp-password": "y"}
    await api.post("/api/v1/register", {"email": "s3@example.com", "password": "correct horse battery", **smtp})
    person = await log_in(api, "s3@example.com", "correct horse battery")
    task = {"recipient_email": "ida@example.com", "subject": "News", "body": "Hello"}
    assert (await person.post("/api/v1/task/enqueue", task)).status == 200


async def test_a_mail_to_oneself_says_that_it_works(ada: Person, server: SmtpServer) -> None:
    await ada.post(ACCOUNTS, {"name": "shop", **account_at(server), "from": "The shop <ada@example.com>"})
    for path in (f"{ACCOUNTS}/shop/test", "/api/v1/me/smtp/test"):
        tried = await ada.post(path)
        assert (tried.status, tried.body["works"], tried.body["phase"]) == (200, True, "end of DATA")
        assert (tried.body["status_code"], tried.body["recipient"]) == (250, "ada@example.com")
    assert [mail.recipients for mail in server.mails] == [["ada@example.com"]] * 2
    assert server.mails[0].message["From"] == "The shop <ada@example.com>"
    assert server.open == 0


async def test_a_mail_to_oneself_says_how_far_it_came(ada: Person, server: SmtpServer) -> None:
    assert (await ada.post("/api/v1/me/smtp/test")).status == 404
    await ada.post(ACCOUNTS, {"name": "wrong", **account_at(server, password="another")})
    tried = (await ada.post(f"{ACCOUNTS}/wrong/test")).body
    assert (tried["works"], tried["phase"], tried["status_code"], tried["answer"]) == (False, "AUTH", 535, "")
    await ada.post(ACCOUNTS, {"name": "closed", "host": HOST, "port": 1})
    tried = (await ada.post(f"{ACCOUNTS}/closed/test")).body
    assert (tried["works"], tried["phase"], tried["status_code"]) == (False, "connect", None)


async def test_mails_to_oneself_are_bounded(ada: Person, server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_trials, "PER_HOUR", 2)
    await ada.post(ACCOUNTS, {"name": "shop", **account_at(server)})
    statuses = [(await ada.post("/api/v1/me/smtp/test")).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = await ada.post("/api/v1/me/smtp/test")
    assert 0 < int(refused.headers["Retry-After"]) <= smtp_trials.HOUR_SECONDS
    assert len(server.mails) == 2


async def test_no_more_than_a_few_are_tried_at_a_time(api: Api, ada: Person, server: SmtpServer) -> None:
    await ada.post(ACCOUNTS, {"name": "shop", **account_at(server)})
    answers = await asyncio.gather(*(ada.post("/api/v1/me/smtp/test") for _ in range(smtp_trials.AT_ONCE + 4)))
    assert {answer.status for answer in answers} <= {200, 503}
    assert [answer.status for answer in answers].count(200) >= smtp_trials.AT_ONCE


class TestOutside:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Of a deployment that opened nothing inside its network."""
        return msgspec.structs.replace(settings, smtp_allow_cidrs=())

    async def test_a_mail_to_oneself_reaches_nothing_inside_the_network(self, ada: Person, server: SmtpServer) -> None:
        await ada.post(ACCOUNTS, {"name": "shop", **account_at(server)})
        tried = (await ada.post("/api/v1/me/smtp/test")).body
        assert (tried["works"], tried["phase"]) == (False, "connect")
        assert REFUSED in tried["error"]
        assert server.connections == 0
