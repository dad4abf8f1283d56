"""tidings/domain/headers.py"""

import pytest

from tidings.domain.headers import HeaderError, check_headers, shown


def test_ordinary_headers_pass() -> None:
    check_headers({"Content-Type": "text/plain; charset=utf-8", "X-Empty": "", "x_1": "grüße\tund mehr"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("two words", "x"),
        ("colon:", "x"),
        ("name\r\n", "x"),
        ("ümlaut", "x"),
        ("x", "a\r\nHost: evil"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x", "\x7f"),
        ("x", "\ud800"),
    ],
)
def test_what_http_cannot_carry_is_refused_in_one_line(name: str, value: str) -> None:
    with pytest.raises(HeaderError) as raised:
        check_headers({name: value})
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "COOKIE",
        "X-Api-Key",
        "x-apikey",
        "X-Auth-Token",
        "X-Hook-Secret",
        "x-ins-auth-key",
    ],
)
def test_headers_that_hold_secrets_are_not_shown(name: str) -> None:
    assert shown({name: "hunter2", "X-Shop": "4"}) == {name: "…", "X-Shop": "4"}


@pytest.mark.parametrize("name", ["Content-Type", "Author", "X-Tokenizer", "Traceparent", "X-Keyword"])
def test_other_headers_are(name: str) -> None:
    assert shown({name: "4"}) == {name: "4"}
