"""api/accounts/checks.py"""

import pytest

from api.accounts.checks import AccountError, channel_faults, check_email, length_faults, password_faults, smtp_faults
from api.accounts.schemas import NewSmtpAccount
from api.http.problems import Fault
from tidings.settings import Settings


def fields(faults: list[Fault]) -> list[str | None]:
    return [fault.field for fault in faults]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada@EXAMPLE.com ", "Ada@example.com"),
        ("ada+x@mail.test", "ada+x@mail.test"),
        ("ada@intranet", "ada@intranet"),
        ("用户@例子.公司", "用户@例子.公司"),
    ],
)
def test_an_address_is_kept_in_its_normal_form(given: str, kept: str) -> None:
    assert check_email(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a b@example.com",
        "ada@exa mple.com",
        "ada@example.com\r\nBcc: x@y.z",
        "ada\0@example.com",
        "Ada <ada@example.com>",
        f"ada@{'a' * 260}.com",
        "ada@[127.0.0.1]",
    ],
)
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(AccountError, match=r"^is not an e-mail address: "):
        check_email(given)


@pytest.mark.parametrize(("length", "right"), [(0, False), (9, False), (10, True), (1024, True), (1025, False)])
def test_a_password_needs_length(length: int, right: bool) -> None:
    assert fields(password_faults(("x7Kp2mQ9" * 200)[:length])) == ([] if right else ["password"])


@pytest.mark.parametrize(("length", "right"), [(7, False), (8, True), (1024, True), (1025, False)])
def test_of_an_older_interface_it_may_be_shorter(length: int, right: bool) -> None:
    assert fields(length_faults("x" * length, least=8)) == ([] if right else ["password"])


@pytest.mark.parametrize(
    "password", ["password123", "Password123", "qwertyuiop", "1234567890", "aaaaaaaaaaaa", "ada@EXAMPLE.com"]
)
def test_what_is_tried_first_is_no_password(password: str) -> None:
    assert fields(password_faults(password, "ada@example.com")) == ["password"]


@pytest.mark.parametrize(
    ("password", "right"),
    [
        ("Victor.Hugo@Example.com", False),
        ("xx-victor.hugo@example.com-1862", False),
        ("Victor.Hugo1862", False),
        ("1862victor.hugo!", False),
        ("ｖｉｃｔｏｒ．ｈｕｇｏ１８", False),
        ("old.hugo@example.com", False),
        ("miserables by victor.hugo", True),
        ("victor in the tower", True),
    ],
)
def test_a_password_is_more_than_its_users_name(password: str, right: bool) -> None:
    faults = password_faults(
        password, "old.hugo@example.com", "victor.hugo+news@example.com", "Victor.Hugo@example.com"
    )
    assert fields(faults) == ([] if right else ["password"])


def test_a_short_name_is_in_many_words() -> None:
    assert password_faults("Kanada-Reise 1999", "ada@example.com") == []
    assert password_faults("a fine long pass", "a@example.com") == []


def test_channels_must_be_installed() -> None:
    assert channel_faults(None) == channel_faults([]) == channel_faults(["sms", "webhook"]) == []
    [fault] = channel_faults(["sms", "pigeon"])
    assert fault.field == "channels"
    assert "pigeon" in fault.detail


SMTP = NewSmtpAccount(host="mail.example.com", username="ada", password="hunter22")


@pytest.mark.parametrize(
    "host", ["mail.example.com", "localhost", "10.0.0.1", "::1", "mail_1.internal", "MAIL.example.com"]
)
def test_hosts(host: str) -> None:
    assert smtp_faults(NewSmtpAccount(host=host), Settings()) == []


@pytest.mark.parametrize(
    "host", ["", "mail example", "-mail.example", "mail.example:25", "smtp://mail", "fe80::1%eth0", "a\0b", "a..b"]
)
def test_what_is_no_host(host: str) -> None:
    assert fields(smtp_faults(NewSmtpAccount(host=host), Settings())) == ["smtp.host"]


def test_user_name_and_password_go_together() -> None:
    assert (
        smtp_faults(None, Settings())
        == smtp_faults(SMTP, Settings())
        == smtp_faults(NewSmtpAccount(host="h", username="", password=""), Settings())
        == []
    )
    assert fields(smtp_faults(NewSmtpAccount(host="h", username="ada"), Settings())) == ["smtp.password"]
    assert fields(smtp_faults(NewSmtpAccount(host="h", password="hunter22"), Settings())) == ["smtp.username"]


@pytest.mark.parametrize("text", ["a\r\nb", "a\0b", "a" * 513])
def test_neither_holds_anything_but_one_line(text: str) -> None:
    faults = smtp_faults(NewSmtpAccount(host="h", username=text, password=text), Settings())
    assert fields(faults) == ["smtp.username", "smtp.password"]
    assert text not in str(faults)


def test_no_representation_shows_the_password() -> None:
    assert "hunter22" not in repr(SMTP)


@pytest.mark.parametrize(
    ("login", "right"),
    [
        ("svc@corp.local", False),
        ("svc@mail.internal", False),
        ("SVC@Corp.LAN", False),
        ("svc@x.test", False),
        ("svc@x.invalid", False),
        ("svc@localhost", False),
        ("svc@sub.localhost", False),
        ("svc@mailhost", False),
        ("svc@shop.example", False),
        ("svc@nas.home.arpa", False),
        ("svc@[192.0.2.1]", False),
        ("svc@example.com", True),
        ("svc@local.example.org", True),
        ("svc@bücher.de", True),
        ("apikey", True),
        ("CORP\\svc", True),
    ],
)
def test_a_login_is_the_sender_only_where_it_can_be_one(login: str, right: bool) -> None:
    account = NewSmtpAccount(host="mail.example.com", username=login, password="hunter22")
    assert fields(smtp_faults(account, Settings())) == ([] if right else ["smtp.username"])
    assert smtp_faults(account, Settings(), has_from=True) == []
    assert smtp_faults(account, Settings(email_addresses="internal")) == []
