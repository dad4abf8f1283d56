"""What `tidings up` runs, in which order it stops, and the port it takes."""

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tidings.channels.sms.configured import configured_gateways
from tidings.cli.up.machine import _free_port, programs
from tidings.domain.errors import SettingsError
from tidings.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        postgres_uri="postgres://db/tidings",
        redis_uri="redis://cache",
        data_dir=tmp_path,
        port=9090,
        consumer_name="host",
        grace_seconds=33,
    )


def test_they_stop_in_the_order_api_producer_consumers_gateway(settings: Settings) -> None:
    stages = programs(settings, consumers=3, gateway_port=9000)
    assert [[program.name for program in stage] for stage in stages] == [
        ["api"],
        ["producer"],
        ["host-1", "host-2", "host-3"],
        ["gateway"],
    ]


def test_each_process_knows_where_the_stores_are(settings: Settings, tmp_path: Path) -> None:
    for stage in programs(settings, consumers=2, gateway_port=None):
        for program in stage:
            assert program.environ["POSTGRES_URI"] == "postgres://db/tidings"
            assert program.environ["REDIS_URI"] == "redis://cache"
            assert program.environ["DATA_DIR"] == str(tmp_path)
            assert program.environ["PORT"] == "9090"
            assert "WEBHOOK_URL" not in program.environ


def test_metrics_ports_are_in_a_row(settings: Settings) -> None:
    def ports(metrics_port: int) -> list[str]:
        changed = msgspec.structs.replace(settings, metrics_port=metrics_port)
        stages = programs(changed, consumers=2, gateway_port=9000)
        return [program.environ["METRICS_PORT"] for stage in stages[:3] for program in stage]

    assert ports(9464) == ["9464", "9465", "9466", "9467"]
    # Whatever the environment of `tidings up` says: not the same one for all.
    assert ports(0) == ["0", "0", "0", "0"]


def test_no_secret_is_in_a_command_line(settings: Settings) -> None:
    for stage in programs(settings, consumers=2, gateway_port=9000):
        for program in stage:
            assert not any("://" in part for part in program.command)


def test_consumers_have_names_of_their_own_and_time_to_finish(settings: Settings) -> None:
    [_api, _producer, consumers, _gateway] = programs(settings, consumers=2, gateway_port=None)
    assert [program.environ["CONSUMER_NAME"] for program in consumers] == ["host-1", "host-2"]
    assert all(program.grace_seconds > settings.grace_seconds for program in consumers)


def test_the_gateway_is_where_messages_go_unless_another_one_is_set(settings: Settings) -> None:
    def environ(settings: Settings) -> Mapping[str, str]:
        return programs(settings, consumers=1, gateway_port=9000)[2][0].environ

    [demo] = configured_gateways(environ(settings)["SMS_GATEWAYS"])
    assert (demo.base_url, demo.spec) == (
        "http://127.0.0.1:9000/",
        {"request": {"with_callback": {"callback": "{callback}"}}},
    )
    assert environ(settings)["PUBLIC_URL"] == f"http://127.0.0.1:{settings.port}"
    own = environ(Settings(webhook_url="https://gateway.example"))
    assert (own["WEBHOOK_URL"], "SMS_GATEWAYS" in own) == ("https://gateway.example", False)


def test_port_0_is_a_free_one() -> None:
    assert _free_port("127.0.0.1", 0) > 0


def test_a_port_in_use_is_refused_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"^PORT: .*127\.0\.0\.1:{port}.*in use.*--port"):
            _free_port("127.0.0.1", port)


def test_a_folder_with_an_api_of_its_own_is_not_ours(settings: Settings, foreign: Path) -> None:
    wrong = {**os.environ, "LEASE_SECONDS": "soon", "ERROR_RATE": "often"}
    for stage in programs(settings, consumers=1, gateway_port=0):
        for program in stage:
            run = subprocess.run(program.command, cwd=foreign, env=wrong, capture_output=True, text=True, check=False)
            assert (run.returncode, "somebody else" in run.stderr) == (2, False), run.stderr
