"""tidings/channels/email/recipient.py"""

from uuid import UUID

import msgspec
import pytest

from tests.unit.channels.doubles import delivery
from tidings.channels.email.recipient import OPERATORS, EmailRecipients
from tidings.channels.recipient import EndpointKey, RecipientError
from tidings.domain.account import Sender, SmtpAccount
from tidings.domain.ids import new_id

RULES = EmailRecipients()
USER = UUID(int=7)


@pytest.mark.parametrize(
    ("recipient", "normal"),
    [
        ("somebody@example.com", "somebody@example.com"),
        (" Some.Body+tag@EXAMPLE.com ", "Some.Body+tag@example.com"),
        ("root@mailhost", "root@mailhost"),
        ("jörg@bücher.example", "jörg@bücher.example"),
        ("a@xn--bcher-kva.example", "a@bücher.example"),
        ("o'brien@mail.example.com", "o'brien@mail.example.com"),
    ],
)
def test_email_addresses(recipient: str, normal: str) -> None:
    assert RULES.check(recipient) == normal


@pytest.mark.parametrize(
    "recipient",
    [
        *("", "nobody", "@example.com", "a@", "a@b@example.com", "a@-example.com", "a@example..com", ".a@example.com"),
        *("a b@example.com", "a@exam ple.com", "Somebody <a@example.com>", "<a@example.com>", "a@example.com, b@c.de"),
        *("a@example.com\r\nRCPT TO:<b@example.com>", "a@example.com\nBcc: b", "a\x00@example.com", "a@example.com>"),
        *(
            "a@[127.0.0.999]",
            "a@[localhost]",
            "a@" + "b." * 130 + "com",
            "a@exa\u2028mple.com",
            "\ud800@b.com",
        ),
    ],
)
def test_what_is_no_email_address_is_refused(recipient: str) -> None:
    with pytest.raises(RecipientError) as raised:
        RULES.check(recipient)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(("username", "named"), [("ada", "ada"), (None, "")])
def test_the_account_is_the_destination(username: str | None, named: str) -> None:
    smtp = SmtpAccount(host="mail.example.com", port=587, username=username)
    sender = Sender(id=USER, email="ada@example.com", smtp=smtp)
    mail = msgspec.structs.replace(delivery(channel="email"), user_id=USER)
    assert RULES.destination(mail, sender) == f"{named}@mail.example.com:587 of {USER}"
    assert RULES.endpoint(mail, sender) == EndpointKey(RULES.destination(mail, sender), USER)


def test_each_account_is_a_destination_of_its_own() -> None:
    first = SmtpAccount(host="mail.example.com", port=587, username="ada")
    second = msgspec.structs.replace(first, name="shop")
    sender = Sender(id=USER, email="ada@example.com", smtp=first, others=(second,))
    mail = msgspec.structs.replace(delivery(channel="email"), user_id=USER, account="shop")
    assert RULES.destination(mail, sender) == f"ada@mail.example.com:587 of {USER} as shop"
    assert RULES.destination(msgspec.structs.replace(mail, account="gone"), sender) == str(USER)


def test_what_goes_by_the_operators_account_is_nobodys_in_particular() -> None:
    sender = Sender(id=USER, email="ada@example.com", may_use_operators=True)
    mail = msgspec.structs.replace(delivery(channel="email"), user_id=USER)
    assert RULES.destination(mail, sender) == OPERATORS
    assert RULES.endpoint(mail, sender) == EndpointKey(OPERATORS, None)
    assert RULES.endpoint(delivery(channel="email"), None) == EndpointKey(OPERATORS, None)
    own = SmtpAccount(host="mail.example.com", port=587)
    chosen = msgspec.structs.replace(mail, account="operator")
    assert RULES.destination(chosen, msgspec.structs.replace(sender, smtp=own)) == OPERATORS
    assert RULES.destination(mail, msgspec.structs.replace(sender, smtp=own)) != OPERATORS


def test_users_who_name_the_same_account_share_neither_destination_nor_endpoint() -> None:
    smtp = SmtpAccount(host="mail.example.com", port=587, username="ada")
    ada, bob = (Sender(id=new_id(), email="a@example.com", smtp=smtp) for _ in range(2))
    hers, his = (
        (RULES.destination(mail, sender), RULES.endpoint(mail, sender))
        for sender in (ada, bob)
        for mail in [msgspec.structs.replace(delivery(channel="email"), user_id=sender.id)]
    )
    assert hers[0] != his[0]
    assert hers[1] != his[1]


def test_without_an_account_the_user_is() -> None:
    mail = msgspec.structs.replace(delivery(channel="email"), user_id=USER)
    assert RULES.destination(mail, None) == str(USER)
    assert RULES.destination(mail, Sender(id=USER, email="ada@example.com")) == str(USER)
