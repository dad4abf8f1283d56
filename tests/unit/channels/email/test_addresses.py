"""tidings/channels/email/addresses.py"""

from typing import Literal
from uuid import UUID

import pytest

from tidings.channels.email.addresses import check_address, on_the_wire, parse_mailbox, require_deliverable
from tidings.channels.email.recipient import EmailRecipients
from tidings.channels.recipient import RecipientError
from tidings.domain.mail_parts import Mailbox
from tidings.settings import Settings


@pytest.mark.parametrize(
    ("given", "normal", "wire", "public"),
    [
        ("foo..bar@docomo.ne.jp", "foo..bar@docomo.ne.jp", '"foo..bar"@docomo.ne.jp', True),
        ("foo.@ezweb.ne.jp", "foo.@ezweb.ne.jp", '"foo."@ezweb.ne.jp', True),
        ('"foo..bar"@docomo.ne.jp', "foo..bar@docomo.ne.jp", '"foo..bar"@docomo.ne.jp', True),
        ('"john"@example.com', "john@example.com", "john@example.com", True),
        ('"john doe"@example.com', '"john doe"@example.com', '"john doe"@example.com', True),
        ('"a@b"@example.com', '"a@b"@example.com', '"a@b"@example.com', True),
        ("jörg@Bücher.example", "jörg@bücher.example", "jörg@xn--bcher-kva.example", True),
        ("root@mailhost", "root@mailhost", "root@mailhost", True),
        ("Ada@CORP.local", "Ada@corp.local", "Ada@corp.local", False),
        ("ada@localhost", "ada@localhost", "ada@localhost", False),
        ("ada@x.test", "ada@x.test", "ada@x.test", False),
        ("a..da@x.test", "a..da@x.test", '"a..da"@x.test', False),
        ("ada@[192.0.2.1]", "ada@[192.0.2.1]", "ada@[192.0.2.1]", False),
        ("ada@[IPv6:2001:db8::1]", "ada@[IPv6:2001:db8::1]", "ada@[IPv6:2001:db8::1]", False),
        ("ada@build_host.example.com", "ada@build_host.example.com", "ada@build_host.example.com", False),
    ],
)
def test_real_addresses(given: str, normal: str, wire: str, public: bool) -> None:
    assert EmailRecipients().check(given) == normal
    assert check_address(normal) == normal
    assert on_the_wire(normal) == wire
    allowed: tuple[Literal["strict", "internal"], ...] = ("strict", "internal") if public else ("internal",)
    for each in allowed:
        assert EmailRecipients().seal(normal, UUID(int=1), Settings(email_addresses=each)) == normal
    if not public:
        with pytest.raises(RecipientError, match="EMAIL_ADDRESSES=internal"):
            require_deliverable(normal, Settings())


@pytest.mark.parametrize(
    "address",
    ["..a@docomo.ne.jp", "a..b@", "a..b@x@docomo.ne.jp", "a..b c@docomo.ne.jp", "a..b@-x.local", "x" * 70 + ".@b.de"],
)
def test_what_is_no_address_for_all_its_periods(address: str) -> None:
    with pytest.raises(RecipientError):
        check_address(address)


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("ada@example.com", Mailbox(email="ada@example.com")),
        ("<ada@example.com>", None),
        (" Ada  Lovelace <ada@EXAMPLE.com> ", Mailbox(email="ada@example.com", name="Ada Lovelace")),
        ('"Lovelace, \\"Ada\\"" <ada@example.com>', Mailbox(email="ada@example.com", name='Lovelace, "Ada"')),
        ("株式会社 <foo..bar@docomo.ne.jp>", Mailbox(email="foo..bar@docomo.ne.jp", name="株式会社")),
        ("Ada <ada@example.com>, b@example.com", None),
        ("Ada\r\nBcc: b@example.com <ada@example.com>", None),
        ('Ada" <ada@example.com>', None),
        ("x" * 257 + " <ada@example.com>", None),
    ],
)
def test_a_name_and_an_address(text: str, mailbox: Mailbox | None) -> None:
    if mailbox is None:
        with pytest.raises(RecipientError):
            parse_mailbox(text)
    else:
        assert parse_mailbox(text) == mailbox


@pytest.mark.parametrize("text", ["x" + " " * 200_000 + ">", "a\u0301\u0323" * 100_000 + "@b.de", "(" * 200_000])
def test_what_is_too_long_is_refused_before_it_is_read(text: str) -> None:
    with pytest.raises(RecipientError, match="longer than 1024"):
        parse_mailbox(text)
    with pytest.raises(RecipientError, match="longer than 320"):
        check_address(text)
