"""api/bounces/report.py"""

from email.message import EmailMessage
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.bounces.report import MAX_RECIPIENTS, Event, NoReportError, parse
from tests.unit.api.bounces import samples
from tests.unit.api.bounces.samples import MESSAGE_ID

BOUNCES = "bounces@sender.example"


@pytest.mark.parametrize(
    ("name", "event", "status", "bad_address"),
    [
        ("POSTFIX", Event.UNDELIVERED, "5.1.1", True),
        ("POSTFIX_DELAYED", Event.DELAYED, "4.4.1", False),
        ("POSTFIX_EXPIRED", Event.UNDELIVERED, "4.4.1", False),
        ("EXIM", Event.UNDELIVERED, "5.0.0", True),
        ("EXIM_TIMEOUT", Event.UNDELIVERED, "4.0.0", False),
        ("EXIM_SILENT_TIMEOUT", Event.UNDELIVERED, "4.4.7", False),
        ("EXCHANGE", Event.UNDELIVERED, "5.1.10", True),
        ("GMAIL", Event.UNDELIVERED, "5.1.1", True),
        ("SES", Event.UNDELIVERED, "5.1.1", True),
        ("DELIVERED", Event.DELIVERED, "2.1.5", False),
        ("SPAM_BLOCK", Event.UNDELIVERED, "5.7.1", False),
        ("COMPLAINT", Event.COMPLAINT, None, False),
        ("NOT_SPAM", Event.IGNORED, None, False),
    ],
)
def test_what_servers_and_providers_report(name: str, event: Event, status: str | None, *, bad_address: bool) -> None:
    report = parse(getattr(samples, name), bounce_address=BOUNCES)
    assert report.message_ids == (MESSAGE_ID,)
    [reported] = report.recipients
    assert "ida@example.com" in reported.addresses
    assert (reported.event, reported.status, reported.bad_address) == (event, status, bad_address)


def test_a_diagnostic_of_several_lines_is_one() -> None:
    [reported] = parse(samples.POSTFIX).recipients
    assert reported.addresses == ("Ida@Example.com", "ida@example.com")
    assert reported.diagnostic == (
        "smtp; 550 5.1.1 <ida@example.com>: Recipient address rejected: User unknown in virtual mailbox table"
    )


def test_several_recipients() -> None:
    report = parse(samples.SEVERAL)
    assert [(each.addresses, each.event, each.bad_address) for each in report.recipients] == [
        (("ida@example.com",), Event.UNDELIVERED, True),
        (("grace@example.com",), Event.DELIVERED, False),
        (("full@example.com",), Event.UNDELIVERED, False),
        (("stranger@example.net",), Event.UNDELIVERED, True),
    ]


def test_addresses_and_texts_that_are_not_ascii() -> None:
    report = parse(samples.NON_ENGLISH)
    assert report.message_ids == (MESSAGE_ID,)
    [reported] = report.recipients
    assert reported.addresses == ("jörg@bücher.example",)
    assert reported.diagnostic == "smtp; 550 5.1.1 Empfänger unbekannt: «jörg»"


def test_a_diagnostic_in_an_older_character_set_is_text_all_the_same() -> None:
    [reported] = parse(samples.NON_ENGLISH.replace("Empfänger".encode(), "Empfänger".encode("latin-1"))).recipients
    assert reported.diagnostic == "smtp; 550 5.1.1 Empf�nger unbekannt: «jörg»"


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_status_that_is_encoded(encoding: str) -> None:
    text = (
        "Reporting-MTA: dns; mx.example.com\n\nFinal-Recipient: utf-8; jörg@example.com\nAction: failed\n"
        "Status: 5.1.1\n\nFinal-Recipient: rfc822; ida@example.com\nAction: delayed\nStatus: 4.2.2\n"
    )
    part = EmailMessage()
    part.set_content(text, cte=encoding)
    part.replace_header("Content-Type", "message/global-delivery-status")
    mail = EmailMessage()
    mail["In-Reply-To"] = f"<{MESSAGE_ID}@sender.example>"
    mail.make_mixed()
    mail.attach(part)
    report = parse(mail.as_bytes())
    assert [each.addresses for each in report.recipients] == [("jörg@example.com",), ("ida@example.com",)]
    assert report.message_ids == (MESSAGE_ID,)


def test_a_complaint_may_leave_the_address_out() -> None:
    [reported] = parse(samples.REDACTED_COMPLAINT).recipients
    assert (reported.addresses, reported.event) == ((), Event.COMPLAINT)


def test_the_address_that_a_report_came_for_is_surer_than_what_it_quotes() -> None:
    other = UUID("0197d7a4-0000-7c41-9f0a-2b6c8d1e4f70")
    by_pipe = parse(samples.POSTFIX, bounce_address=BOUNCES, envelope=[f"bounces+{other}@Sender.example"])
    assert by_pipe.message_ids == (other, MESSAGE_ID)
    assert parse(samples.SES).message_ids == ()
    assert parse(samples.SES, bounce_address="returns@sender.example").message_ids == ()


def test_a_mailbox_file_begins_with_from() -> None:
    assert parse(b"From MAILER-DAEMON Sat Nov 28 12:00:00 2026\n" + samples.POSTFIX).message_ids == (MESSAGE_ID,)


def test_a_report_that_was_cut_off_in_the_returned_mail_is_read() -> None:
    cut = samples.POSTFIX[: samples.POSTFIX.index(b"Hello")]
    assert parse(cut) == parse(samples.POSTFIX)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\xff\xfe",
        b"Hello",
        b"From: a@b.example\n\nI am on holiday.",
        b"Content-Type: multipart/report\n\n--x\n",
        samples.POSTFIX.replace(b"Final-Recipient", b"X-Final").replace(b"Original-Recipient", b"X-Original"),
        samples.POSTFIX.replace(b"Action: failed", b"Action: exploded"),
        samples.COMPLAINT.replace(b"Feedback-Type", b"X-Type"),
        b'Content-Type: multipart/mixed; boundary="a"\n\n'
        + b'--a\nContent-Type: multipart/mixed; boundary="a"\n\n' * 3000,
        b"Content-Type: message/rfc822\n\n" * 3000,
    ],
)
def test_what_is_no_report(raw: bytes) -> None:
    with pytest.raises(NoReportError):
        parse(raw)


def test_a_report_about_very_many_is_bounded() -> None:
    group = "\n\nFinal-Recipient: rfc822; ida@example.com\nAction: failed\nStatus: 5.1.1\n"
    mail = f"Content-Type: message/delivery-status\n\nReporting-MTA: dns; a{group * (MAX_RECIPIENTS + 5)}"
    assert len(parse(mail.encode()).recipients) == MAX_RECIPIENTS


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["POSTFIX", "EXIM", "GMAIL", "NON_ENGLISH", "COMPLAINT", "SEVERAL"]),
    position=st.integers(0, 2000),
    junk=st.binary(max_size=40),
    cut=st.integers(0, 60),
)
def test_a_damaged_report_is_read_or_refused(name: str, position: int, junk: bytes, cut: int) -> None:
    raw: bytes = getattr(samples, name)
    try:
        report = parse(raw[:position] + junk + raw[position + cut :], bounce_address=BOUNCES)
    except NoReportError:
        return
    for reported in report.recipients:
        "".join((*reported.addresses, reported.diagnostic or "")).encode()
