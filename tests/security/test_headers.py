"""api/http/headers.py, and what strangers and readers of logs are not told."""

import io
import re

import aiohttp
import pytest

from tests.security.conftest import Listen
from tidings import __version__
from tidings.observability.logs import configure_logging

PATHS = (
    *("/", "/health/live", "/openapi.json", "/swagger/", "/metrics", "/status", "/healthz/live", "/nowhere"),
    *("/api/v1/messages", "/api/v1/messages/batch", "/api/v1/overview/events"),
)


async def test_every_answer_is_what_it_says_and_is_not_kept(listen: Listen) -> None:
    async with listen() as (host, port), aiohttp.ClientSession(f"http://{host}:{port}") as session:
        for path in PATHS:
            async with session.get(path, headers={"X-Forwarded-Proto": "https"}) as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff", path
                assert answer.headers["Server"] == "tidings", path
                assert "Strict-Transport-Security" not in answer.headers
                if answer.content_type.endswith("json"):
                    assert answer.headers["Cache-Control"] == "no-store", path


async def test_strangers_are_told_no_version(listen: Listen) -> None:
    async with listen(api_key="k") as (host, port), aiohttp.ClientSession(f"http://{host}:{port}") as session:
        for path in PATHS[:-1]:
            async with session.get(path) as answer:
                told = f"{answer.headers} {await answer.text()}"
                assert __version__ not in told, path
                assert not re.search(r"aiohttp/|Python[/ ]3", told), path


async def test_browsers_come_by_https_once_they_did(listen: Listen) -> None:
    changed = {"hsts_seconds": 3600, "trusted_proxies": ("127.0.0.1",), "api_key": "k"}
    async with listen(**changed) as (host, port), aiohttp.ClientSession(f"http://{host}:{port}") as session:
        for scheme, said in (("https", "max-age=3600; includeSubDomains"), ("http", None)):
            for path in ("/", "/api/v1/messages"):
                async with session.get(path, headers={"X-Forwarded-Proto": scheme}) as answer:
                    assert answer.headers.get("Strict-Transport-Security") == said


async def test_the_log_names_routes_and_no_addresses(listen: Listen) -> None:
    stream = io.StringIO()
    configure_logging("api", "DEBUG", stream=stream)
    async with listen(log_level="DEBUG") as (host, port), aiohttp.ClientSession(f"http://{host}:{port}") as session:
        for path in (
            "/api/v1/messages?recipient=ada%40example.com",
            "/api/v1/messages?recipient=%2B4915112345678",
            "/api/v1/suppressions/ada@example.com",
            "/ada@example.com?x=ada@example.com",
        ):
            async with session.get(path):
                pass
    assert '"route":"/api/v1/messages"' in stream.getvalue()
    assert '"client":"127.0.0.1"' in stream.getvalue()
    assert "ada" not in stream.getvalue()
    assert "4915112345678" not in stream.getvalue()


@pytest.mark.parametrize("value", ["\x80\x9b31m", "Bearer \u202e", "Bearer " + "x" * 8000])
async def test_an_odd_credential_is_in_neither_answer_nor_log(listen: Listen, value: str) -> None:
    stream = io.StringIO()
    configure_logging("api", "DEBUG", stream=stream)
    async with listen(api_key="k", log_level="DEBUG") as (host, port), aiohttp.ClientSession() as session:
        headers = {"Authorization": value}
        async with session.get(f"http://{host}:{port}/api/v1/messages", headers=headers) as answer:
            assert answer.status == 401
            assert value.removeprefix("Bearer ") not in await answer.text()
    assert value.removeprefix("Bearer ") not in stream.getvalue()
    assert "Traceback" not in stream.getvalue()
