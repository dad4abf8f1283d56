"""tidings/channels/sms/receipts.py"""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tidings.channels.sms.preset import presets
from tidings.channels.sms.receipts import MAX_REPORTS, Parts, Report, ReportError, parse
from tidings.domain.states import Receipt


def form(**fields: str) -> Parts:
    return Parts(body=urlencode(fields).encode())


def as_json(document: Any) -> Parts:
    return Parts(body=json.dumps(document).encode())


def query(**fields: str) -> Parts:
    return Parts(query=urlencode(fields), is_get=True)


REPORTS = [
    # As the providers' documents show them: what came, of which message, what it means, code and word.
    ("twilio", form(MessageSid="SM1", MessageStatus="delivered", To="+15558675310"), "SM1", Receipt.DELIVERED, "", ""),
    ("twilio", form(MessageSid="SM1", MessageStatus="sent"), "SM1", None, "", ""),
    (
        "twilio",
        form(MessageSid="SM1", MessageStatus="undelivered", ErrorCode="30003"),
        "SM1",
        Receipt.UNDELIVERED,
        "30003",
        "handset unreachable",
    ),
    (
        "vonage",
        as_json({"messageId": "0C0000001234", "status": "delivered", "err-code": "0", "msisdn": "447700900000"}),
        "0C0000001234",
        Receipt.DELIVERED,
        "0",
        "",
    ),
    (
        "vonage",
        query(messageId="0C0000001234", status="failed", **{"err-code": "6"}),
        "0C0000001234",
        Receipt.UNDELIVERED,
        "6",
        "rejected as spam",
    ),
    (
        "sinch",
        as_json(
            {
                "type": "recipient_delivery_report_sms",
                "batch_id": "01F",
                "code": 0,
                "status": "Delivered",
                "recipient": "46",
            }
        ),
        "01F",
        Receipt.DELIVERED,
        "0",
        "",
    ),
    (
        "sinch",
        as_json({"type": "delivery_report_sms", "batch_id": "01F", "statuses": [{"code": 404, "status": "Failed"}]}),
        "01F",
        Receipt.UNDELIVERED,
        "404",
        "temporary delivery failure",
    ),
    ("sinch", as_json({"batch_id": "01F", "code": 401, "status": "Dispatched"}), "01F", None, "401", "dispatched"),
    (
        "messagebird",
        query(id="efa6", status="delivered", recipient="31612345678", statusDatetime="2017-09-01T10:00:05+00:00"),
        "efa6",
        Receipt.DELIVERED,
        "",
        "",
    ),
    (
        "messagebird",
        query(id="efa6", status="delivery_failed", statusReason="unknown subscriber", statusErrorCode="1"),
        "efa6",
        Receipt.UNDELIVERED,
        "1",
        "unknown subscriber",
    ),
    (
        "infobip",
        as_json(
            {
                "results": [
                    {
                        "messageId": "3344",
                        "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
                        "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False},
                    }
                ]
            }
        ),
        "3344",
        Receipt.DELIVERED,
        "NO_ERROR",
        "",
    ),
    (
        "plivo",
        form(MessageUUID="db36", Status="undelivered", ErrorCode="80"),
        "db36",
        Receipt.UNDELIVERED,
        "80",
        "destination temporarily unavailable",
    ),
    (
        "telnyx",
        as_json(
            {
                "data": {
                    "event_type": "message.finalized",
                    "payload": {"id": "ac01", "to": [{"phone_number": "+1", "status": "delivered"}], "errors": []},
                }
            }
        ),
        "ac01",
        Receipt.DELIVERED,
        "",
        "",
    ),
    (
        "telnyx",
        as_json(
            {
                "data": {
                    "payload": {
                        "id": "ac01",
                        "to": [{"status": "delivery_failed"}],
                        "errors": [{"code": "40008", "title": "Undeliverable"}],
                    }
                }
            }
        ),
        "ac01",
        Receipt.UNDELIVERED,
        "40008",
        "undeliverable",
    ),
    (
        "seven",
        as_json({"webhook_event": "dlr", "data": {"msg_id": "77233086310", "status": "NOTDELIVERED"}}),
        "77233086310",
        Receipt.UNDELIVERED,
        "",
        "not delivered",
    ),
    ("seven", as_json({"data": {"msg_id": "7", "status": "TRANSMITTED"}}), "7", None, "", ""),
    (
        "android_sms_gateway",
        as_json({"event": "sms:failed", "payload": {"messageId": "m1", "reason": "No service"}}),
        "m1",
        Receipt.UNDELIVERED,
        "",
        "No service",
    ),
    ("android_sms_gateway", as_json({"event": "sms:sent", "payload": {"messageId": "m1"}}), "m1", None, "", ""),
    ("jasmin", form(id="0703", message_status="DELIVRD", level="2", err="000"), "0703", Receipt.DELIVERED, "000", ""),
    ("jasmin", query(id="0703", message_status="UNDELIV", level="2"), "0703", Receipt.UNDELIVERED, "", ""),
    ("jasmin", form(id="0703", message_status="ESME_ROK", level="1"), "0703", None, "", ""),
    ("plain", as_json({"messageId": "1", "status": "delivered"}), "1", Receipt.DELIVERED, "", ""),
]


