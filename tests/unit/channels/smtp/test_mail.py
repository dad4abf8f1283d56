"""tidings/channels/smtp/mail.py"""

import email
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channels.doubles import MESSAGE_ID, NOW
from tests.unit.channels.doubles import delivery as any_delivery
from tidings.channels.email.addresses import on_the_wire
from tidings.channels.recipient import RecipientError
from tidings.channels.smtp.headers import LONGEST_LINE
from tidings.channels.smtp.mail import MailError, compose
from tidings.domain.headers import check_headers
from tidings.domain.mail_parts import Mailbox
from tidings.domain.message import Delivery

SENDER = Mailbox(email="sender@example.com")
OURS = {"From", "To", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}

# What the API and Postgres let through.
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t \x85\u2028=?_"))
tokens = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,30}", fullmatch=True)


def delivery(
    *,
    recipient: str = "reader@example.org",
    subject: str | None = None,
    content: str = "Hello",
    headers: dict[str, str] | None = None,
) -> Delivery:
    plain = any_delivery(channel="email", recipient=recipient, content=content, headers=headers)
    return msgspec.structs.replace(plain, subject=subject)


def wire(message: Delivery, *, sender: Mailbox = SENDER) -> bytes:
    """The content as it arrives."""
    mail = compose(message, sender=sender, now=NOW)
    assert mail.data.endswith(b"\r\n.\r\n")
    assert b"\r\n.\r\n" not in mail.data[:-5]
    content = mail.data[:-3].replace(b"\r\n.", b"\r\n")
    assert len(content) == mail.size
    for line in content.split(b"\r\n"):
        assert len(line) <= LONGEST_LINE
        assert b"\r" not in line
        assert b"\n" not in line
    return content


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=SMTP)


def test_what_it_consists_of() -> None:
    mail = compose(delivery(subject="News", content="Hello\n.\nYou"), sender=SENDER, now=NOW + timedelta(days=1))
    assert (mail.sender, mail.recipients, mail.smtputf8) == ("sender@example.com", ("reader@example.org",), False)
    assert mail.data.decode().split("\r\n") == [
        "From: sender@example.com",
        "To: reader@example.org",
        "Subject: News",
        "Date: Mon, 02 Mar 2026 12:00:00 +0000",
        f"Message-ID: <{MESSAGE_ID}@example.com>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 7bit",
        "",
        "Hello",
        "..",
        "You",
        ".",
        "",
    ]


@given(lines)
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    content = wire(delivery(subject=subject))
    assert set(parsed(content).keys()) == {*OURS, "Subject"}
    # By the older parser, which takes words apart as the standard says and mends nothing.
    [raw] = [value for name, value in email.message_from_bytes(content).raw_items() if name == "Subject"]
    unfolded = str(raw).replace("\r\n", "").replace("\n", "")
    decoded = str(email.header.make_header(email.header.decode_header(unfolded)))
    assert decoded.strip(" \t") == " ".join(subject.splitlines()).strip(" \t")


@given(st.text(letters))
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    read = parsed(wire(delivery(content=text))).get_payload(decode=True)
    assert isinstance(read, bytes)
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    assert read.decode().replace("\r\n", "\n").removesuffix("\n") == wanted.removesuffix("\n")


@given(st.dictionaries(tokens, lines))
def test_headers_are_passed_on_or_left_behind(headers: dict[str, str]) -> None:
    check_headers(headers)
    seen = parsed(wire(delivery(headers=headers)))
    assert {name.lower() for name in seen} <= {name.lower() for name in {*OURS, *headers}}
    assert all(len(seen.get_all(name, [])) == 1 for name in OURS)


@pytest.mark.parametrize(
    "name",
    [
        *("From", "TO", "cc", "Bcc", "Sender", "Date", "message-id", "Subject", "Return-Path", "Received"),
        *("Received-SPF", "Content-Type", "Content-Disposition", "MIME-Version", "DKIM-Signature", "ARC-Seal"),
        *("Resent-To", "Authentication-Results", "Delivered-To", "DomainKey-Signature"),
    ],
)
def test_headers_that_are_not_the_senders_to_give(name: str) -> None:
    assert b"evil" not in wire(delivery(headers={name: "evil@example.com"}))


@pytest.mark.parametrize(
    ("value", "wire_value"),
    [
        ("Zoë <zoe@example.com>, b@example.com", b"=?utf-8?q?Zo=C3=AB?= <zoe@example.com>, b@example.com"),
        ("=?utf-8?q?Zo=C3=AB?= <zoe@example.com>", b"=?utf-8?q?Zo=C3=AB?= <zoe@example.com>"),
        ("zoe@example.com", b"zoe@example.com"),
    ],
)
def test_a_reader_can_reply(value: str, wire_value: bytes) -> None:
    assert b"\r\nReply-To: " + wire_value + b"\r\n" in wire(delivery(headers={"Reply-To": value}))


def test_a_long_list_of_references_is_folded_and_not_encoded() -> None:
    references = " ".join(f"<{number}@example.com>" for number in range(200))
    assert parsed(wire(delivery(headers={"References": references})))["References"] == references


@pytest.mark.parametrize(
    ("address", "wire_address"),
    [
        ("somebody@example.com", "somebody@example.com"),
        ("somebody@bücher.example", "somebody@xn--bcher-kva.example"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
    ],
)
def test_a_domain_goes_out_in_ascii(address: str, wire_address: str) -> None:
    assert on_the_wire(address) == wire_address
    mail = compose(delivery(recipient=address), sender=SENDER, now=NOW)
    assert (mail.recipients, mail.smtputf8) == ((wire_address,), not wire_address.isascii())
    assert f"\r\nTo: {wire_address}\r\n".encode() in mail.data


@pytest.mark.parametrize("address", ["", "nobody", "a@b@c", "a@example.com\r\nRCPT TO:<b@example.com>", "a@b>"])
def test_what_is_no_mailbox(address: str) -> None:
    with pytest.raises(RecipientError):
        on_the_wire(address)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (delivery(recipient="nobody"), "the recipient is not an e-mail address"),
        (delivery(subject="a\r\nBcc: b@example.com"), "the subject contains control characters"),
        (delivery(headers={"A": "a\r\nBcc: b@example.com"}), "headers: the value of 'A' contains control characters"),
        (delivery(headers={"A:": "a"}), "headers: 'A:' is not the name of a header"),
        (delivery(headers={"Reply-To": "jörg@example.com"}), "headers: the address in 'Reply-To' is not ASCII"),
    ],
)
def test_what_no_mail_can_be_made_of(message: Delivery, text: str) -> None:
    with pytest.raises(MailError, match=text) as raised:
        compose(message, sender=SENDER, now=NOW)
    assert len(str(raised.value).splitlines()) == 1
