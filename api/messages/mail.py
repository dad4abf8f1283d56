"""What a mail has besides its subject and its text: checked, and made into what is kept beside the message."""

import mimetypes
import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from api.http.problems import Fault, InvalidError
from api.messages.schemas import MAX_FILENAME, MAX_RECIPIENTS, AttachmentRequest, MailboxRequest, MessageRequest
from tidings.channels.email.addresses import check_mailbox, parse_mailbox, require_deliverable
from tidings.channels.recipient import RecipientError
from tidings.domain.mail_parts import Attachment, KeptMail, Mailbox, MailParts
from tidings.settings import Settings

Faults = dict[str, str]
"""What is wrong, by field."""

OCTETS: Final = "application/octet-stream"

_FIELDS: Final = {"html": "html", "from_": "from", "cc": "cc", "bcc": "bcc", "reply_to": "reply_to"} | {
    "attachments": "attachments"
}
"""Fields of a request that only a mail has, with their names in JSON."""
_WORD: Final = r"[A-Za-z0-9!#$&^_.+*'|~-]+"
_MEDIA_TYPE: Final = re.compile(
    rf'(?!multipart/|message/){_WORD}/{_WORD}(?:; *{_WORD}=(?:{_WORD}|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*',
    re.IGNORECASE,
)
_CONTENT_ID: Final = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,200}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_encoder: Final = msgspec.json.Encoder()


def mail_fields(request: MessageRequest) -> list[str]:
    """The fields in a request that only a mail may have."""
    return [name for field, name in _FIELDS.items() if getattr(request, field) is not UNSET]


def mail_bytes(mail: KeptMail) -> int:
    """How much is kept of it."""
    return len(_encoder.encode(mail.parts)) + len(mail.files)


def kept_mail(request: MessageRequest, recipient_name: str, faults: Faults) -> KeptMail | None:
    """What is kept beside a mail; None where it is a text for one address."""
    if not recipient_name and not mail_fields(request):
        return None
    html = None if request.html is UNSET else request.html
    if html is not None and "\0" in html:
        faults["html"] = "must not contain the character U+0000"
    given = None if request.from_ is UNSET else _mailboxes("from", [request.from_], faults)
    cc, bcc = _mailboxes("cc", request.cc, faults), _mailboxes("bcc", request.bcc, faults)
    if len(cc) + len(bcc) >= MAX_RECIPIENTS:
        faults["cc"] = f"a mail has at most {MAX_RECIPIENTS} recipients"
    reply_to = request.reply_to
    answered = _mailboxes("reply_to", [reply_to] if isinstance(reply_to, str | MailboxRequest) else reply_to, faults)
    if answered and any(name.lower() == "reply-to" for name in request.headers or ()):
        faults["reply_to"] = "is given in headers too"
    attachments, files = _attachments(request, faults)
    parts = MailParts(
        html=html,
        sender=given[0] if given else None,
        recipient_name=recipient_name,
        cc=cc,
        bcc=bcc,
        reply_to=answered,
        attachments=attachments,
    )
    return KeptMail(parts=parts, files=files)


def require_open(parts: MailParts, settings: Settings) -> None:
    """Raises InvalidError where this deployment does not deliver to one of the recipients."""
    for field, mailboxes in (("cc", parts.cc), ("bcc", parts.bcc)):
        for mailbox in mailboxes:
            try:
                require_deliverable(mailbox.email, settings)
            except RecipientError as error:
                raise InvalidError([Fault(field=field, detail=f"{mailbox.email} {error}")]) from None


def _mailboxes(field: str, given: Iterable[str | MailboxRequest] | UnsetType, faults: Faults) -> tuple[Mailbox, ...]:
    found = []
    for each in () if isinstance(given, UnsetType) else given:
        try:
            found.append(
                parse_mailbox(each)
                if isinstance(each, str)
                else check_mailbox(Mailbox(email=each.email, name=each.name))
            )
        except RecipientError as error:
            faults[field] = str(error)
            break  # one is named, and each takes its time
    return tuple(found)


def _attachments(request: MessageRequest, faults: Faults) -> tuple[tuple[Attachment, ...], bytes]:
    given = [] if isinstance(request.attachments, UnsetType) else request.attachments
    attachments, seen = [], set[str]()
    for index, each in enumerate(given):
        fault, content_id = _fault(each), each.content_id
        if content_id is not None and request.html is UNSET:
            fault = "content_id is for an image that html shows"
        elif content_id in seen:
            fault = f"content_id {content_id} is another one's too"
        if content_id is not None:
            seen.add(content_id)
        if fault is not None:
            faults[f"attachments.{index}"] = fault
            continue
        attachments.append(
            Attachment(
                content_type=each.content_type or _guessed(each.filename),
                size=len(each.content),
                filename=each.filename,
                content_id=content_id,
            )
        )
    return tuple(attachments), b"".join(each.content for each in given)


def _guessed(filename: str | None) -> str:
    kind, encoding = mimetypes.guess_type(filename or "")
    # What is compressed is not what it holds. Parts of a mail with parts, and mails, are no bytes in base64 (RFC 2046).
    if kind is None or encoding is not None or kind.startswith(("multipart/", "message/")):
        return OCTETS
    return kind


def _fault(attachment: AttachmentRequest) -> str | None:
    name = attachment.filename
    if name is not None and (not name.strip() or _CONTROL.search(name) or len(name.encode()) > MAX_FILENAME):
        return f"filename must be one line of 1 to {MAX_FILENAME} bytes"
    kind = attachment.content_type
    if kind is not None and (len(kind) > MAX_FILENAME or not _MEDIA_TYPE.fullmatch(kind)):
        return "content_type must be a media type such as application/pdf, and neither multipart nor message"
    if attachment.content_id is not None and not _CONTENT_ID.fullmatch(attachment.content_id):
        return "content_id must be up to 200 visible ASCII characters without angle brackets"
    return None