@pytest.mark.parametrize("expected", REPORTS)
def test_what_each_provider_sends(expected: tuple[str, Parts, str, Receipt | None, str, str]) -> None:
    preset, parts, *said = expected
    [report] = parse(presets()[preset], parts)
    assert [report.provider_message_id, report.receipt, report.code, report.detail] == said


def test_every_preset_has_been_seen() -> None:
    assert {each[0] for each in REPORTS} == set(presets())


def test_several_at_once_come_in_their_order() -> None:
    results = [{"messageId": str(number), "status": {"groupName": "DELIVERED"}} for number in range(3)]
    reports = parse(presets()["infobip"], as_json({"results": results}))
    assert [report.provider_message_id for report in reports] == ["0", "1", "2"]


def test_one_that_cannot_be_read_costs_the_others_nothing() -> None:
    results = [{"messageId": "1"}, 5, {"messageId": "2", "status": {"groupName": "EXPIRED"}}]
    [report] = parse(presets()["infobip"], as_json({"results": results}))
    assert report == Report(provider_message_id="2", receipt=Receipt.UNDELIVERED, status="EXPIRED")


@pytest.mark.parametrize(
    ("preset", "parts", "error"),
    [
        ("vonage", Parts(body=b"{"), "is not JSON"),
        ("vonage", Parts(body=b"\xff\xfe"), "is not JSON"),
        ("vonage", Parts(body=b"[" * 100_000), "is not JSON"),
        ("twilio", Parts(body=b"\xff=1"), "is not a form in UTF-8"),
        ("twilio", Parts(body=b"&".join(b"a=1" for _ in range(300))), "has more than 200 fields"),
        ("twilio", form(MessageStatus="delivered"), "has no id of a message, or no status"),
        ("twilio", form(MessageSid="S" * 256, MessageStatus="delivered"), "has no id of a message, or no status"),
        ("twilio", form(MessageSid="S\n", MessageStatus="delivered"), "has no id of a message, or no status"),
        ("infobip", as_json({"results": [{}] * (MAX_REPORTS + 1)}), "1001 reports"),
    ],
)
def test_what_is_no_report(preset: str, parts: Parts, error: str) -> None:
    with pytest.raises(ReportError, match=error):
        parse(presets()[preset], parts)


def test_texts_are_one_line_and_cut() -> None:
    parts = as_json({"messageId": "1", "status": "failed", "detail": "a\nb\x1b[31m" + "x" * 1000})
    [report] = parse(presets()["plain"], parts)
    assert report.detail.startswith("a b [31mxx")
    assert len(report.detail) == 300
