"""tidings/channels/email/recipient.py"""

from uuid import UUID

import msgspec
import pytest

from tests.unit.channels.doubles import delivery
from tidings.channels.email.recipient import EmailRecipients
from tidings.channels.recipient import RecipientError
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
    assert RULES.destination(delivery(channel="email"), sender) == f"{named}@mail.example.com:587 of {USER}"


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
    assert RULES.destination(delivery(channel="email"), None) == "None"
