"""Settings: read from the environment, each wrong value and each contradiction named in one line."""

from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from tidings.domain.errors import SettingsError
from tidings.security.secretbox import new_key
from tidings.settings import SECRETS, Settings, load
from tidings.settings.fields import FORGOTTEN


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


def test_accounts() -> None:
    settings = load({"REGISTRATION": "closed", "USER_CHANNELS": "email, sms", "SECRET_KEY": "s" * 32})
    assert (settings.registration, settings.user_channels) == ("closed", ("email", "sms"))
    assert settings.secret_key == "s" * 32


def test_a_short_secret_key_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEY: must have at least 32 bytes$"):
        load({"SECRET_KEY": "s" * 31})


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
        ("MAX_TRIES", "-1"),
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
        ("REGISTRATION", "perhaps"),
        ("LOGINS_PER_EMAIL", "-1"),
        ("LOGINS_PER_ADDRESS", "many"),
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


@pytest.mark.parametrize("name", sorted(SECRETS - FORGOTTEN - {"secret_keys"}))
def test_a_secret_is_in_no_representation(name: str) -> None:
    secret = f"whsec_{b64encode(b'hunter2' * 4).decode()}"
    if name == "egress_proxy":
        secret = f"http://proxy:{secret}@127.0.0.1:3128"
    if name == "smtp_url":
        secret = f"smtp://m%40example.com:{quote(secret, safe='')}@mail.example.com"
    settings = load({name.upper(): secret})
    assert getattr(settings, name) == secret
    assert secret not in repr(settings)
    assert secret not in f"{settings}"


def test_secret_keys_are_several_and_in_no_representation() -> None:
    keys = (new_key(), new_key())
    settings = load({"SECRET_KEYS": f"{keys[0]}, {keys[1]}"})
    assert settings.secret_keys == keys
    assert keys[0] not in repr(settings)
    with pytest.raises(SettingsError, match=r"^SECRET_KEYS: must be 32 bytes") as refused:
        load({"SECRET_KEYS": f"{keys[0]},hunter2"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_ALLOW_CIDRS", "10.0.0.0/8,internal"),
        ("WEBHOOK_ALLOW_CIDRS", "10.0.0.1/8"),
        ("SMTP_ALLOW_CIDRS", "10.0.0.0/40"),
        ("WEBHOOK_ALLOW_PORTS", "http"),
        ("WEBHOOK_ALLOW_PORTS", "443,90-80"),
        ("SMTP_ALLOW_PORTS", "0"),
        ("SMTP_ALLOW_PORTS", "25-65536"),
        ("SMTP_CONNECTIONS_PER_ACCOUNT", "0"),
        ("SMTP_IDLE_SECONDS", "0"),
        ("SMTP_ALLOW_PLAINTEXT", "perhaps"),
    ],
)
def test_a_wrong_rule_for_the_way_out_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load({name: value})


@pytest.mark.parametrize(
    ("environ", "alone"),
    [
        ({}, True),
        ({"HOST": "::1", "POSTGRES_URI": "postgres://me@localhost/x", "REDIS_URI": "unix:///run/redis.sock"}, True),
        ({"POSTGRES_URI": "postgresql:///x?host=/run/postgres"}, True),
        ({"HOST": "0.0.0.0"}, False),
        ({"POSTGRES_URI": "postgres://me@db.internal/x"}, False),
        ({"POSTGRES_URI": "postgres://me@localhost,db.internal/x"}, False),
        ({"POSTGRES_URI": "postgresql:///x?host=db.internal"}, False),
        ({"POSTGRES_URI": "postgres://[::1"}, False),
        ({"REDIS_HOST": "redis:6379"}, False),
    ],
)
def test_a_deployment_is_loopback_only_where_all_of_it_is_here(environ: dict[str, str], alone: bool) -> None:
    assert load(environ).loopback_only is alone


def test_every_setting_that_sounds_secret_is_one() -> None:
    telling = {name for name in Settings.__struct_fields__ if name.endswith(("_key", "_uri", "_password", "_token"))}
    assert telling <= SECRETS
