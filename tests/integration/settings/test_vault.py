"""tidings/settings/vault.py, over HTTP, by way of `tidings.settings.load`."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.integration.settings.vault_server import ROLE_ID, ROOT_TOKEN, SECRET_ID, VaultServer, running_vault
from tidings.domain.errors import SettingsError
from tidings.settings import Settings, load
from tidings.settings.vault import vault_is_up


@pytest.fixture
def vault() -> Iterator[VaultServer]:
    with running_vault() as vault:
        vault.secrets["secret/tidings"] = {}
        yield vault


@pytest.fixture
def environ(vault: VaultServer) -> dict[str, str]:
    """The environment of a process that may read this Vault."""
    return {"VAULT_ADDR": vault.url, "VAULT_TOKEN": ROOT_TOKEN, "VAULT_TIMEOUT_SECONDS": "1"}


def refusal(environ: dict[str, str]) -> str:
    """The one line that a process ends with."""
    with pytest.raises(SettingsError) as refused:
        load(environ)
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    assert not any(secret in text for secret in (ROOT_TOKEN, SECRET_ID))
    return text


def test_settings_come_from_vault_by_any_spelling_and_type(vault: VaultServer, environ: dict[str, str]) -> None:
    vault.secrets["secret/tidings"] = {
        "POSTGRES_URI": "postgres://tidings:pass@db/tidings",
        "redis_host": "cache:6379",
        "Port": 9090,
        "retry_jitter": 0.5,
        "RETRY_DELAYS": [1, 2.5, "10"],
        "webhook_url": "",
    }
    settings = load(environ)
    assert settings.postgres_uri == "postgres://tidings:pass@db/tidings"
    assert settings.redis_uri == "redis://cache:6379"
    assert settings.port == 9090
    assert settings.retry_jitter == 0.5
    assert settings.retry_delays == (1.0, 2.5, 10.0)
    assert settings.webhook_url == ""
    assert vault.requests == ["GET /v1/secret/data/tidings"]


def test_the_environment_wins(vault: VaultServer, environ: dict[str, str]) -> None:
    vault.secrets["secret/tidings"] = {"port": 9090, "redis_uri": "redis://from-vault", "log_level": "DEBUG"}
    settings = load({**environ, "PORT": "7070", "REDIS_HOST": "from-environment:6379", "LOG_LEVEL": " "})
    assert settings.port == 7070
    assert settings.redis_uri == "redis://from-environment:6379"
    assert settings.log_level == "DEBUG"


def test_mount_path_and_namespace_can_be_others(vault: VaultServer, environ: dict[str, str]) -> None:
    vault.namespace = "team-a"
    vault.secrets["kv/apps/mail/tidings"] = {"port": 9090}
    settings = load({**environ, "VAULT_MOUNT": "kv", "VAULT_PATH": "/apps/mail/tidings", "VAULT_NAMESPACE": "team-a"})
    assert settings.port == 9090


def test_without_an_address_vault_is_not_asked_and_its_client_not_imported() -> None:
    program = (
        "import sys; from tidings.settings import load; load({'VAULT_TOKEN': 'x'});"
        "sys.exit('hvac' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_opens_vault_is_forgotten(vault: VaultServer, environ: dict[str, str]) -> None:
    before = dict(os.environ)
    settings = load({**environ, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID})
    assert (settings.vault_token, settings.vault_role_id, settings.vault_secret_id) == ("", "", "")
    assert settings.vault_addr == vault.url
    assert os.environ == before
    assert load({"VAULT_TOKEN": ROOT_TOKEN}) == Settings()
    for shown in (repr(Settings(vault_token=ROOT_TOKEN)), repr(Settings(vault_secret_id=SECRET_ID))):
        assert ROOT_TOKEN not in shown
        assert SECRET_ID not in shown


class TestAppRole:
    @pytest.fixture
    def environ(self, vault: VaultServer) -> dict[str, str]:
        return {
            "VAULT_ADDR": vault.url,
            "VAULT_ROLE_ID": ROLE_ID,
            "VAULT_SECRET_ID": SECRET_ID,
            "VAULT_TIMEOUT_SECONDS": "5",
        }

    def test_it_logs_in_reads_and_gives_the_token_back(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.secrets["secret/tidings"] = {"port": 9090}
        assert load(environ).port == 9090
        assert vault.requests == [
            "POST /v1/auth/approle/login",
            "GET /v1/secret/data/tidings",
            "POST /v1/auth/token/revoke-self",
        ]
        assert vault.tokens == {ROOT_TOKEN}

    def test_a_secret_id_that_is_good_once_survives_a_reading_that_fails(
        self, vault: VaultServer, environ: dict[str, str]
    ) -> None:
        vault.secrets["secret/tidings"] = {"port": 9090}
        vault.secret_id_uses = 1
        vault.scripted["GET /v1/secret/data/tidings"] = [(503, {"errors": []})]
        assert load(environ).port == 9090
        assert vault.requests.count("POST /v1/auth/approle/login") == 1

    def test_a_token_that_cannot_be_revoked_is_no_trouble(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.secrets["secret/tidings"] = {"port": 9090}
        vault.scripted["POST /v1/auth/token/revoke-self"] = [(400, {"errors": ["batch tokens cannot be revoked"]})]
        assert load(environ).port == 9090

    def test_wrong_credentials_are_refused_at_once(self, vault: VaultServer, environ: dict[str, str]) -> None:
        assert refusal({**environ, "VAULT_SECRET_ID": "stale"}).startswith("VAULT_ROLE_ID: ")
        assert len(vault.requests) == 1

    def test_a_role_that_may_not_read_is_blamed(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.scripted["GET /v1/secret/data/tidings"] = [(403, {"errors": ["permission denied"]})]
        assert refusal(environ) == "VAULT_ROLE_ID: Vault does not let it read secret/tidings"
        assert vault.tokens == {ROOT_TOKEN}, "the token was not given back"


class TestDown:
    @pytest.mark.parametrize("failures", [[503, 500, 502], [429], [0, 503, 0]])
    def test_it_is_asked_again(self, vault: VaultServer, environ: dict[str, str], failures: list[int]) -> None:
        vault.secrets["secret/tidings"] = {"port": 9090}
        vault.failures = list(failures)
        assert load({**environ, "VAULT_TIMEOUT_SECONDS": "20"}).port == 9090
        assert len(vault.requests) == len(failures) + 1

    def test_a_vault_that_is_not_there_ends_in_one_line(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        began = time.monotonic()
        line = refusal(
            {"VAULT_ADDR": f"http://127.0.0.1:{port}", "VAULT_TOKEN": ROOT_TOKEN, "VAULT_TIMEOUT_SECONDS": "1"}
        )
        assert line == f"VAULT_ADDR: the Vault at 127.0.0.1:{port} did not answer within 1 s (ConnectionError)"
        assert time.monotonic() - began < 3

    def test_a_slow_vault_is_not_waited_for_beyond_the_limit(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.delay = 1.5
        began = time.monotonic()
        assert refusal({**environ, "VAULT_TIMEOUT_SECONDS": "0.3"}).startswith("VAULT_ADDR: ")
        assert time.monotonic() - began < 1.5

    def test_it_stays_down(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.failures = [503] * 100
        assert "did not answer within 1 s (VaultDown)" in refusal(environ)
        assert len(vault.requests) > 1


class TestAtOnce:
    """What no waiting cures: one request, one line."""

    @pytest.fixture(autouse=True)
    def one_request(self, vault: VaultServer) -> Iterator[None]:
        yield
        assert len(vault.requests) <= 1

    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return {**environ, "VAULT_TIMEOUT_SECONDS": "30"}

    def test_wrong_token(self, environ: dict[str, str]) -> None:
        line = refusal({**environ, "VAULT_TOKEN": "wrong"})
        assert line == "VAULT_TOKEN: Vault does not let it read secret/tidings"

    def test_nothing_there(self, environ: dict[str, str]) -> None:
        line = refusal({**environ, "VAULT_PATH": "sealed/elsewhere"})
        assert line == "VAULT_PATH: Vault has nothing at secret/sealed/elsewhere (KV version 2)"

    def test_sealed(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.sealed = True
        assert refusal(environ) == f"VAULT_ADDR: the Vault at {vault.url.removeprefix('http://')} is sealed"

    def test_not_initialized(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.initialized = False
        assert refusal(environ).endswith("is not initialized")

    def test_something_else_answers(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.scripted["GET /v1/secret/data/tidings"] = [(200, ["hello"])]
        assert refusal(environ) == "VAULT_ADDR: is no Vault with KV version 2"

    def test_an_unexpected_status(self, vault: VaultServer, environ: dict[str, str]) -> None:
        vault.failures = [418]
        assert refusal(environ).startswith("VAULT_ADDR: ")

    @pytest.mark.parametrize(
        ("changed", "blamed"),
        [
            ({"VAULT_ADDR": "vault:8200"}, "VAULT_ADDR"),
            ({"VAULT_ADDR": "https://"}, "VAULT_ADDR"),
            ({"VAULT_TOKEN": ""}, "VAULT_TOKEN"),
            ({"VAULT_TOKEN": "", "VAULT_ROLE_ID": ROLE_ID}, "VAULT_TOKEN"),
            ({"VAULT_TIMEOUT_SECONDS": "soon"}, "VAULT_TIMEOUT_SECONDS"),
            ({"VAULT_CACERT": "/nowhere.pem"}, "VAULT_CACERT"),
        ],
    )
    def test_settings_of_vault_itself(self, environ: dict[str, str], changed: dict[str, str], blamed: str) -> None:
        assert refusal({**environ, **changed}).startswith(f"{blamed}: ")

    @pytest.mark.parametrize(
        ("secret", "line"),
        [
            ({"prot": 1}, "prot: is not a setting that Vault can hold"),
            ({"VAULT_TOKEN": "x"}, "VAULT_TOKEN: is not a setting that Vault can hold"),
            ({"port": 1, "PORT": 2}, "PORT: is in Vault twice, in different spellings"),
            ({"port": {"api": 1}}, "PORT: must be a text or a number in Vault"),
            ({"port": None}, "PORT: must be a text or a number in Vault"),
            ({"port": "http"}, "PORT: expected `int`, got `str`"),
            ({"retry_jitter": 7}, "RETRY_JITTER: expected `float` <= 1.0"),
        ],
    )
    def test_what_is_kept_there(
        self, vault: VaultServer, environ: dict[str, str], secret: dict[str, object], line: str
    ) -> None:
        vault.secrets["secret/tidings"] = secret
        assert refusal(environ) == line


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def vault(self, authority: trustme.CA) -> Iterator[VaultServer]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        with running_vault(tls) as vault:
            vault.secrets["secret/tidings"] = {"port": 9090}
            yield vault

    async def test_its_authority_can_be_a_private_one(
        self, authority: trustme.CA, environ: dict[str, str], tmp_path: Path
    ) -> None:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        settings = load({**environ, "VAULT_CACERT": str(tmp_path / "ca.pem")})
        assert settings.port == 9090
        assert await vault_is_up(settings)

    async def test_an_unknown_authority_is_refused_at_once(self, environ: dict[str, str]) -> None:
        began = time.monotonic()
        assert refusal({**environ, "VAULT_TIMEOUT_SECONDS": "30"}).startswith("VAULT_CACERT: ")
        assert time.monotonic() - began < 5
        assert not await vault_is_up(Settings(vault_addr=environ["VAULT_ADDR"]))


class TestHealth:
    async def test_up_and_down(self, vault: VaultServer) -> None:
        settings = Settings(vault_addr=f"{vault.url}/")
        assert await vault_is_up(settings)
        vault.standby = True
        assert await vault_is_up(settings)
        vault.sealed = True
        assert not await vault_is_up(settings)
        vault.sealed, vault.initialized = False, False
        assert not await vault_is_up(settings)

    async def test_a_vault_that_is_not_there_is_down(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        assert not await vault_is_up(Settings(vault_addr=f"http://127.0.0.1:{port}"))
        assert not await vault_is_up(Settings(vault_addr="nonsense"))
