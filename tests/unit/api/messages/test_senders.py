"""api/messages/senders.py"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.http.principal import OPERATOR, Principal
from api.messages.schemas import MessageRequest
from api.messages.senders import NO_ACCOUNT, MailSenders
from tidings.domain.account import Role, Sender, SmtpAccount
from tidings.settings import Settings

USER = UUID(int=7)
MEMBER = Principal(user_id=USER, role=Role.USER, channels=None)
WORK = SmtpAccount(host="mail.example.com", port=587, username="login@example.com")
SHOP = SmtpAccount(name="shop", host="mail.example.org", port=587, username="shop@example.org")
ADA = Sender(id=USER, email="Ada@example.com", smtp=WORK, others=(SHOP,), allowed_from=("news@example.org", "@e.net"))
MAIL: dict[str, Any] = {"channel": "email", "recipient": "reader@example.com", "content": "Hello"}


class Users:
    """Knows one user, and counts how often it was read."""

    def __init__(self, sender: Sender | None) -> None:
        self.sender = sender
        self.reads = 0

    async def read(self, user_ids: Sequence[UUID]) -> dict[UUID, Sender]:
        self.reads += 1
        return {} if self.sender is None else dict.fromkeys(user_ids, self.sender)


async def faults(body: dict[str, Any], sender: Sender | None = ADA, **settings: Any) -> dict[str, str]:
    request = msgspec.json.decode(msgspec.json.encode({**MAIL, **body}), type=MessageRequest)
    principal = OPERATOR if settings.pop("by_operator", False) else MEMBER
    return await MailSenders(Users(sender).read, Settings(**settings)).faults(request, principal)


@pytest.mark.parametrize(
    ("address", "account", "allowed"),
    [
        ("ada@example.com", None, True),
        ("LOGIN@example.com", None, True),
        ("login@example.com", "shop", False),
        ("shop@example.org", "shop", True),
        ("shop@example.org", None, False),
        ("Daily <news@example.org>", None, True),
        ("anybody@e.net", "shop", True),
        ("other@example.org", None, False),
        ("a@sub.e.net", None, False),
    ],
)
async def test_whom_it_may_be_from(address: str, account: str | None, allowed: bool) -> None:
    body = {"from": address} if account is None else {"from": address, "account": account}
    found = await faults(body)
    assert list(found) == ([] if allowed else ["from"])
    assert allowed or "is not among your addresses" in found["from"]


@pytest.mark.parametrize(
    ("smtp", "others", "body", "field"),
    [
        (WORK, (), {}, None),
        (WORK, (SHOP,), {"account": "shop"}, None),
        (WORK, (SHOP,), {"account": "default"}, None),
        (WORK, (SHOP,), {"account": "other"}, "account"),
        (WORK, (SHOP,), {"account": "operator"}, "account"),
        (None, (SHOP,), {}, "account"),
        (None, (), {}, "channel"),
        (None, (), {"channel": "echo"}, None),
    ],
)
async def test_an_account_must_be_there(
    smtp: SmtpAccount | None, others: tuple[SmtpAccount, ...], body: dict[str, Any], field: str | None
) -> None:
    sender = msgspec.structs.replace(ADA, smtp=smtp, others=others)
    assert list(await faults(body, sender)) == ([] if field is None else [field])


async def test_who_has_none_is_told_what_to_do() -> None:
    assert await faults({}, None) == {"channel": NO_ACCOUNT}


@pytest.mark.parametrize(
    ("open_to", "role", "allowed"),
    [
        ("nobody", Role.ADMIN, False),
        ("admins", Role.ADMIN, True),
        ("admins", Role.USER, False),
        ("everyone", Role.USER, True),
    ],
)
async def test_the_operators_account_is_open_to_whom_the_operator_says(open_to: str, role: Role, allowed: bool) -> None:
    sender = msgspec.structs.replace(ADA, smtp=None, others=(), role=role)
    settings = {"smtp_url": "smtp://m%40example.com:p@mail.example.com", "smtp_open_to": open_to}
    assert list(await faults({}, sender, **settings)) == ([] if allowed else ["channel"])
    # Then it is from SMTP_FROM, whatever address the user has, unless an admin allows them another one.
    assert (await faults({"from": "ada@example.com"}, sender, **settings)) != {}
    assert ((await faults({"from": "news@example.org"}, sender, **settings)) == {}) is allowed


async def test_the_operators_own_mail_goes_by_the_operators_account() -> None:
    assert list(await faults({}, by_operator=True)) == ["channel"]
    url = "smtp://m%40example.com:p@mail.example.com"
    assert await faults({}, by_operator=True, smtp_url=url) == {}
    assert await faults({"from": "anybody@example.org"}, by_operator=True, smtp_url=url) == {}
    assert list(await faults({"account": "shop"}, by_operator=True, smtp_url=url)) == ["account"]


async def test_a_user_is_read_once_but_again_before_a_refusal() -> None:
    users = Users(None)
    senders = MailSenders(users.read, Settings())
    request = msgspec.json.decode(msgspec.json.encode(MAIL), type=MessageRequest)
    assert await senders.faults(request, MEMBER) == {"channel": NO_ACCOUNT}
    users.sender = ADA
    for _ in range(3):
        assert await senders.faults(request, MEMBER) == {}
    assert users.reads == 2
    users.sender = None
    other = msgspec.structs.replace(request, account="other")
    assert list(await senders.faults(other, MEMBER)) == ["account"]
    assert users.reads == 3
