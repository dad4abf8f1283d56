"""tidings/channels/smtp/headers.py"""

import email
import json
from email.header import decode_header, make_header
from email.policy import SMTP

import pytest

from tidings.channels.smtp.headers import LONGEST_LINE, RESERVED, check_mail_headers, fold
from tidings.domain.headers import HeaderError

URL = "https://news.example.com/u/" + "x" * 900


def read(name: str, value: str) -> str:
    """What Python's parser makes of it."""
    text = f"{name}: {value}\r\n"
    assert text.isascii()
    assert all(0 < len(line) <= LONGEST_LINE for line in text.splitlines())
    found: str = email.message_from_string(text + "\r\n", policy=SMTP)[name]
    return str(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("List-Unsubscribe", f"<{URL}>"),
        ("List-Unsubscribe", "<https://x.example/?a=?utf-8?q?b?=>, <mailto:off@example.com?subject=off>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("In-Reply-To", f"<{'a' * 120}@example.com>"),
        ("References", " ".join(f"<{'a' * 70}{number}@example.com>" for number in range(10))),
        ("Reply-To", f"reply+{'t' * 80}@example.com"),
        ("Reply-To", "=?utf-8?q?Zo=C3=AB?= <zoe@example.com>"),
        ("List-Id", f"News <{'n' * 80}.example.com>"),
        ("Errors-To", "bounces@example.com"),
        ("X-SMTPAPI", json.dumps({"category": "a" * 90, "filters": {"x": [1] * 90}}, separators=(",", ":"))),
        ("X-Long", "word " * 150 + "end"),
        ("X-Question", "what =? this is ?="),
    ],
)
def test_ascii_stays_as_it_is(name: str, value: str) -> None:
    check_mail_headers({name: value})
    assert fold(name, value) == value


def test_more_than_a_line_is_folded_between_words() -> None:
    value = " ".join(f"<{number}@example.com>" for number in range(200))
    assert fold("References", value).replace("\r\n", "") == value
    assert max(map(len, fold("References", value).split("\r\n"))) <= 76


@pytest.mark.parametrize(
    ("name", "value", "wire"),
    [
        ("Reply-To", "Zoë <zoe@bücher.example>, b@x.de", "=?utf-8?q?Zo=C3=AB?= <zoe@xn--bcher-kva.example>, b@x.de"),
        ("Reply-To", "zoe@bücher.example", "zoe@xn--bcher-kva.example"),
        ("Errors-To", '"Müller, Jörg" <j@example.com>', "=?utf-8?b?TcO8bGxlciwgSsO2cmc=?= <j@example.com>"),
        ("Disposition-Notification-To", "Jörg <j@example.com>", "=?utf-8?b?SsO2cmc=?= <j@example.com>"),
        ("List-Id", "Größe <list.example.com>", "=?utf-8?b?R3LDtsOfZQ==?=\r\n <list.example.com>"),
        ("X-SMTPAPI", '{"category": "Größe 👋"}', '{"category": "Gr\\u00f6\\u00dfe \\ud83d\\udc4b"}'),
    ],
)
def test_only_names_are_encoded(name: str, value: str, wire: str) -> None:
    assert fold(name, value) == wire
    check_mail_headers({name: value})


def test_a_long_name_is_encoded_once() -> None:
    name = "株式会社サンプル・カスタマーサポートセンター" * 2
    folded = fold("Reply-To", f"{name} <support@example.com>")
    # Not by `EmailMessage`, which keeps the white space between encoded-words of a name.
    assert str(make_header(decode_header(folded))) == f"{name} <support@example.com>"
    assert all(len(line) <= 78 for line in folded.split("\r\n")[:-1])
    assert folded.endswith("?= <support@example.com>")


@pytest.mark.parametrize("value", ["Grüße", "=?utf-8?q?a=0ABcc:_b@example.com?=", "a \u2028 b", "👋🏽" * 60])
def test_text_is_read_as_it_was_given(value: str) -> None:
    wanted = " ".join(value.splitlines())
    assert read("X-Text", fold("X-Text", value)) == wanted
    assert read("Subject", fold("Subject", value)) == wanted


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("From", "use the field from"),
        ("sender", "use the field from"),
        ("TO", "use the field recipient"),
        ("Cc", "use the field cc"),
        ("Bcc", "use the field bcc"),
        ("Subject", "use the field subject"),
        ("Content-Type", "use the fields html and attachments"),
        ("Content-Transfer-Encoding", "use the fields html and attachments"),
        ("Date", "it is written when the mail is sent"),
        ("Message-ID", "it is written when the mail is sent"),
        ("Received-SPF", "mail servers write it"),
        ("DKIM-Signature", "mail servers write it"),
    ],
)
def test_a_header_that_is_not_the_senders_to_give_is_refused(name: str, instead: str) -> None:
    with pytest.raises(HeaderError, match=f"^'{name}' cannot be set here: {instead}$"):
        check_mail_headers({name: "x"})


def test_all_reserved_headers_are_refused() -> None:
    for name in RESERVED:
        with pytest.raises(HeaderError):
            check_mail_headers({name.title(): "x"})


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Id": "a", "x-id": "b"}, "'X-Id' and 'x-id' are the same header"),
        ({"References": "<ä@example.com>"}, "the value of 'References' must be ASCII"),
        ({"List-Unsubscribe": "<https://bücher.example>"}, "the value of 'List-Unsubscribe' must be ASCII"),
        ({"X-Token": "x" * 999}, "the value of 'X-Token' has a word that is longer than a line may be, 998 characters"),
        ({"Reply-To": "jörg@example.com"}, "the address in 'Reply-To' is not ASCII"),
        ({"Reply-To": "Jörg"}, "an address in 'Reply-To' is not an e-mail address"),
        ({"X-A": "a\r\nBcc: b@example.com"}, "the value of 'X-A' contains control characters"),
    ],
)
def test_what_cannot_be_sent(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(HeaderError, match=reason):
        check_mail_headers(headers)
