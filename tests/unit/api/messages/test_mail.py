"""api/messages/mail.py, through validation.py"""

from base64 import b64encode
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.http.principal import OPERATOR, Principal
from api.http.problems import InvalidError
from api.messages.mail import mail_bytes
from api.messages.mail_schemas import MailAnswer
from api.messages.schemas import MessageRequest
from api.messages.validation import sealed, to_message
from tidings.domain.account import Role
from tidings.domain.mail_parts import Attachment, KeptMail, Mailbox, MailParts
from tidings.domain.message import NewMessage
from tidings.domain.retry import RetryDefaults
from tidings.settings import Settings

USER = UUID(int=7)
MEMBER = Principal(user_id=USER, role=Role.USER, channels=None)
MAIL: dict[str, Any] = {"channel": "email", "recipient": "reader@example.com", "content": "Hello"}


def message_of(body: dict[str, Any], *, principal: Principal = OPERATOR, **settings: Any) -> NewMessage:
    request = msgspec.json.decode(msgspec.json.encode(body), type=MessageRequest)
    message = to_message(request, queues={"default": None}, retries=RetryDefaults(), principal=principal)
    return sealed(message, Settings(**settings))


def faults(body: dict[str, Any], **more: Any) -> dict[str | None, str]:
    with pytest.raises(InvalidError) as raised:
        message_of({**MAIL, **body}, **more)
    return {fault.field: fault.detail for fault in raised.value.errors}


def test_a_text_for_one_address_has_nothing_beside_it() -> None:
    message = message_of(MAIL)
    assert (message.mail, message.mail_bytes) == (None, None)


def test_everything_that_a_mail_may_have() -> None:
    logo, report = b"\x89PNG\r\n", b"a,b\r\n" * 100
    message = message_of(
        {
            **MAIL,
            "recipient": "株式会社 <foo..bar@docomo.ne.jp>",
            "html": "<img src='cid:logo'>",
            "from": {"email": "news@example.org", "name": "The News"},
            "cc": ["Ada <ada@example.com>", {"email": "b@bücher.example"}],
            "bcc": ["c@example.com"],
            "reply_to": "Support <support@example.com>",
            "attachments": [
                {"content": b64encode(report).decode(), "filename": "Übersicht.csv"},
                {"content": b64encode(logo).decode(), "content_type": "image/png", "content_id": "logo"},
            ],
        }
    )
    assert message.recipient == "foo..bar@docomo.ne.jp"
    assert message.mail == KeptMail(
        parts=MailParts(
            html="<img src='cid:logo'>",
            sender=Mailbox(email="news@example.org", name="The News"),
            recipient_name="株式会社",
            cc=(Mailbox(email="ada@example.com", name="Ada"), Mailbox(email="b@bücher.example")),
            bcc=(Mailbox(email="c@example.com"),),
            reply_to=(Mailbox(email="support@example.com", name="Support"),),
            attachments=(
                Attachment(content_type="text/csv", size=500, filename="Übersicht.csv"),
                Attachment(content_type="image/png", size=6, content_id="logo"),
            ),
        ),
        files=report + logo,
    )
    assert message.mail.contents() == [report, logo]
    assert message.mail_bytes == mail_bytes(message.mail) > len(report + logo)
    shown = msgspec.to_builtins(MailAnswer.of(message.mail))
    assert shown["attachments"][0] == {
        "filename": "Übersicht.csv", "content_type": "text/csv", "content_id": None, "size": 500
    }  # fmt: skip
    assert shown["from"] == {"email": "news@example.org", "name": "The News"}


def test_html_alone_is_enough() -> None:
    assert message_of({"channel": "email", "recipient": "a@example.com", "html": "<p>Hi"}).content == ""


@pytest.mark.parametrize("channel", ["sms", "webhook", "echo"])
def test_only_mail_has_it(channel: str) -> None:
    body = {"channel": channel, "recipient": "+905551111111", "html": "x", "cc": [], "from": "a@example.com"}
    assert faults(body).keys() >= {"html", "cc", "from"}
    with pytest.raises(InvalidError) as raised:
        message_of({"channel": channel, "recipient": "x"})
    assert any(fault.field == "content" and fault.detail == "is missing" for fault in raised.value.errors)


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ({"headers": {"Content-Type": "text/html"}}, "headers", "use the fields html and attachments"),
        ({"headers": {"cc": "a@example.com"}}, "headers", "'cc' cannot be set here: use the field cc"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers", "are the same header"),
        ({"headers": {"Reply-To": "a@example.com"}, "reply_to": "b@example.com"}, "reply_to", "in headers too"),
        ({"cc": ["nobody"]}, "cc", "is not an e-mail address"),
        ({"bcc": [{"email": "a@example.com", "name": "a\nb"}]}, "bcc", "control characters"),
        ({"cc": ["a@example.com"] * 60, "bcc": ["a@example.com"] * 40}, "cc", "at most 100 recipients"),
        ({"cc": ["a@corp.local"]}, "cc", "EMAIL_ADDRESSES"),
        ({"recipient": "a@corp.local"}, "recipient", "EMAIL_ADDRESSES"),
        ({"recipient": "A <b@example.com>, C <d@example.com>"}, "recipient", "is not an e-mail address"),
        ({"html": "a\0"}, "html", "U+0000"),
        ({"attachments": [{"content": "", "content_id": "x"}]}, "attachments.0", "for an image that html shows"),
        ({"attachments": [{"content": "", "content_type": "multipart/mixed"}]}, "attachments.0", "media type"),
        ({"attachments": [{"content": "", "content_type": "text/plain\r\nX: y"}]}, "attachments.0", "media type"),
        ({"attachments": [{"content": "", "filename": "a\r\nb"}]}, "attachments.0", "filename"),
        ({"attachments": [{"content": "", "filename": "ä" * 128}]}, "attachments.0", "filename"),
        (
            {"html": "x", "attachments": [{"content": "", "content_id": "a"}, {"content": "", "content_id": "a"}]},
            "attachments.1",
            "another one's",
        ),
        ({"html": "x", "attachments": [{"content": "", "content_id": "a>b"}]}, "attachments.0", "angle brackets"),
    ],
)
def test_what_cannot_be_a_mail(body: dict[str, Any], field: str, detail: str) -> None:
    assert detail in faults(body)[field]


def test_a_network_of_ones_own() -> None:
    body = {**MAIL, "recipient": "root@localhost", "cc": ["ada@corp.local"]}
    assert message_of(body, email_addresses="internal").recipient == "root@localhost"


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"attachments"):
        message_of({**MAIL, "attachments": [{"content": "*"}]})
