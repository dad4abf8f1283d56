"""api/messages/cursor.py"""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.messages import cursor


@given(st.uuids())
def test_a_cursor_names_its_id_and_fits_into_a_url(last: UUID) -> None:
    text = cursor.encode(last)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", text)
    assert cursor.decode(text) == last


@given(st.text(max_size=30) | st.text("ABCabc019-_=+/", min_size=20, max_size=24))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        last = cursor.decode(text)
    except cursor.CursorError:
        return
    assert cursor.encode(last) == text


@pytest.mark.parametrize(
    "text", ["", "A" * 21, "A" * 21 + "B", "A" * 22 + "==", "A" * 23, "ä" * 22, "A" * 11 + "+/" * 5]
)
def test_near_misses_are_refused(text: str) -> None:
    with pytest.raises(cursor.CursorError):
        cursor.decode(text)
