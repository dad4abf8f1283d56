"""The secrets of a deployment are made where it runs, new ones each time; the repository holds none."""

import json
import stat
import subprocess
from pathlib import Path

from tests.deployment.files import COMPOSE, KUBERNETES, program, run
from tests.deployment.stack import Stack, new_env, read_env
from tests.integration.settings.vault_server import ROLE_ID, SECRET_ID, running_vault
from tidings import settings
from tidings.security.secretbox import SecretBox

SECRETS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "API_KEY", "SECRET_KEY", "SECRET_KEYS"}


def test_two_environments_have_no_secret_in_common(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = new_env(tmp_path), new_env(tmp_path / "other")
    assert {name for name in one if one[name] != other[name]} == SECRETS
    assert len({one[name] for name in SECRETS}) == len(SECRETS)
    SecretBox([one["SECRET_KEYS"]])


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    new_env(tmp_path)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_secrets_in_use_are_never_written_over(tmp_path: Path) -> None:
    kept = tmp_path / ".env"
    kept.write_text("API_KEY=in-use\n")
    done = subprocess.run(["sh", COMPOSE / "new-env", kept], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert kept.read_text() == "API_KEY=in-use\n"


def test_with_vault_they_are_not_in_the_environment(tmp_path: Path) -> None:
    env = new_env(tmp_path, "--vault")
    assert env["COMPOSE_PROFILES"] == "vault"
    assert not any(env[name] for name in ("API_KEY", "SECRET_KEY", "SECRET_KEYS"))
    api = Stack(env).services["api"]["environment"]
    assert all(api[name] for name in ("VAULT_ADDR", "VAULT_ROLE_ID", "VAULT_SECRET_ID"))


def test_what_vault_is_given_is_what_the_processes_read_there(tmp_path: Path) -> None:
    first = _first_secrets(tmp_path / "kept")
    with running_vault() as vault:
        vault.secrets["secret/tidings"] = json.loads(first)
        env = new_env(tmp_path, "--vault") | {
            "VAULT_ADDR": vault.url,
            "VAULT_ROLE_ID": ROLE_ID,
            "VAULT_SECRET_ID": SECRET_ID,
        }
        loaded = settings.load(Stack(env).services["api"]["environment"])
    assert loaded.api_key
    assert loaded.secret_key
    SecretBox(loaded.secret_keys)


def test_a_vault_that_forgot_everything_gets_the_same_again(tmp_path: Path) -> None:
    assert _first_secrets(tmp_path / "kept") == _first_secrets(tmp_path / "kept")
    assert _first_secrets(tmp_path / "kept") != _first_secrets(tmp_path / "other")


def test_the_cluster_for_development_gets_a_secret_of_its_own() -> None:
    script = KUBERNETES / "overlays" / "dev" / "new-secret"
    made = run("sh", script)
    secret = json.loads(
        run(
            program("kubectl"),
            *("create", "secret", "generic", "tidings", "--from-env-file=/dev/stdin", "--dry-run=client", "-o", "json"),
            input=made,
        )
    )
    values = read_env(made)
    assert set(secret["data"]) == set(values)
    assert f":{values['POSTGRES_PASSWORD']}@" in values["POSTGRES_URI"]
    assert values["API_KEY"] != read_env(run("sh", script))["API_KEY"]


def _first_secrets(kept: Path) -> str:
    return run("sh", COMPOSE / "vault" / "first-secrets", "--print", env={"KEPT": str(kept), "PATH": "/usr/bin:/bin"})
