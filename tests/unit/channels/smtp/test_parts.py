"""tidings/channels/smtp/mail.py: mails with parts, as other programs read them.

FUZZ_EXAMPLES=10000 is the long run of the random ones.
"""

import email
import os
import shutil
import subprocess
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.channels.doubles import NOW
from tests.unit.channels.doubles import delivery as any_delivery
from tidings.channels.email.addresses import on_the_wire
from tidings.channels.smtp.headers import LONGEST_LINE
from tidings.channels.smtp.mail import Mail, compose
from tidings.domain.mail_parts import Attachment, KeptMail, Mailbox, MailParts
from tidings.domain.message import Delivery

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "200"))
SENDER: Final = Mailbox(email="sender@example.com", name="Sender, Inc.")
INJECTION: Final = "=?utf-8?q?a=0ABcc:_b@example.com?="
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def kept(files: list[tuple[bytes, str | None, str, str | None]] | None = None, **parts: object) -> KeptMail:
    """With files as (content, name, type, id)."""
    attachments = tuple(
        Attachment(content_type=kind, size=len(content), filename=name, content_id=content_id)
        for content, name, kind, content_id in files or []
    )
    made = msgspec.structs.replace(MailParts(attachments=attachments), **parts)
    return KeptMail(parts=made, files=b"".join(content for content, *_ in files or []))


def delivery(text: str, *, subject: str = "News", headers: dict[str, str] | None = None) -> Delivery:
    plain = any_delivery(channel="email", recipient="reader@bücher.example", content=text, headers=headers)
    return msgspec.structs.replace(plain, subject=subject)


def content_of(mail: Mail) -> bytes:
    """The content as it arrives."""
    assert mail.data.endswith(b"\r\n.\r\n")
    assert b"\r\n.\r\n" not in mail.data[:-5]
    content = mail.data[:-3].replace(b"\r\n.", b"\r\n")
    assert len(content) == mail.size
    assert content.isascii()
    assert not content.replace(b"\r\n", b"").translate(None, bytes(set(range(256)) - set(b"\r\n")))
    assert max(map(len, content.split(b"\r\n"))) <= LONGEST_LINE
    return content


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=SMTP)


def mailboxes(content: bytes, name: str) -> list[Mailbox]:
    """By the older parser: `EmailMessage` keeps the white space between encoded-words of a name."""
    [raw] = [value for each, value in email.message_from_bytes(content).raw_items() if each == name]
    pairs = getaddresses([str(raw).replace("\r\n", "").replace("\n", "")])
    return [Mailbox(email=address, name=str(make_header(decode_header(shown)))) for shown, address in pairs]


def lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def text_of(part: EmailMessage) -> list[str]:
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return lines(body.decode())


