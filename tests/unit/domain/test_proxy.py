"""tidings/domain/addresses.py: parse_proxy"""

import pytest

from tidings.domain.addresses import Proxy, parse_proxy


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128, None)),
        ("http://proxy:3128/", Proxy("proxy", 3128, None)),
        ("http://[::1]:80", Proxy("::1", 80, None)),
        ("http://a:b%40c@proxy:1", Proxy("proxy", 1, "Basic YTpiQGM=")),
        ("http://a@proxy:1", Proxy("proxy", 1, "Basic YTo=")),
    ],
)
def test_a_proxy(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy:3128",
        "http://proxy",
        "https://secret:secret@proxy:1",
        "http://proxy:1/x",
        "http://:1",
        "http://proxy:x",
    ],
)
def test_what_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be http://host:port") as raised:
        parse_proxy(url)
    assert "secret" not in str(raised.value)
