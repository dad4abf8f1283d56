"""compose/docker-compose.yaml: what can be known of it without an engine."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.service import SHUTDOWN_SECONDS
from consumers.consumer import LAST_WRITES_SECONDS
from tests.deployment.files import COMPOSE, SETTINGS, program, read_yaml, run
from tests.deployment.stack import VARIABLE, Stack, new_env, read_env, seconds
from tests.eventually import eventually
from tidings import __version__, settings
from tidings.embedded.installation import POSTGRES_MAJOR, redis_program

FILE = COMPOSE / "docker-compose.yaml"

ACCEPTED = {
    # It is there to let a part of the engine's socket through, which is root's.
    ("engine", "CL-0001"),
    # A dev server of Vault prints its root token.
    ("vault", "CL-0014"),
    # Redis Insight writes beside its data.
    ("redis-ui", "CL-0007"),
}
"""What the linter would have otherwise, and why not. The digests of images (CL-0019) are left to whoever deploys."""


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(new_env(tmp_path))


def test_it_is_of_the_compose_specification() -> None:
    run(program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", FILE)


def test_the_specification_would_refuse_a_slip_of_the_pen(tmp_path: Path) -> None:
    slip = tmp_path / "docker-compose.yaml"
    slip.write_text(FILE.read_text().replace("stop_grace_period: 60s", "stop_grace_priod: 60s"))
    done = subprocess.run(
        [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", slip],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "stop_grace_priod" in done.stdout


def test_the_linter_has_nothing_against_it(tmp_path: Path) -> None:
    copy = shutil.copy(FILE, tmp_path)
    new_env(tmp_path)
    done = subprocess.run(
        [program("compose-lint"), "check", "--format", "json", copy], capture_output=True, text=True, check=False
    )
    found = {(finding["service"], finding["rule_id"]) for finding in json.loads(done.stdout)["findings"]}
    assert {finding for finding in found if finding[1] != "CL-0019"} == ACCEPTED


def test_what_it_asks_of_the_environment_is_what_the_example_has() -> None:
    asked = {found["name"] for found in VARIABLE.finditer(FILE.read_text())}
    assert asked | {"COMPOSE_PROFILES"} == set(read_env((COMPOSE / ".env.example").read_text()))


def test_no_process_is_given_a_variable_that_it_does_not_know(stack: Stack) -> None:
    assert set(stack.ours) == {"api", "producer", "consumers", "migrate"}
    for name, service in stack.ours.items():
        assert set(service["environment"]) <= SETTINGS, name


def test_every_process_can_start_with_what_it_is_given(stack: Stack) -> None:
    for name, service in stack.ours.items():
        loaded = settings.load(service["environment"])
        assert (loaded.metrics_host, loaded.metrics_port) == ("0.0.0.0", 9464), name
        assert not loaded.loopback_only, name
    api = settings.load(stack.ours["api"]["environment"])
    assert (api.host, api.port) == ("0.0.0.0", 8080)
    assert api.secret_key
    assert api.secret_keys == settings.load(stack.ours["consumers"]["environment"]).secret_keys


def test_secrets_go_only_to_who_needs_them(stack: Stack) -> None:
    holders = {
        secret: {name for name, service in stack.services.items() if secret in service.get("environment", ())}
        for secret in ("API_KEY", "SECRET_KEY", "WEBHOOK_AUTH_KEY", "VAULT_DEV_ROOT_TOKEN_ID")
    }
    assert holders == {
        "API_KEY": {"api"},
        "SECRET_KEY": {"api"},
        "WEBHOOK_AUTH_KEY": {"consumers"},
        "VAULT_DEV_ROOT_TOKEN_ID": {"vault"},
    }


def test_the_engines_socket_is_read_through_one_door(stack: Stack) -> None:
    holders = {name for name, service in stack.services.items() if "docker.sock" in str(service.get("volumes"))}
    assert holders == {"engine"}
    engine = stack.services["engine"]
    assert engine["environment"]["POST"] == "0"
    assert stack.file["networks"]["engine"] == {"internal": True}
    assert {name for name, service in stack.services.items() if "engine" in service.get("networks", ())} == {
        "engine",
        "alloy",
    }
    assert "docker.sock" not in (COMPOSE / "alloy" / "config.alloy").read_text()


async def test_redis_asks_for_the_password_and_shows_it_to_nobody(stack: Stack, tmp_path: Path) -> None:
    service = stack.services["redis"]
    password = service["environment"]["REDISCLI_AUTH"]
    shell, option, script = service["entrypoint"]
    server = f"{redis_program()} - --port 0 --unixsocket {tmp_path}/s"
    script = script.replace("$$", "$").replace("redis-server -", server)
    process = await asyncio.create_subprocess_exec(
        shell, option, script, cwd=tmp_path, env={"PATH": os.environ["PATH"], **service["environment"]}
    )
    try:
        assert password not in script
        stranger = Redis(unix_socket_path=str(tmp_path / "s"))
        friend = Redis(unix_socket_path=str(tmp_path / "s"), password=password)

        async def answers() -> bool:
            try:
                return bool(await friend.ping())
            except RedisError:
                return False

        await eventually(answers, within=20)
        with pytest.raises(RedisError, match="Authentication required"):
            await stranger.ping()
        assert (await friend.config_get("save"))["save"] == ""
        shown = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_text)
        assert "unixsocket" in shown
        assert password not in shown
        assert settings.load(stack.ours["api"]["environment"]).redis_uri == f"redis://:{password}@redis:6379"
        await stranger.aclose()
        await friend.aclose()
    finally:
        process.terminate()
        await process.wait()


def test_the_core_needs_no_profile_and_the_rest_is_in_one_of_three(stack: Stack) -> None:
    by_profile: dict[str, set[str]] = {}
    for name, service in stack.services.items():
        by_profile.setdefault(",".join(service.get("profiles", ["core"])), set()).add(name)
    assert by_profile == {
        "core": {"api", "producer", "consumers", "migrate", "postgres", "redis"},
        "observe": {"prometheus", "grafana", "loki", "alloy", "engine"},
        "vault": {"vault", "vault-secrets"},
        "tools": {"redis-ui", "mail", "gateway"},
    }


def test_nobody_waits_for_what_its_profile_leaves_out(stack: Stack) -> None:
    for name, service in stack.services.items():
        waits = service.get("depends_on", {})
        waits = {other: {} for other in waits} if isinstance(waits, list) else waits
        for other, how in waits.items():
            needed = stack.services[other]
            there = set(needed.get("profiles", ())) <= set(service.get("profiles", ()))
            assert there or how.get("required") is False, f"{name} waits for {other}"
            if how.get("condition") == "service_healthy":
                assert needed["healthcheck"]["test"], f"{name} waits for the health of {other}"


def test_consumers_can_be_many(stack: Stack) -> None:
    consumers = stack.services["consumers"]
    assert not {"container_name", "hostname", "ports"} & set(consumers)
    # Its name is that of its host then, which the engine makes up for each.
    assert "CONSUMER_NAME" not in consumers["environment"]


def test_a_stop_waits_until_everything_is_written(stack: Stack) -> None:
    consumers = stack.services["consumers"]
    drain = settings.load(consumers["environment"]).grace_seconds + 2 * LAST_WRITES_SECONDS
    assert seconds(consumers["stop_grace_period"]) > drain
    assert seconds(stack.services["api"]["stop_grace_period"]) > SHUTDOWN_SECONDS


def test_every_container_is_bounded_and_locked_in(stack: Stack) -> None:
    for name, service in stack.services.items():
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["read_only"] or name == "redis-ui", name
        assert service.get("user", "") != "root", name


def test_every_image_is_pinned_and_ours_is_this_version(stack: Stack) -> None:
    tags = {name: str(service["image"]).rpartition(":")[2] for name, service in stack.services.items()}
    for name, tag in tags.items():
        assert re.match(r"v?\d+\.\d+", tag), f"{name} is at {tag}"
    assert {tags[name] for name in (*stack.ours, "gateway")} == {__version__}
    assert tags["postgres"].startswith(f"{POSTGRES_MAJOR}.")
    assert tags["redis"].startswith("8.")


def test_nobody_gets_at_the_stores_from_outside(stack: Stack) -> None:
    assert stack.file["networks"]["stores"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert stack.services[name]["networks"] == ["stores"]
        assert "ports" not in stack.services[name]
    published = [port for service in stack.services.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_what_is_mounted_is_there(stack: Stack) -> None:
    named = set()
    for name, service in stack.services.items():
        for volume in service.get("volumes", ()):
            source, *_ = volume.split(":")
            if source.startswith("."):
                assert (COMPOSE / source).exists(), f"{name} mounts {source}"
                assert volume.endswith(":ro"), f"{name} could change {source}"
            elif not source.startswith("/"):
                named.add(source)
    assert named == set(stack.file["volumes"])


def test_what_a_command_reads_is_mounted(stack: Stack) -> None:
    read = []
    for service in stack.services.values():
        words = " ".join([*service.get("entrypoint", ()), *service.get("command", ())])
        for volume in service.get("volumes", ()):
            source, inside, *_ = volume.split(":")
            if source.startswith("."):
                read += [COMPOSE / (source + path) for path in re.findall(rf"{re.escape(inside)}(\S*)", words)]
    assert {file.name for file in read} == {"prometheus.yml", "loki.yaml", "config.alloy", "first-secrets"}
    for file in read:
        assert file.is_file(), file


def test_prometheus_looks_where_the_processes_show_their_metrics(stack: Stack) -> None:
    config = read_yaml(COMPOSE / "prometheus" / "prometheus.yml")
    looked_at = set()
    for job in config["scrape_configs"]:
        for found in job.get("dns_sd_configs", ()):
            looked_at |= {f"{name.removeprefix('tasks.')}:{found['port']}" for name in found["names"]}
        for static in job.get("static_configs", ()):
            looked_at |= set(static["targets"])
    shown = {
        f"{name}:{service['environment']['METRICS_PORT']}" for name, service in stack.ours.items() if name != "migrate"
    }
    assert shown <= looked_at
    assert {target.split(":")[0] for target in looked_at} - {"localhost"} <= set(stack.services)
