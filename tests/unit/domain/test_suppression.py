"""tidings/domain/suppression.py, with the checks that come before it."""

import pytest

from tidings.channels.email.addresses import check_address
from tidings.domain.suppression import same_address


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("Ida@Example.COM", "ida@example.com"),
        ("ida@example.com", "ida@example.com"),
        ("Jörg@BÜCHER.example", "jörg@bücher.example"),
        ("jörg@xn--bcher-kva.example", "jörg@bücher.example"),
        ("jo\u0308rg@bücher.example", "jörg@bücher.example"),
        ("FOO..Bar@docomo.ne.jp", "foo..bar@docomo.ne.jp"),
    ],
)
def test_one_mailbox_has_one_address(written: str, same: str) -> None:
    assert same_address(check_address(written)) == same


def test_letters_that_are_not_ascii_keep_their_case_as_in_sql() -> None:
    assert same_address("ÄB@example.com") == "Äb@example.com"
