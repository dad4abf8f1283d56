"""From a delivery report, as its provider sends it, to what it says of which message. Pure.

Nothing here trusts what came: a report that cannot be read is none, and every text is cut.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from tidings.channels.sms.paths import find, first_text
from tidings.channels.sms.preset import Preset, ReceiptFormat
from tidings.domain.states import Receipt

MAX_REPORTS: Final = 1000
"""In one request; providers send a hundred at the most."""
MAX_FIELDS: Final = 200
"""In a form or a query."""
LONGEST_ID: Final = 255
LONGEST_DETAIL: Final = 300


class ReportError(ValueError):
    """The request holds no delivery report of this provider; the text is one line."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request tells about a report."""

    query: str = ""
    """As it stands in the URL, behind its question mark."""
    body: bytes = b""
    is_get: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came back about one message."""

    provider_message_id: str
    receipt: Receipt | None
    """None: nothing yet, such as that an operator has it."""
    status: str
    """As the provider says it."""
    code: str = ""
    detail: str = ""
    """A word for the code, or what the provider says; empty where it says nothing."""


def parse(preset: Preset, parts: Parts) -> list[Report]:
    """The reports in a request, in its order. Raises ReportError."""
    form = preset.receipt
    if form is None:
        raise ReportError("this kind of gateway sends no delivery reports")
    document = _document(form, parts)
    entries = find(document, form.list) if form.list else document
    found = entries if isinstance(entries, list) else [entries]
    if len(found) > MAX_REPORTS:
        raise ReportError(f"has {len(found)} reports; {MAX_REPORTS} may come at once")
    reports = [report for each in found if (report := _report(form, each)) is not None]
    if found and not reports:
        raise ReportError("has no id of a message, or no status")
    return reports


def _document(form: ReceiptFormat, parts: Parts) -> Any:
    if form.format == "json" and not parts.is_get:
        try:
            return msgspec.json.decode(parts.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ReportError("is not JSON") from None
    text = parts.query
    if form.format == "form" and not parts.is_get:
        try:
            text = parts.body.decode()
        except UnicodeDecodeError:
            raise ReportError("is not a form in UTF-8") from None
    try:
        return dict(parse_qsl(text, max_num_fields=MAX_FIELDS, errors="replace"))
    except ValueError:
        raise ReportError(f"has more than {MAX_FIELDS} fields") from None


def _report(form: ReceiptFormat, entry: Any) -> Report | None:
    message_id, status = first_text(entry, form.id), first_text(entry, form.status)
    if not message_id or not status or len(message_id) > LONGEST_ID or not message_id.isprintable():
        return None
    code = first_text(entry, form.code)
    detail = form.words.get(code) or form.words.get(status) or first_text(entry, form.detail)
    return Report(
        provider_message_id=message_id,
        receipt=_receipt(form, status),
        status=_line(status),
        code=_line(code),
        detail=_line(detail),
    )


def _receipt(form: ReceiptFormat, status: str) -> Receipt | None:
    folded = status.casefold()
    if any(folded == each.casefold() for each in form.delivered):
        return Receipt.DELIVERED
    return Receipt.UNDELIVERED if any(folded == each.casefold() for each in form.undelivered) else None


def _line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:LONGEST_DETAIL]
