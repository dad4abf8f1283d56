"""api/dashboard/pages.py"""

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from yarl import URL

from api.dashboard.pages import STATIC
from tests.integration.api.client import Api

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FILES = "/dashboard/static/"


@pytest_asyncio.fixture
async def http(api: Api) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(api.url, requote_redirect_url=False) as session:
        yield session


async def test_the_page_and_its_policy(http: aiohttp.ClientSession) -> None:
    async with http.get("/", headers=BROWSER) as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert (answer.status, answer.content_type, answer.headers["Vary"]) == (200, "text/html", "Accept")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    # Each script is a file of ours, and no element has a style or a handler of its own.
    assert all(f' src="{FILES}' in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"<style| style=| on\w+=", page)


async def test_programs_still_get_json(http: aiohttp.ClientSession) -> None:
    for accept in ("application/json", "*/*", "text/html, application/json"):
        async with http.get("/", headers={"Accept": accept}) as answer:
            assert await answer.json() == {"message": "messaging-server", "status": "ok"}


async def test_every_file_that_is_named_is_there(http: aiohttp.ClientSession) -> None:
    named = set()
    for path in STATIC.rglob("*.html"):
        named |= set(re.findall(rf'"{FILES}([^"]+)"', path.read_text()))
    for path in STATIC.rglob("*.js"):
        imported = re.findall(r'(?:from|import) ?"(\.[^"]+)"', path.read_text())
        named |= {(path.parent / name).resolve().relative_to(STATIC.resolve()).as_posix() for name in imported}
    assert len(named) > 20
    for name in sorted(named):
        async with http.get(FILES + name) as answer:
            assert answer.status == 200, name
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            etag = answer.headers["ETag"]
        async with http.get(FILES + name, headers={"If-None-Match": etag}) as again:
            assert again.status == 304, name


async def test_nothing_else_is(http: aiohttp.ClientSession) -> None:
    for name in ("nothing.js", "..%2Fpages.py", "..%2F..%2Fapp.py", "vendor/README.md", "views", "%2Fetc%2Fpasswd"):
        async with http.get(URL(FILES + name, encoded=True)) as answer:
            assert answer.status == 404, name
            assert answer.content_type == "application/problem+json"


async def test_what_came_from_elsewhere_has_its_licence_beside_it() -> None:
    for library in (STATIC / "vendor").iterdir():
        if library.is_dir():
            assert "Copyright (c)" in (library / "LICENSE").read_text()
