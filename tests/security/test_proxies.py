"""docs/proxies.md: its examples run, and what a client says through them is not believed."""

import asyncio
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
import trustme
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from api.app import create_app
from api.http.peer import came_by_https, client_address, is_this_machine
from api.openapi.operation import Access, page
from tests.docs.blocks import ROOT, blocks
from tests.eventually import eventually
from tidings.settings import Settings

PAGE = ROOT / "docs" / "proxies.md"
CLIENT = "127.0.0.2"
LIES = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6;proto=http", "X-Forwarded-Proto": "http"}

Send = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


def example(language: str) -> str:
    (found,) = [block.text for block in blocks(PAGE) if block.language == language]
    return found


@page(access=Access.EVERYBODY)
async def who(request: web.Request) -> web.Response:
    return web.json_response({
        "client": str(client_address(request)),
        "https": came_by_https(request),
        "here": is_this_machine(request),
    })  # fmt: skip


@asynccontextmanager
async def running(*command: str | Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


class Setup:
    """An API, and proxies before it."""

    def __init__(self, folder: Path, exits: AsyncExitStack, settings: Settings) -> None:
        self.settings = settings
        self._folder = folder
        self._exits = exits
        authority = trustme.CA()
        self._key, self._certificate = folder / "key.pem", folder / "certificate.pem"
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(self._key)
        for part in issued.cert_chain_pems:
            part.write_to_path(self._certificate, append=True)
        self._tls = ssl.create_default_context()
        authority.configure_trust(self._tls)

    async def api(self, **settings: Any) -> int:
        app = create_app(msgspec.structs.replace(self.settings, **{"api_key": "", **settings}))
        app.router.add_get("/who", who)
        server = await self._exits.enter_async_context(TestServer(app))
        assert server.port is not None
        return server.port

    async def nginx(self, upstream: int) -> Send:
        port = unused_port()
        server = (
            example("nginx")
            .replace("443 ssl", f"127.0.0.1:{port} ssl")
            .replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
        )
        server = re.sub(r"/etc/ssl/tidings\.crt", str(self._certificate), server)
        server = re.sub(r"/etc/ssl/tidings\.key", str(self._key), server)
        whole = (
            f"daemon off;\nmaster_process off;\npid {self._folder}/nginx.pid;\nerror_log {self._folder}/error.log;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n"
            + "".join(
                f"{name}_temp_path {self._folder}/{name};\n"
                for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"{server}}}\n"
        )
        config = self._folder / "nginx.conf"
        config.write_text(whole)
        return await self._proxy(port, "nginx", "-e", self._folder / "error.log", "-c", config)

    async def caddy(self, upstream: int) -> Send:
        port = unused_port()
        site = example("caddyfile").replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
        tls = f"tls {self._certificate} {self._key}"
        site = site.replace("tidings.example.com {", f"https://localhost:{port} {{\n {tls}")
        config = self._folder / "Caddyfile"
        config.write_text(f"{{\n admin off\n auto_https disable_redirects\n}}\n{site}")
        return await self._proxy(port, "caddy", "run", "--adapter", "caddyfile", "--config", config)

    async def _proxy(self, port: int, program: str, *arguments: str | Path) -> Send:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed")
        await self._exits.enter_async_context(running(path, *arguments))
        session = await self._exits.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(CLIENT, 0)))
        )

        async def send(path: str, method: str = "GET", json: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
            async with session.request(
                method, f"https://localhost:{port}{path}", ssl=self._tls, headers=headers, json=json
            ) as response:
                return response.status, await response.json(content_type=None)

        async def answers() -> bool:
            try:
                return (await send("/who"))[0] == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(answers, within=20)
        return send


@pytest_asyncio.fixture
async def setup(tmp_path: Path, settings: Settings) -> AsyncIterator[Setup]:
    async with AsyncExitStack() as exits:
        yield Setup(tmp_path, exits, settings)


@pytest.mark.parametrize("program", ["nginx", "caddy"])
async def test_the_example_says_who_asks_whatever_the_client_says(setup: Setup, program: str) -> None:
    send: Send = await getattr(setup, program)(await setup.api(trusted_proxies=("127.0.0.1",)))
    for headers in ({}, LIES):
        assert await send("/who", **headers) == (200, {"client": CLIENT, "https": True, "here": False})


@pytest.mark.parametrize("program", ["nginx", "caddy"])
async def test_a_fresh_start_is_closed_to_whom_a_proxy_passes_on(setup: Setup, program: str) -> None:
    """The client names loopback as the host, as it did to become an admin."""
    port = await setup.api(trust_this_machine=True)
    send: Send = await getattr(setup, program)(port)
    admin = {"email": "mallory@example.com", "password": "correct horse battery", "role": "admin"}
    for host in (f"127.0.0.1:{port}", "localhost"):
        for path, method in (("/api/v1/users", "POST"), ("/api/v1/messages", "GET")):
            if program == "caddy":
                # It has no site of that name.
                continue
            status, answer = await send(path, method, admin if method == "POST" else None, Host=host)
            assert (status, answer["status"]) == (401, 401)
    status, _ = await send("/api/v1/users", "POST", admin)
    assert status == 401
    async with aiohttp.ClientSession() as here, here.get(f"http://127.0.0.1:{port}/api/v1/messages") as response:
        assert response.status == 200


def test_traefiks_example_asks_the_api_over_its_own_network() -> None:
    read = yaml.safe_load(example("yaml"))["http"]
    (router,) = read["routers"].values()
    (server,) = read["services"][router["service"]]["loadBalancer"]["servers"]
    assert router["tls"]
    assert re.fullmatch(r"Host\(`[a-z.]+`\)", router["rule"])
    assert server["url"] == f"http://api:{Settings().port}"


def test_each_setting_of_the_page_is_one() -> None:
    names = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])[=`]", PAGE.read_text("utf-8")))
    assert "TRUSTED_PROXIES" in names
    assert {name.lower() for name in names} <= set(Settings.__struct_fields__)