EVERYTHING: Final = kept(
    [
        (b"%PDF" + bytes(range(256)) * 30, "Jahresübersicht 2026 – 株式会社.pdf", "application/pdf", None),
        (PNG, "logo.png", "image/png", "logo@tidings"),
        (b"BEGIN:VCALENDAR\r\n", "invite.ics", "text/calendar; method=REQUEST; charset=utf-8", None),
    ],
    html="<p>Grüße 👋🏽 <img src='cid:logo@tidings'></p>\n" + "<b>x</b>" * 300,
    sender=Mailbox(email="news@bücher.example", name="Die Nachrichten"),
    recipient_name="Leser, der",
    cc=(Mailbox(email="foo..bar@docomo.ne.jp", name="株式会社サンプル・カスタマーサポートセンター" * 3),),
    bcc=(Mailbox(email="hidden@example.com"), Mailbox(email="reader@bücher.example")),
    reply_to=(Mailbox(email="support@example.com", name='"Ada" \\ Support'),),
)
TEXT: Final = "Grüße 👋🏽\n.\nFrom here\n" + "x" * 1200
UNSUBSCRIBE: Final = {
    "List-Unsubscribe": f"<https://example.com/off/{'t' * 200}>, <mailto:off@example.com>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def test_everything_at_once() -> None:
    mail = compose(delivery(TEXT, subject="Grüße 👋🏽", headers=UNSUBSCRIBE), sender=SENDER, now=NOW, mail=EVERYTHING)
    assert mail.sender == "news@xn--bcher-kva.example"
    assert mail.recipients == ("reader@xn--bcher-kva.example", '"foo..bar"@docomo.ne.jp', "hidden@example.com")
    assert not mail.smtputf8
    content = content_of(mail)
    assert b"hidden" not in content
    message = parsed(content)
    assert message.defects == []
    assert len(message.keys()) == len({name.lower() for name in message})
    assert mailboxes(content, "From") == [Mailbox(email="news@xn--bcher-kva.example", name="Die Nachrichten")]
    assert mailboxes(content, "To") == [Mailbox(email="reader@xn--bcher-kva.example", name="Leser, der")]
    [cc] = mailboxes(content, "Cc")
    assert (cc.email, cc.name) == ('"foo..bar"@docomo.ne.jp', EVERYTHING.parts.cc[0].name)
    assert mailboxes(content, "Reply-To") == list(EVERYTHING.parts.reply_to)
    assert message["Subject"] == "Grüße 👋🏽"
    for name, value in UNSUBSCRIBE.items():
        assert f"\r\n{name}: {value}\r\n".encode() in content
    assert [part.get_content_type() for part in message.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"),
        *("application/pdf", "text/calendar"),
    ]
    text, html, logo, pdf, invite = [part for part in message.walk() if not part.is_multipart()]
    assert text_of(text) == lines(TEXT)
    assert text_of(html) == lines(EVERYTHING.parts.html or "")
    assert (logo["Content-ID"], logo.get_content_disposition()) == ("<logo@tidings>", "inline")
    assert (pdf.get_filename(), pdf.get_content_disposition()) == (
        EVERYTHING.parts.attachments[0].filename,
        "attachment",
    )
    assert invite["Content-Type"].params == {"method": "REQUEST", "charset": "utf-8"}
    assert [part.get_payload(decode=True) for part in (pdf, logo, invite)] == EVERYTHING.contents()


def test_html_alone() -> None:
    message = parsed(content_of(compose(delivery(""), sender=SENDER, now=NOW, mail=kept(html="<p>Hi"))))
    assert [part.get_content_type() for part in message.walk()] == ["text/html"]
    assert text_of(message) == ["<p>Hi"]


def test_a_text_with_a_file() -> None:
    mail = kept([(b"a,b", "a.csv", "text/csv", None)])
    message = parsed(content_of(compose(delivery("Hello"), sender=SENDER, now=NOW, mail=mail)))
    assert [part.get_content_type() for part in message.walk()] == ["multipart/mixed", "text/plain", "text/csv"]


def test_who_has_it_already_does_not_get_it_again() -> None:
    mail = msgspec.structs.replace(EVERYTHING, remaining=("hidden@example.com",))
    assert compose(delivery("x"), sender=SENDER, now=NOW, mail=mail).recipients == ("hidden@example.com",)


def test_a_local_part_outside_ascii_needs_smtputf8() -> None:
    mail = compose(
        delivery("x"), sender=SENDER, now=NOW, mail=kept(html="<p>ä", cc=(Mailbox(email="jörg@bücher.example"),))
    )
    assert mail.smtputf8
    assert "\r\nCc: jörg@xn--bcher-kva.example\r\n".encode() in mail.data


def test_no_text_becomes_a_header() -> None:
    named = Mailbox(email="a@example.com", name=INJECTION)
    mail = kept(
        [(b"x", INJECTION, "text/plain", None)],
        html=f"Bcc: b@example.com\r\n\r\n{INJECTION}",
        sender=named,
        recipient_name=INJECTION,
        cc=(named,),
        reply_to=(named,),
    )
    headers = {"X-Text": INJECTION, "Errors-To": f"{INJECTION} <a@example.com>"}
    content = content_of(
        compose(
            delivery(f"Bcc: b\r\n{INJECTION}", subject=INJECTION, headers=headers), sender=SENDER, now=NOW, mail=mail
        )
    )
    message = parsed(content)
    assert all(part["Bcc"] is None for part in message.walk())
    assert message["Subject"] == message["X-Text"] == INJECTION
    assert [each.name for name in ("From", "To", "Cc", "Reply-To") for each in mailboxes(content, name)] == [
        INJECTION
    ] * 4
    assert list(message.walk())[-1].get_filename() == INJECTION


# What the API lets through.
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
name_letters = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from('=?_",<>\\@')
names = st.text(name_letters, max_size=80).map(lambda name: " ".join(name.split()))
texts = st.text(letters) | st.sampled_from(["\r\n.\r\nQUIT", "From x\n", "x" * 2000, INJECTION, " \t\n" * 9])
addresses = st.sampled_from(
    ["a@example.com", "foo..bar@docomo.ne.jp", '"a b"@example.com', "b@bücher.example", "l" * 64 + "@example.com"]
)
boxes = st.builds(Mailbox, email=addresses, name=names)
kinds = st.sampled_from(["application/pdf", "image/png", "text/plain", 'text/x; a="b c; d"'])
file_names = names.filter(lambda name: 0 < len(name.encode()) <= 255)
files = st.tuples(st.binary(max_size=300), st.none() | file_names, kinds)


class Written(NamedTuple):
    """What somebody wrote."""

    text: str
    html: str | None
    subject: str
    header: str
    sender: Mailbox | None
    recipient_name: str
    cc: list[Mailbox]
    bcc: list[Mailbox]
    reply_to: list[Mailbox]
    attached: list[tuple[bytes, str | None, str]]
    inline: list[tuple[bytes, str | None, str]]


written = st.builds(
    Written,
    text=texts,
    html=st.none() | texts.filter(bool),
    subject=st.text(name_letters | st.sampled_from("\x85\u2028")),
    header=st.text(name_letters),
    sender=st.none() | boxes,
    recipient_name=names,
    cc=st.lists(boxes, max_size=8),
    bcc=st.lists(boxes, max_size=2),
    reply_to=st.lists(boxes, max_size=3),
    attached=st.lists(files, max_size=3),
    inline=st.lists(files, max_size=2),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(written)
@pytest.mark.timeout(0 if "FUZZ_EXAMPLES" in os.environ else 300)
def test_any_mail_is_read_as_it_was_written(wrote: Written) -> None:
    text, html, subject, header, sender, recipient_name, cc, bcc, reply_to, attached, inline = wrote
    inline = inline if html is not None else []
    shown = [(*each, f"id{number}") for number, each in enumerate(inline)]
    mail = kept(
        [*((*each, None) for each in attached), *shown],
        html=html,
        sender=sender,
        recipient_name=recipient_name,
        cc=tuple(cc),
        bcc=tuple(bcc),
        reply_to=tuple(reply_to),
    )
    composed = compose(delivery(text, subject=subject, headers={"X-Text": header}), sender=SENDER, now=NOW, mail=mail)
    content = content_of(composed)
    assert set(composed.recipients) == {
        on_the_wire(each) for each in ("reader@bücher.example", *(box.email for box in (*cc, *bcc)))
    }
    message = parsed(content)
    expected = {"From", "To", "Subject", "Date", "Message-ID", "X-Text", "MIME-Version", "Content-Type"}
    expected |= {"Cc"} if cc else set()
    expected |= {"Reply-To"} if reply_to else set()
    assert sorted(set(message.keys()) - {"Content-Transfer-Encoding"}) == sorted(expected)
    assert len(message.keys()) == len(set(message.keys()))
    for name, wanted in (
        ("From", [sender or SENDER]),
        ("To", [Mailbox(email="reader@bücher.example", name=recipient_name)]),
        ("Cc", cc),
        ("Reply-To", reply_to),
    ):
        if wanted:
            assert mailboxes(content, name) == [
                Mailbox(email=on_the_wire(each.email), name=each.name) for each in wanted
            ]
    [raw] = [str(value) for name, value in email.message_from_bytes(content).raw_items() if name == "Subject"]
    assert str(make_header(decode_header(raw.replace("\r\n", "")))).strip() == " ".join(subject.splitlines()).strip()
    leaves = [part for part in message.walk() if not part.is_multipart()]
    if text or html is None:
        assert text_of(leaves.pop(0)) == lines(text)
    if html is not None:
        assert text_of(leaves.pop(0)) == lines(html)
    assert [(part.get_payload(decode=True), part.get_filename(), part["Content-ID"]) for part in leaves] == [
        *((data, name, f"<{content_id}>") for data, name, _, content_id in shown),
        *((data, name, None) for data, name, _ in attached),
    ]


@given(texts.filter(bool))
def test_a_text_alone_is_what_the_library_makes_of_it(text: str) -> None:
    alone = parsed(content_of(compose(delivery(text), sender=SENDER, now=NOW)))
    beside = parsed(content_of(compose(delivery(text), sender=SENDER, now=NOW, mail=kept(html="x"))))
    first = beside.get_payload(0)
    assert isinstance(first, EmailMessage)
    assert text_of(alone) == text_of(first)
    for name in ("Content-Transfer-Encoding", "Content-Type"):
        assert alone[name] == first[name]


@pytest.mark.skipif(shutil.which("mshow") is None, reason="needs mblaze, a mail program of Debian")
def test_another_program_reads_it_too(tmp_path: Path) -> None:
    mail = compose(delivery(TEXT, subject="Grüße 👋🏽", headers=UNSUBSCRIBE), sender=SENDER, now=NOW, mail=EVERYTHING)
    file = tmp_path / "mail"
    file.write_bytes(content_of(mail))

    def run(*command: str) -> bytes:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "MBLAZE": str(tmp_path)}
        return subprocess.run([*command], check=True, capture_output=True, env=environment).stdout

    tree = run("mshow", "-t", str(file)).decode()
    parts = [line.split(":", 1)[1].split()[0] for line in tree.splitlines() if line.startswith(" ")]
    assert parts == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"),
        *("application/pdf", "text/calendar"),
    ]
    assert "Jahresübersicht 2026 – 株式会社.pdf" in tree
    assert run("mhdr", "-d", "-h", "subject", str(file)).decode() == "Grüße 👋🏽\n"
    assert run("mhdr", "-d", "-h", "cc", str(file)).decode().startswith(EVERYTHING.parts.cc[0].name)
    assert run("mhdr", "-h", "list-unsubscribe", str(file)).decode() == f"{UNSUBSCRIBE['List-Unsubscribe']}\n"
    assert lines(run("mshow", "-O", str(file), "3").decode()) == lines(TEXT)
    assert lines(run("mshow", "-O", str(file), "5").decode()) == lines(EVERYTHING.parts.html or "")
    assert [run("mshow", "-O", str(file), number) for number in ("7", "6", "8")] == EVERYTHING.contents()
