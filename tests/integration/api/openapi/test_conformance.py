"""The API does what its document says: schemathesis asks it what is allowed and what is not, and looks at each answer.

It runs as a program of its own, always with the same seed, against an API on real stores, as an admin.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from functools import partial
from pathlib import Path

import msgspec
import pytest
from argon2.profiles import CHEAPEST

from api.accounts import services
from api.accounts.passwords import Passwords
from tests.integration.api.accounts.people import OPERATORS_KEY, log_in, operator
from tests.integration.api.client import Api
from tests.integration.api.described import operations
from tests.processes import ending
from tidings.domain.api_key import Scope
from tidings.security.secretbox import new_key
from tidings.settings import Settings

SEED = 20300131


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(new_key(),),
        logins_per_email=1_000_000,
        logins_per_address=1_000_000,
    )


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "Passwords", partial(Passwords, CHEAPEST))


@pytest.mark.timeout(600)
async def test_the_api_does_what_its_document_says(api: Api, tmp_path: Path) -> None:
    # With a password that is in no example: with it, whoever asks here would take the account from themselves.
    wanted = {"email": "root@example.com", "password": "in no example at all", "role": "admin"}
    assert (await operator(api).post("/api/v1/users", wanted)).status == 201
    root = await (await log_in(api, wanted["email"], wanted["password"])).key(role="admin", scopes=list(Scope))
    # From a file: the route that it would come from is left out otherwise.
    document = tmp_path / "openapi.json"
    document.write_bytes(msgspec.json.encode((await api.get("/openapi.json")).body))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
        "run",
        str(document),
        f"--url={api.url}",
        f"--header=Authorization: Bearer {root.credential}",
        f"--seed={SEED}",
        cwd=tmp_path,
        env={
            **os.environ,
            "COLUMNS": "160",
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        },
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with ending(process):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    # All but the one that the configuration leaves out.
    assert f"Tested: {len(list(operations())) - 1}\n" in said.decode()
