"""tidings/channels/http/requests.py"""

import pytest

from tidings.channels.http.requests import head, read_url


@pytest.mark.parametrize(
    ("url", "host", "port", "line", "authority"),
    [
        ("http://a.example", "a.example", 80, "/", "a.example"),
        ("https://a.example:443/x", "a.example", 443, "/x", "a.example"),
        ("https://a.example:80/x?y", "a.example", 80, "/x?y", "a.example:80"),
        ("http://[::1]:8080/", "::1", 8080, "/", "[::1]:8080"),
        ("http://[fe80::1%25eth0]/", "fe80::1%eth0", 80, "/", "[fe80::1]"),
        ("http://a.example/#part", "a.example", 80, "/", "a.example"),
        (
            "https://bücher.example/ä b?q=ü[]",
            "xn--bcher-kva.example",
            443,
            "/%C3%A4%20b?q=%C3%BC[]",
            "xn--bcher-kva.example",
        ),
        ("http://a.example/\r\nX: y", "a.example", 80, "/X:%20y", "a.example"),
    ],
)
def test_a_url(url: str, host: str, port: int, line: str, authority: str) -> None:
    target = read_url(url)
    assert (target.host, target.port, target.tls) == (host, port, url.startswith("https"))
    assert target.start == f"POST {line} HTTP/1.1\r\nHost: {authority}\r\n"


@pytest.mark.parametrize(
    "url",
    ["", "/x", "ftp://a.example/", "http://", "http://a b/", "http://a.example:0/", "http://a:99999/", "http://[::1"],
)
def test_what_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_url(url)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "\ud800"])
def test_a_value_that_cannot_be_carried(value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        head(read_url("http://a.example/"), {"x": value}, 0)
