"""Every setting of tidings, declared once: name, unit, default and caveat.

Read once from the environment at the start of a process. A wrong value, or two that contradict each other, ends the
process with one line that names the setting. Names are the environment's, in lower case here.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from platformdirs import user_data_path

from tidings.errors import SettingsError
from tidings.signing import signing_key


def default_data_dir() -> Path:
    """The user's; for root `/var/lib/tidings`, as the embedded Postgres is another user and may not enter its home."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/tidings")
    return user_data_path("tidings", appauthor=False)


Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]

SECRETS: Final = frozenset({"postgres_uri", "redis_uri", "api_key", "webhook_auth_key", "webhook_signing_secret"})
"""Settings whose value appears in no log, message or representation."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration of a process."""

    # Where things are
    postgres_uri: str = ""
    """PostgreSQL 15 or later, as `postgres://…`. Empty: the embedded one."""
    redis_uri: str = ""
    """Redis 6.2 or later, as `redis://…`, `rediss://…` or `unix://…`. Empty: the embedded one."""
    redis_host: str = ""
    """`host:port` of Redis, read where `REDIS_URI` is empty."""
    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    """Where the embedded stores keep their data."""
    host: str = "127.0.0.1"
    """Address that the API listens on. Anything but loopback needs `API_KEY`."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """Port of the API; 0 takes a free one."""
    api_key: str = ""
    """Bearer token for every route but health. Empty: no token, loopback only."""
    environment: str = "production"
    """`development` or `production`; named in the log."""
    log_level: str = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    # The SMS gateway
    webhook_url: str = ""
    """The SMS gateway: where channel `sms` posts. Empty: messages wait, and are tried again."""
    webhook_auth_key: str = ""
    """Sent to the gateway as `x-ins-auth-key`."""
    webhook_signing_secret: str = ""
    """Signs what channel `webhook` sends, by Standard Webhooks: `whsec_` and the base64 of 24 to 64 random bytes.
    Empty: unsigned."""
    redis_ttl: Count = 300
    """Seconds that the record of a delivery stays in Redis. It guards against sending twice after a crash, so keep
    it well over `LEASE_SECONDS`."""

    # Pace, leases, recovery
    scheduler_interval: Annotated[float, Meta(ge=0)] = 0
    """Paces queue `default` when the database is first set up: seconds between ticks, 0 for none."""
    scheduler_batch_size: Count = 2
    """Messages per tick of queue `default`, where `SCHEDULER_INTERVAL` paces it."""
    poll_interval: Positive = 1.0
    """Seconds after which the producer looks for due messages even if nothing woke it."""
    batch_size: Annotated[int, Meta(ge=1, le=1000)] = 100
    """Messages in one batch at the most."""
    lease_seconds: Positive = 10.0
    """How long a batch stays with a consumer that gives no sign of life."""
    lease_renewal_seconds: Positive = 3.0
    """Seconds between renewals of the leases; at most a third of `LEASE_SECONDS`."""
    reconcile_seconds: Positive = 2.0
    """Seconds between looks for batches whose lease ran out."""
    max_recoveries: Count = 3
    """How often a message may be alone in the batch that a dying consumer held before it is cancelled as
    `poison`."""
    retention_days: Count = 90
    """Days that finished messages and their attempts are kept at the least."""

    # Retries
    max_tries: Annotated[int, Meta(ge=1, le=100)] = 5
    """Tries of a message that does not say its own `max_tries`."""
    retry_delays: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0, 3600.0)
    """Seconds before the second, third, … try, comma-separated; the last one repeats."""
    retry_jitter: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """Share by which each delay is spread at random, both ways."""

    # Consumers
    consumer_name: str = msgspec.field(default_factory=socket.gethostname)
    """Name of this consumer and of its queue; unique among the running ones."""
    consumer_slots: Annotated[int, Meta(ge=1, le=100)] = 8
    """Batches that a consumer takes in at once."""
    in_flight: Count = 512
    """Deliveries in flight per consumer at the most."""
    in_flight_per_destination: Count = 128
    """Deliveries in flight per consumer and destination at the most."""
    connect_timeout: Positive = 5.0
    """Seconds for a connection to the far side."""
    delivery_timeout: Positive = 15.0
    """Seconds for one try as a whole; at least `CONNECT_TIMEOUT`."""
    grace_seconds: Positive = 20.0
    """Seconds that a stopping consumer waits for deliveries in flight; at least `DELIVERY_TIMEOUT`."""
    outcome_backlog: Count = 20_000
    """Outcomes that wait in memory while Postgres is away; then intake stops."""

    def __repr__(self) -> str:
        shown = (f"{name}={'…' if name in SECRETS else repr(getattr(self, name))}" for name in self.__struct_fields__)
        return f"Settings({', '.join(shown)})"

    def __post_init__(self) -> None:
        if not self.consumer_name or any(c in self.consumer_name for c in "/ \t\n"):
            raise SettingsError("CONSUMER_NAME: must not be empty or contain '/' or white space")
        if any(delay < 0 for delay in self.retry_delays) or not self.retry_delays:
            raise SettingsError("RETRY_DELAYS: needs at least one delay, and none below 0")
        if self.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise SettingsError(f"LOG_LEVEL: {self.log_level!r} is none of DEBUG, INFO, WARNING, ERROR")
        if self.webhook_signing_secret:
            try:
                signing_key(self.webhook_signing_secret)
            except ValueError as error:
                raise SettingsError(f"WEBHOOK_SIGNING_SECRET: {error}") from None
        _require(
            self.lease_renewal_seconds * 3 <= self.lease_seconds,
            "LEASE_RENEWAL_SECONDS: must be at most a third of LEASE_SECONDS, so that two lost renewals cost no lease",
        )
        _require(
            self.redis_ttl >= 3 * self.lease_seconds,
            "REDIS_TTL: must be at least three times LEASE_SECONDS, so that a recovered batch finds its records",
        )
        _require(self.connect_timeout <= self.delivery_timeout, "CONNECT_TIMEOUT: must not be over DELIVERY_TIMEOUT")
        _require(self.delivery_timeout <= self.grace_seconds, "GRACE_SECONDS: must be at least DELIVERY_TIMEOUT")
        _require(
            self.in_flight_per_destination <= self.in_flight, "IN_FLIGHT_PER_DESTINATION: must not be over IN_FLIGHT"
        )


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SettingsError(otherwise)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from the environment; an empty variable counts as not set.

    Raises SettingsError, in one line that names the setting, where a value is wrong.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        text = environ.get(name.upper(), "").strip()
        if text:
            values[name] = [part.strip() for part in text.split(",")] if name == "retry_delays" else text
    if not values.get("redis_uri") and values.get("redis_host"):
        values["redis_uri"] = f"redis://{values['redis_host']}"
    for name, value in values.items():
        # One at a time, so that the message names the variable as its owner wrote it.
        try:
            msgspec.convert({name: value}, Settings, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at ", maxsplit=1)[0]
            raise SettingsError(f"{name.upper()}: {reason[:1].lower()}{reason[1:]}") from None
        except SettingsError:
            # A relation to a setting that is not read yet: judged below, with all of them.
            continue
    return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value).expanduser()
    raise NotImplementedError(kind)
