"""One browser and one system for all of these tests; each gets a visitor of its own, who has logged in."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.e2e.compat.running import fresh_system
from tests.e2e.dashboard.visitor import ADMIN, OPERATORS_KEY, Visitor, make_account, visiting
from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tidings.embedded import EmbeddedStores
from tidings.security.secretbox import new_key

PUBLIC_URL = "https://tidings.example.com"
CHROMIUM = shutil.which("chromium")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium (apt-get install chromium)")
    async with async_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        async with await playwright.chromium.launch(executable_path=CHROMIUM, args=options) as running:
            yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def gateway() -> AsyncIterator[CountingGateway]:
    async with CountingGateway() as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def system(
    stores: EmbeddedStores, template_database: str, gateway: CountingGateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """API, producer and two consumers; only those who log in, or hold the operator's key, may look."""
    folder = tmp_path_factory.mktemp("dashboard")
    environ = {
        "WEBHOOK_URL": gateway.url,
        "API_KEY": OPERATORS_KEY,
        "SECRET_KEY": "signs tokens " * 4,
        "SECRET_KEYS": new_key(),
        "PUBLIC_URL": PUBLIC_URL,
        "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
    }
    async with fresh_system(stores, template_database, folder, **environ, LOGINS_PER_EMAIL="0") as fresh:
        fresh.http.headers["Authorization"] = f"Bearer {OPERATORS_KEY}"
        await fresh.start_all(consumers=2)
        await make_account(fresh, ADMIN, role="admin")
        yield fresh


@pytest_asyncio.fixture(loop_scope="package")
async def visitor(browser: Browser, system: System) -> AsyncIterator[Visitor]:
    """An admin who has logged in, in a browser that knows nothing of the visits before."""
    async with visiting(browser, system.url) as one:
        await one.log_in_by_cookie(ADMIN)
        yield one
