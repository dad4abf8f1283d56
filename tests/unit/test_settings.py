"""Settings: read from the environment, each wrong value and each contradiction named in one line."""

from base64 import b64encode
from pathlib import Path

import pytest

from tidings.errors import SettingsError
from tidings.settings import FORGOTTEN, SECRETS, Settings, load


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load({}) == Settings()


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({"PORT": "", "WEBHOOK_URL": "  "}) == Settings()


def test_values_are_read_from_the_environment() -> None:
    settings = load(
        {
            "PORT": "9090",
            "DATA_DIR": "/srv/tidings",
            "RETRY_DELAYS": "1, 2.5,10",
            "LEASE_SECONDS": "20",
            "WEBHOOK_URL": "https://gateway.example/send",
            "UNRELATED": "ignored",
        }
    )
    assert settings.port == 9090
    assert settings.data_dir == Path("/srv/tidings")
    assert settings.retry_delays == (1.0, 2.5, 10.0)
    assert settings.lease_seconds == 20
    assert settings.webhook_url == "https://gateway.example/send"


def test_a_tilde_is_the_home_folder() -> None:
    assert load({"DATA_DIR": "~/tidings"}).data_dir == Path.home() / "tidings"


def test_redis_host_serves_where_redis_uri_is_empty() -> None:
    assert load({"REDIS_HOST": "cache:6379"}).redis_uri == "redis://cache:6379"
    assert load({"REDIS_HOST": "cache:6379", "REDIS_URI": "redis://other"}).redis_uri == "redis://other"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("REDIS_TTL", "0"),
        ("REDIS_TTL", "2.5"),
        ("SCHEDULER_INTERVAL", "-1"),
        ("SCHEDULER_BATCH_SIZE", "0"),
        ("POLL_INTERVAL", "0"),
        ("BATCH_SIZE", "0"),
        ("BATCH_SIZE", "1001"),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "soon"),
        ("LEASE_RENEWAL_SECONDS", "-3"),
        ("RECONCILE_SECONDS", "0"),
        ("MAX_RECOVERIES", "0"),
        ("RETENTION_DAYS", "0"),
        ("MAX_TRIES", "0"),
        ("MAX_TRIES", "101"),
        ("RETRY_DELAYS", "5,soon"),
        ("RETRY_DELAYS", "5,-1"),
        ("RETRY_DELAYS", ","),
        ("RETRY_JITTER", "1.5"),
        ("RETRY_JITTER", "-0.1"),
        ("CONSUMER_NAME", "a/b"),
        ("CONSUMER_NAME", "a b"),
        ("CONSUMER_SLOTS", "0"),
        ("CONSUMER_SLOTS", "101"),
        ("IN_FLIGHT", "0"),
        ("IN_FLIGHT_PER_DESTINATION", "0"),
        ("CONNECT_TIMEOUT", "0"),
        ("DELIVERY_TIMEOUT", "0"),
        ("GRACE_SECONDS", "0"),
        ("OUTCOME_BACKLOG", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: ") as refused:
        load({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "blamed"),
    [
        ({"LEASE_SECONDS": "8"}, "LEASE_RENEWAL_SECONDS"),
        ({"LEASE_RENEWAL_SECONDS": "4"}, "LEASE_RENEWAL_SECONDS"),
        ({"REDIS_TTL": "29"}, "REDIS_TTL"),
        ({"LEASE_SECONDS": "200"}, "REDIS_TTL"),
        ({"CONNECT_TIMEOUT": "16"}, "CONNECT_TIMEOUT"),
        ({"DELIVERY_TIMEOUT": "4"}, "CONNECT_TIMEOUT"),
        ({"DELIVERY_TIMEOUT": "21"}, "GRACE_SECONDS"),
        ({"GRACE_SECONDS": "14"}, "GRACE_SECONDS"),
        ({"IN_FLIGHT": "100"}, "IN_FLIGHT_PER_DESTINATION"),
        ({"IN_FLIGHT_PER_DESTINATION": "513"}, "IN_FLIGHT_PER_DESTINATION"),
    ],
)
def test_a_contradiction_names_the_setting_to_change(environ: dict[str, str], blamed: str) -> None:
    with pytest.raises(SettingsError, match=f"^{blamed}: ") as refused:
        load(environ)
    assert "\n" not in str(refused.value)


def test_values_that_fit_only_together_are_accepted() -> None:
    settings = load({"LEASE_SECONDS": "3", "LEASE_RENEWAL_SECONDS": "1", "REDIS_TTL": "9"})
    assert settings.lease_seconds == 3


@pytest.mark.parametrize("name", sorted(SECRETS - FORGOTTEN))
def test_a_secret_is_in_no_representation(name: str) -> None:
    secret = f"whsec_{b64encode(b'hunter2' * 4).decode()}"
    settings = load({name.upper(): secret})
    assert getattr(settings, name) == secret
    assert secret not in repr(settings)
    assert secret not in f"{settings}"


def test_every_setting_that_sounds_secret_is_one() -> None:
    telling = {name for name in Settings.__struct_fields__ if name.endswith(("_key", "_uri", "_password", "_token"))}
    assert telling <= SECRETS
