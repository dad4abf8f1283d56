"""What has to be said before many messages are changed at once."""

from typing import Any

import msgspec
import pytest

from api.http.principal import Reach
from api.http.problems import InvalidError
from api.messages.bulk import to_filter
from api.messages.schemas import MAX_CHANGED, RetrySelection, Selection
from tidings.domain.ids import new_id
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

WAITING = frozenset({Status.PENDING, Status.FAILED})


def chosen(kind: type[Selection] = Selection, **body: Any) -> Any:
    return to_filter(msgspec.convert(body, kind), Reach(None), statuses=WAITING)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "all"),
        ({"limit": 5}, "all"),
        ({"all": False}, "all"),
        ({"all": True, "queue": "default"}, "all"),
        ({"status": "sent"}, "status"),
        ({"created_from": "yesterday"}, "created_from"),
        ({"created_until": -1}, "created_until"),
        ({"recipient": "a\0b"}, "recipient"),
    ],
)
def test_what_is_meant_must_be_said(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        chosen(**body)
    assert [fault.field for fault in caught.value.errors] == [field]


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(InvalidError) as caught:
        chosen(created_from="x", created_until="y", status="sent")
    assert [fault.field for fault in caught.value.errors] == ["created_from", "created_until", "status"]


@pytest.mark.parametrize(
    "body",
    [{"limit": 0}, {"limit": MAX_CHANGED + 1}, {"status": "lost"}, {"cancel_reason": "expired"}, {"queues": "default"}],
)
def test_the_type_says_the_rest(body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({"queue": "default", **body}), type=Selection)


def test_a_reason_alone_is_a_filter_for_retrying() -> None:
    wanted = msgspec.convert({"cancel_reason": "exhausted"}, RetrySelection)
    assert to_filter(wanted, Reach(None), statuses=frozenset({Status.CANCELLED})).status is None


def test_moments_in_every_form_and_nothing_before_the_epoch() -> None:
    now, user_id = utc_now().replace(microsecond=0), new_id()
    wanted = msgspec.convert({"created_from": "1900-01-01T00:00:00Z", "created_until": now.timestamp()}, Selection)
    found = to_filter(wanted, Reach(user_id), statuses=WAITING)
    assert found.created_from is not None
    assert (found.created_from.timestamp(), found.created_until, found.user_id) == (0, now, user_id)
