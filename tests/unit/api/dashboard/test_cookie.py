"""api/dashboard/cookie.py"""

from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from api.dashboard import cookie
from api.http.peer import PEERS, Peers
from api.http.problems import RequestError
from tidings.settings import Settings

HOST = "tidings.example.com:8080"


def refused(method: str = "POST", **headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        cookie.require_own_page(make_mocked_request(method, "/", headers={"Host": HOST, **named}))
    except RequestError:
        return True
    return False


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "null"},
        {"Origin": f"http://{HOST}"},
        {"Origin": f"https://{HOST}"},
    ],
)
def test_own_pages_may_change_something(headers: dict[str, str]) -> None:
    assert not refused(**headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "cross-site"},
        # A page on another port of this host has the cookie sent along.
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-site", "Origin": f"http://{HOST}"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://tidings.example.com"},
        {"Origin": "http://tidings.example.com:3000"},
        {"Origin": "http://[tidings"},
    ],
)
def test_others_may_not(headers: dict[str, str]) -> None:
    assert refused(**headers)
    assert not refused("GET", **headers)


def test_without_a_host_nobody_is_a_page_of_ours() -> None:
    with pytest.raises(RequestError):
        cookie.require_own_page(make_mocked_request("POST", "/", headers={"Host": "", "Origin": ""}))


@pytest.mark.parametrize(
    ("headers", "secure", "name"),
    [({}, False, "tidings_session"), ({"X-Forwarded-Proto": "https"}, True, "__Host-tidings_session")],
)
def test_no_script_reads_it_and_over_https_it_stays_there(headers: dict[str, str], name: str, *, secure: bool) -> None:
    response = web.Response()
    app = web.Application()
    app[PEERS] = Peers(Settings(trusted_proxies=("1",)))
    request = make_mocked_request("POST", "/", headers={"Host": HOST, **headers}, app=app)
    cookie.put(response, "a.b.c", life=timedelta(hours=12), request=request)
    [kept] = response.cookies.values()
    assert (kept.key, kept.value, kept["httponly"], kept["samesite"]) == (name, "a.b.c", True, "Strict")
    # What a browser asks of a name that begins with `__Host-`.
    assert (kept["path"], kept["domain"]) == ("/", "")
    assert (kept["max-age"], bool(kept["secure"])) == ("43200", secure)


@pytest.mark.parametrize(("scheme", "known"), [("http", "plain"), ("https", "host")])
def test_over_https_only_a_cookie_of_this_very_host_counts(scheme: str, known: str) -> None:
    headers = {"Cookie": "tidings_session=plain; __Host-tidings_session=host", "X-Forwarded-Proto": scheme}
    app = web.Application()
    app[PEERS] = Peers(Settings(trusted_proxies=("1",)))
    assert cookie.token_of(make_mocked_request("GET", "/", headers={"Host": HOST, **headers}, app=app)) == known
