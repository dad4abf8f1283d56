"""tidings/domain/smtp_url.py"""

import pytest

from tidings.domain.account import SmtpAccount, Tls
from tidings.domain.mail_parts import Mailbox
from tidings.domain.smtp_url import operators_account, parse_smtp_from, parse_smtp_url


@pytest.mark.parametrize(
    ("url", "place", "login", "tls"),
    [
        ("smtp://ada:secret@mail.example.com:2525", ("mail.example.com", 2525), ("ada", "secret"), Tls.STARTTLS),
        ("smtp://mail.example.com", ("mail.example.com", 587), (None, None), Tls.STARTTLS),
        ("smtp://mail.example.com:465", ("mail.example.com", 465), (None, None), Tls.IMPLICIT),
        ("smtps://a%40b.example:p%2F%3A%40@[2001:db8::1]", ("2001:db8::1", 465), ("a@b.example", "p/:@"), Tls.IMPLICIT),
        ("smtps://a:b@mail.example.com:8465/", ("mail.example.com", 8465), ("a", "b"), Tls.IMPLICIT),
        ("smtp://mailhost:25?tls=none", ("mailhost", 25), (None, None), Tls.NONE),
        ("smtp://mailhost?tls=implicit", ("mailhost", 465), (None, None), Tls.IMPLICIT),
    ],
)
def test_urls(url: str, place: tuple[str, int], login: tuple[str | None, str | None], tls: Tls) -> None:
    account = parse_smtp_url(url)
    assert (account.host, account.port) == place
    assert (account.username, account.clear_password) == login
    assert (account.wanted_tls, account.name) == (tls, "operator")
    assert login[1] is None or login[1] not in repr(account)


@pytest.mark.parametrize(
    "url",
    [
        *("mail.example.com", "http://a:secret@b.example", "smtp://", "smtp://a:secret@", "smtp://a:secret@b:port"),
        *("smtp://a:secret@b.example/path", "smtp://a:secret@b.example#x", "smtp://secret@b.example"),
        *("smtp://:secret@b.example", "smtp://a:secret%0a@b.example", "smtp://a:secret@b.example?tls=ssl"),
        *("smtps://a:secret@b.example?tls=none", "smtp://b.example?secret=1", "smtp://b.example?tls=none&tls=none"),
        "smtp://b.example?tls",
    ],
)
def test_what_is_no_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|may|has)") as raised:
        parse_smtp_url(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("mail@example.com", Mailbox(email="mail@example.com")),
        ("<mail@example.com>", Mailbox(email="mail@example.com")),
        (" The shop <mail@example.com>", Mailbox(email="mail@example.com", name="The shop")),
        ('"Shop, the" <mail@example.com>', Mailbox(email="mail@example.com", name="Shop, the")),
        ("株式会社 <a@bücher.example>", Mailbox(email="a@bücher.example", name="株式会社")),
    ],
)
def test_whom_it_is_from(text: str, mailbox: Mailbox) -> None:
    assert parse_smtp_from(text) == mailbox


@pytest.mark.parametrize("text", ["mail", "a@b@c", "a b <c", "a\nb <c@example.com>", "<a@b>, <c@d>", "a @example.com"])
def test_what_is_no_mailbox(text: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        parse_smtp_from(text)


def test_the_account_says_whom_its_mail_is_from() -> None:
    assert operators_account("", "mail@example.com") is None
    url = "smtp://m%40example.com:secret@mail.example.com"
    named = operators_account(url, "The shop <shop@example.com>")
    assert isinstance(named, SmtpAccount)
    assert named.sender == Mailbox(email="shop@example.com", name="The shop")
    plain = operators_account(url, "")
    assert plain is not None
    assert plain.sender == Mailbox(email="m@example.com")
    with pytest.raises(ValueError, match=r"^SMTP_FROM: must say"):
        operators_account("smtp://apikey:secret@mail.example.com", "")
