"""tests/docs/expected.py: what counts as the same, and what does not."""

from uuid import uuid4

import pytest

from tests.docs.expected import Ids, same_json, same_text

ID = "01a2020c-0e73-72c4-94f5-a826bfebf0f3"
OTHER_ID = "01a2020c-1f1f-7475-ad41-b5ae413ceb24"


@pytest.mark.parametrize(
    ("shown", "came", "same"),
    [
        ("one two\nthree\n", "one   two \nthree\n", True),
        ("one\n", "one\ntwo\n", False),
        ("took …\n", "took 3 s\n", True),
        ("took …\n", "took\nlonger\n", False),
        ("one\n…\nfour\n", "one\ntwo\nthree\nfour\n", True),
        ("one\n…\n", "one\n", True),
        ("one\n…\n", "two\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_text(shown: str, came: str, same: bool) -> None:
    assert same_text(shown, came, Ids()) is same


@pytest.mark.parametrize(
    ("shown", "came", "same"),
    [
        ({"a": 1, "b": "…"}, {"a": 1, "b": [2]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "…": "…"}, {"a": 1, "b": 2}, True),
        ({"a": 1, "…": "…"}, {"b": 2}, False),
        ([1, 2], [1], False),
        ([{"a": "x …"}], [{"a": "x y"}], True),
        ({"a": True}, {"a": 1}, False),
        (None, 0, False),
    ],
)
def test_json(shown: object, came: object, same: bool) -> None:
    assert same_json(shown, came, Ids()) is same


def test_an_id_is_the_one_that_came_first() -> None:
    ids, true = Ids(), str(uuid4())
    assert same_text(f"accepted {ID}", f"accepted {true}", ids)
    assert ids.in_truth(f"tidings show {ID} {OTHER_ID}") == f"tidings show {true} {OTHER_ID}"
    assert same_json({"id": ID}, {"id": true}, ids)
    assert not same_json({"id": ID}, {"id": str(uuid4())}, ids)
    assert not same_text(f"accepted {ID}", f"accepted {uuid4()}", ids)
