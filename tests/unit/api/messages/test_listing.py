"""api/messages/listing.py"""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from multidict import MultiDict

from api.http.problems import InvalidError
from api.messages import cursor
from api.messages.listing import DEFAULT_LIMIT, EPOCH, parse_page
from sql.messages import MessageFilter
from tidings.domain.states import Status


def test_nothing_asked_for_is_everything() -> None:
    page = parse_page(MultiDict(), None)
    assert page.filter == MessageFilter()
    assert (page.before, page.limit) == (None, DEFAULT_LIMIT)


def test_everything_asked_for() -> None:
    last, user_id = uuid4(), uuid4()
    page = parse_page(
        MultiDict(
            status="sent",
            channel="sms",
            queue="night",
            recipient="+905551111111",
            created_from="1900-01-01T00:00:00Z",
            created_until="2030-01-01T00:00:00Z",
            limit="500",
            cursor=cursor.encode(last),
        ),
        user_id,
    )
    assert page.filter == MessageFilter(
        user_id=user_id,
        status=Status.SENT,
        channel="sms",
        queue="night",
        recipient="+905551111111",
        created_from=EPOCH,
        created_until=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert (page.before, page.limit) == (last, 500)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("channel", "a\0"),
        ("recipient", "\udc80"),
        ("created_from", "yesterday"),
        ("created_until", "2030-01-01T00:00:00"),
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "-1"),
        ("limit", "1e2"),
        ("limit", "٣"),
        ("limit", ""),
        ("cursor", "x"),
        ("page", "2"),
    ],
)
def test_each_wrong_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidError) as raised:
        parse_page(MultiDict({name: value, "queue": "default"}), None)
    assert [fault.field for fault in raised.value.errors] == [name]


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InvalidError, match="queue is given more than once"):
        parse_page(MultiDict([("queue", "a"), ("queue", "b")]), None)
