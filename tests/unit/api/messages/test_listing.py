"""api/messages/listing.py"""

import re
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from api.http.principal import Reach
from api.http.problems import InvalidError
from api.messages.listing import DEFAULT_LIMIT, EPOCH, CursorError, decode_cursor, encode_cursor, parse_page
from sql.lists import MessageFilter
from tidings.domain.states import Status


def test_nothing_asked_for_is_everything() -> None:
    page = parse_page(MultiDict(), Reach(None))
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
            cursor=encode_cursor(last),
        ),
        Reach(user_id, ("sms",), ("night",)),
    )
    assert page.filter == MessageFilter(
        user_id=user_id,
        channels=("sms",),
        queues=("night",),
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
        parse_page(MultiDict({name: value, "queue": "default"}), Reach(None))
    assert [fault.field for fault in raised.value.errors] == [name]


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InvalidError, match="queue is given more than once"):
        parse_page(MultiDict([("queue", "a"), ("queue", "b")]), Reach(None))


@given(st.uuids())
def test_a_cursor_names_its_id_and_fits_into_a_url(last: UUID) -> None:
    text = encode_cursor(last)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", text)
    assert decode_cursor(text) == last


@given(st.text(max_size=30) | st.text("ABCabc019-_=+/", min_size=20, max_size=24))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        last = decode_cursor(text)
    except CursorError:
        return
    assert encode_cursor(last) == text


@pytest.mark.parametrize(
    "text", ["", "A" * 21, "A" * 21 + "B", "A" * 22 + "==", "A" * 23, "ä" * 22, "A" * 11 + "+/" * 5]
)
def test_near_misses_are_refused(text: str) -> None:
    with pytest.raises(CursorError):
        decode_cursor(text)
