"""Delivery reports of gateways: taken at `/receipts/{gateway}/{token}`, and answered once they are stored.

Whoever has the URL can report of the messages that went by this gateway, and of no others: the token is what the
provider was told, and where its preset knows a signature, that is looked at too. A crash before the commit leaves the
provider without its answer: it sends the report again, and one that is there already changes nothing.
"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web

from api.http import peer
from api.http.body import CLOSE, too_large
from api.http.problems import RequestError
from api.http.resources import METRICS, REPORTING, SETTINGS
from api.openapi.operation import Access, page
from api.receipts.commits import keep
from api.receipts.gateways import Reporting
from api.receipts.reading import read_whole
from api.receipts.signatures import Signed, is_signed
from sql.receipts import NewReceipt
from tidings.channels.sms.preset import ReceiptFormat
from tidings.channels.sms.receipts import Parts, Report, ReportError, parse
from tidings.domain.errors import StoreUnavailableError, UnsealError
from tidings.domain.ids import parse_id

log = structlog.get_logger(__name__)

MAX_REPORT: Final = 256 * 1024
"""Bytes of one request: a hundred reports of the most talkative provider."""
MAX_QUERY: Final = 8 * 1024

_NOBODY: Final = "there is no gateway of this URL"
_NOT_SIGNED: Final = "this is not signed as reports of this gateway are"
_ELSEWHERE: Final = "reports of this gateway do not come from this address"


@page(access=Access.EVERYBODY)
async def take(request: web.Request) -> web.Response:
    """Takes the reports in a request. Answered as the provider expects, and never before they are stored."""
    reporting = await _reporting(request)
    form = reporting.preset.receipt
    if form is None:
        raise RequestError(HTTPStatus.NOT_FOUND, "this kind of gateway sends no delivery reports")
    counters = request.app[METRICS].receipts
    if form.addresses and not _may_come_from(request, form.addresses):
        counters["gateway", "refused"].inc()
        raise RequestError(HTTPStatus.FORBIDDEN, _ELSEWHERE, headers=CLOSE)
    if len(request.rel_url.raw_query_string) > MAX_QUERY:
        raise too_large(MAX_QUERY)
    body = await read_whole(request, limit=MAX_REPORT)
    if not is_signed(form.signature, reporting.credentials, _signed(request, body)):
        counters["gateway", "refused"].inc()
        log.info("a report is not signed", gateway=str(reporting.gateway.id))
        raise RequestError(HTTPStatus.FORBIDDEN, _NOT_SIGNED)
    try:
        is_get = request.method == hdrs.METH_GET
        reports = parse(reporting.preset, Parts(query=request.rel_url.raw_query_string, body=body, is_get=is_get))
    except ReportError as error:
        counters["gateway", "unreadable"].inc()
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the report {error}") from None
    await keep(request, "gateway", list(_receipts(reporting, reports)))
    for report in reports:
        if report.receipt is None:
            counters["gateway", "passing"].inc()
    return _reply(form)


async def _reporting(request: web.Request) -> Reporting:
    gateway_id = parse_id(request.match_info["gateway"])
    try:
        found = gateway_id and await request.app[REPORTING].find(gateway_id, request.match_info["token"])
    except UnsealError as error:
        raise StoreUnavailableError(str(error)) from None
    if not found:
        raise RequestError(HTTPStatus.NOT_FOUND, _NOBODY, headers=CLOSE)
    return found


def _receipts(reporting: Reporting, reports: Sequence[Report]) -> Iterator[NewReceipt]:
    gateway = reporting.gateway
    for report in reports:
        if report.receipt is not None:
            yield NewReceipt(
                owner=gateway.user_id,
                gateway=gateway.key,
                provider_message_id=report.provider_message_id,
                receipt=report.receipt,
                detail=detail_of(report),
            )


def detail_of(report: Report) -> str | None:
    """The provider's code and a word for it, or its status where it says no more; None of what was delivered."""
    said = " ".join(filter(None, (report.code, report.detail)))
    return said or (None if report.receipt == "delivered" else report.status)


def _signed(request: web.Request, body: bytes) -> Signed:
    return Signed(
        urls=seen_urls(request),
        headers=request.headers,
        body=body,
        is_form=request.content_type == "application/x-www-form-urlencoded",
        is_get=request.method == hdrs.METH_GET,
    )


def seen_urls(request: web.Request) -> list[str]:
    """What the provider asked for: it was told a URL under `PUBLIC_URL`, whatever proxies made of it.

    Or one that somebody has typed in at the provider's, which leads here by another name.
    """
    path = request.rel_url.raw_path_qs
    scheme = "https" if peer.came_by_https(request) else "http"
    public = request.app[SETTINGS].public_url.rstrip("/")
    prefix = urlsplit(public).path
    said = [f"{public}{path}"] if public else []
    return [*said, f"{scheme}://{request.headers.get(hdrs.HOST, '')}{prefix}{path}"]


def _may_come_from(request: web.Request, addresses: Sequence[str]) -> bool:
    address = peer.client_address(request)
    return any(address in ip_network(each, strict=False) for each in addresses)


def _reply(form: ReceiptFormat) -> web.Response:
    reply = form.reply
    if not reply.body:
        return web.Response(status=reply.status)
    return web.Response(status=reply.status, text=reply.body, content_type=reply.content_type)


ROUTES: Final = (
    web.post("/receipts/{gateway}/{token}", take),
    web.get("/receipts/{gateway}/{token}", take, allow_head=False),
)
