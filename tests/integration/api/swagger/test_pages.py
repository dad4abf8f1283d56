"""api/swagger/pages.py: the page, its files, and the places where older systems had theirs."""

import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

import api.swagger
from tests.integration.api.client import Api

STATIC = Path(api.swagger.__file__).parent / "static"


@pytest_asyncio.fixture
async def http(api: Api) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(api.url) as session:
        yield session


@pytest.mark.parametrize("path", ["/swagger/", "/swagger/index.html", "/swagger"])
async def test_the_page_has_a_strict_policy_and_nothing_inline(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        page = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! src=)|<style| style=| on\w+=|https?:", page)


async def test_every_file_that_the_page_names_is_there(http: aiohttp.ClientSession) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', (STATIC / "index.html").read_text(encoding="utf-8"))
    assert len(named) >= 5
    for name in named:
        async with http.get(str(URL("/swagger/").join(URL(name)))) as answer:
            assert answer.status == 200, name


async def test_no_other_file_is(http: aiohttp.ClientSession) -> None:
    for name in ("nothing", "pages.py", "..%2Fpages.py", "vendor", "vendor/README.md", "%2fetc%2fpasswd"):
        async with http.get(URL(f"/swagger/{name}", encoded=True)) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json"), name


async def test_the_document_is_where_an_older_system_had_it(http: aiohttp.ClientSession) -> None:
    async with http.get("/swagger/doc.json") as answer:
        assert answer.url.path == "/openapi.json"
        assert (await answer.json())["openapi"].startswith("3.1.")


def test_what_is_not_ours_is_as_it_was_shipped() -> None:
    vendor = STATIC / "vendor"
    told = dict(re.findall(r"\| `(\S+)` \| `(\w{64})` \|", (vendor / "README.md").read_text(encoding="utf-8")))
    assert told == {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in vendor.iterdir()
        if path.suffix in {".js", ".css", ".png"}
    }
    assert "Apache License" in (vendor / "LICENSE").read_text(encoding="utf-8")
