"""Bounces: a report as a mail server's pipe hands it over becomes a receipt of its message, and suppressions.

A report may be forged by whoever knows a Message-ID, which are the readers of that mail. So only a message that whoever
hands it over may see is touched, and only addresses that this message went to.
"""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from aiohttp import web

from api.bounces.report import Event, NoReportError, Report, Reported, parse
from api.bounces.schemas import ReportAnswer, ReportedAnswer
from api.http.auth import LIMITED_KEY, principal, require_reach
from api.http.body import CLOSE, NOT_WHOLE, answer, go_on
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import SETTINGS, STORE
from api.openapi import examples, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, RawBody, operation
from api.receipts.commits import keep
from api.suppressions.door import MAIL, mail_addresses
from sql.receipts import NewReceipt
from tidings.channels.email.addresses import MAX_TEXT, check_address
from tidings.channels.recipient import RecipientError
from tidings.domain.api_key import Scope
from tidings.domain.message import Message
from tidings.domain.states import Receipt
from tidings.domain.suppression import MAX_DETAIL, SuppressionReason, same_address

log = structlog.get_logger(__name__)

READ_BYTES: Final = 512 * 1024
"""Of a report, from its beginning: what it says comes before the mail that it returns."""
MAX_REPORT: Final = 64 * 1024**2
"""Bytes of a report as a whole."""
MEDIA_TYPES: Final = ("message/rfc822", "text/plain", "application/octet-stream")

_TOO_LARGE: Final = f"the report is larger than {MAX_REPORT} bytes"
_ANOTHER_TYPE: Final = f"the body must be a mail as it came: {', '.join(MEDIA_TYPES)}"
_NOT_OURS: Final = "it names no message of yours that is kept here"


@operation(
    tags.BOUNCES,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    parameters=(parameters.ENVELOPE_RECIPIENT,),
    body=RawBody(MEDIA_TYPES, request_examples.REPORTS),
    answers=Answer("It is read.", ReportAnswer, examples.REPORT),
    errors={
        HTTPStatus.FORBIDDEN: LIMITED_KEY,
        HTTPStatus.NOT_FOUND: _NOT_OURS,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: _ANOTHER_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY: str(NoReportError("it says nothing of a recipient")),
    },
)
async def take(request: web.Request) -> web.Response:
    """Takes a report of a mail server or a mailbox provider.

    The mail as it came: a delivery status notification (RFC 3464) or a complaint (RFC 5965). Its message is found by
    the address that it came for (`BOUNCE_ADDRESS`), or by the `Message-ID` that it returns. What was not delivered
    makes it `undelivered`; where the address is to blame, and for a complaint, the address takes no more mail of the
    message's user. The same report again changes nothing. Users hand over reports of their own messages, admins all.
    """
    require_reach(request, channel=MAIL)
    envelope = request.query.get("recipient", "")
    if len(envelope) > MAX_TEXT:
        raise InvalidError([Fault(field="recipient", detail=f"is longer than {MAX_TEXT} characters")])
    raw = await _read(request)
    try:
        # As much as is read takes a tenth of a second.
        report = await asyncio.to_thread(
            parse, raw, bounce_address=request.app[SETTINGS].bounce_address, envelope=[envelope]
        )
    except NoReportError as error:
        raise InvalidError([Fault(detail=str(error))]) from None
    message = await _find(request, report)
    if message is None:
        raise RequestError(HTTPStatus.NOT_FOUND, _NOT_OURS)
    return answer(await _settle(request, message, report))


async def _read(request: web.Request) -> bytes:
    """The beginning of the body; the rest is read past, so that a client need not stop in the middle."""
    if request.content_type not in MEDIA_TYPES:
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _ANOTHER_TYPE)
    if (request.content_length or 0) > MAX_REPORT:
        raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE, headers=CLOSE)
    await go_on(request)
    kept, size = bytearray(), 0
    try:
        async for chunk in request.content.iter_any():
            size += len(chunk)
            kept += chunk[: READ_BYTES - len(kept)]
            if size > MAX_REPORT:
                raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE, headers=CLOSE)
    except (web.RequestPayloadError, OSError):
        raise RequestError(HTTPStatus.BAD_REQUEST, NOT_WHOLE) from None
    return bytes(kept)


async def _find(request: web.Request, report: Report) -> Message | None:
    """The first message that the report names, among those that the client may see; with all of its recipients."""
    messages = request.app[STORE].messages
    for message_id in report.message_ids:
        message = await messages.get(message_id)
        if message is not None and principal(request).may_see_message(message) and any(mail_addresses(message)):
            mail = await messages.mail(message)
            return message if mail is None else msgspec.structs.replace(message, mail=mail)
    return None


async def _settle(request: web.Request, message: Message, report: Report) -> ReportAnswer:
    store, recipients = request.app[STORE], {same_address(each): each for _, each in mail_addresses(message)}
    found = [(reported, _recipient(reported, recipients)) for reported in report.recipients]
    receipt = await _record(request, message, [reported for reported, address in found if address is not None])
    suppressed: set[str] = set()
    for reason, wanted in (
        (SuppressionReason.BOUNCE, [each for each in found if each[0].bad_address]),
        (SuppressionReason.COMPLAINT, [each for each in found if each[0].event is Event.COMPLAINT]),
    ):
        details = {address: _detail(reported) for reported, address in wanted if address is not None}
        if details:
            new = await store.suppressions.put(message.user_id, details, reason, message_id=message.id)
            suppressed |= details.keys()
            for address in new:
                log.info("address suppressed", reason=reason, message_id=str(message.id), domain=_domain(address))
    return ReportAnswer(
        message_id=message.id,
        receipt=receipt,
        recipients=[
            ReportedAnswer(
                address=None if address is None else recipients[address],
                event=reported.event,
                status=reported.status,
                diagnostic=reported.diagnostic,
                suppressed=address in suppressed,
            )
            for reported, address in found
        ],
    )


async def _record(request: web.Request, message: Message, reported: Sequence[Reported]) -> Receipt | None:
    """Keeps the receipt, and returns the one that the message has now."""
    for event, receipt in ((Event.UNDELIVERED, Receipt.UNDELIVERED), (Event.DELIVERED, Receipt.DELIVERED)):
        of_event = [each for each in reported if each.event is event]
        if of_event and message.receipt is not Receipt.UNDELIVERED:
            detail = "; ".join(filter(None, map(_detail, of_event)))[:MAX_DETAIL] or None
            new = NewReceipt(message_id=message.id, receipt=receipt, detail=detail)
            await keep(request, MAIL, [new])
            return receipt
    return message.receipt


def _recipient(reported: Reported, recipients: Mapping[str, str]) -> str | None:
    """Which of a message's recipients is reported; None where it is none of them.

    Where a message has one only it is that one, whatever the address: servers forward, and providers leave addresses
    out of complaints.
    """
    for address in reported.addresses:
        try:
            same = same_address(check_address(address))
        except RecipientError:
            continue
        if same in recipients:
            return same
    return next(iter(recipients)) if len(recipients) == 1 else None


def _detail(reported: Reported) -> str | None:
    address = f"{reported.addresses[-1]}:" if reported.addresses else None
    return " ".join(filter(None, (address, reported.status, reported.diagnostic)))[:MAX_DETAIL] or None


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
