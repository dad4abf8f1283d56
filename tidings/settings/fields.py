"""Every setting of tidings, declared once: name, unit, default and caveat.

Read once from the environment at the start of a process. A wrong value, or two that contradict each other, ends the
process with one line that names the setting. Names are the environment's, in lower case here.
"""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from platformdirs import user_data_path

from tidings.domain import addresses, contents, url_schemas
from tidings.domain.errors import SettingsError
from tidings.domain.secrets import check_secret_keys, signing_key
from tidings.domain.smtp_url import operators_account, parse_smtp_from, parse_smtp_url
from tidings.domain.store_uris import is_here


def default_data_dir() -> Path:
    """The user's; for root `/var/lib/tidings`, as the embedded Postgres is another user and may not enter its home."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/tidings")
    return user_data_path("tidings", appauthor=False)


Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]

MIN_SECRET_KEY_BYTES: Final = 32
"""As much as HMAC-SHA256 can use of a key (RFC 7518, section 3.2)."""

VAULT_PREFIX: Final = "vault_"

FORGOTTEN: Final = frozenset({"vault_token", "vault_role_id", "vault_secret_id"})
"""Settings that open Vault: empty in what `load` returns."""

SECRETS: Final = FORGOTTEN | {
    "egress_proxy",
    "postgres_uri",
    "postgres_listen_uri",
    "redis_uri",
    "api_key",
    "secret_key",
    "secret_keys",
    "webhook_auth_key",
    "webhook_signing_secret",
    "smtp_url",
    "sms_gateways",
}
"""Settings whose value appears in no log, message or representation."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration of a process."""

    # A setting is one line, and its text the lines below it.
    # fmt: off
    postgres_uri: Annotated[str, Meta(extra={"section": "Where things are"}, description=
        "PostgreSQL 15 or later, as `postgres://…`. Empty: the embedded one.")] = ""
    postgres_listen_uri: Annotated[str, Meta(description=
        "The same Postgres without the pooler that `POSTGRES_URI` leads to, for what needs a session of its own: "
        "migrations, LISTEN, the lead. Empty: `POSTGRES_URI`.")] = ""
    redis_uri: Annotated[str, Meta(description=
        "Redis 6.2 or later: `redis://…`, `rediss://…`, `unix://…`, or [sentinels or a cluster](redis.md). Empty: the"
        " embedded one.")] = ""
    redis_host: Annotated[str, Meta(description="`host:port` of Redis, read where `REDIS_URI` is empty.")] = ""
    data_dir: Annotated[Path, Meta(description=
        "Where the embedded stores keep their data.")] = msgspec.field(default_factory=default_data_dir)
    host: Annotated[str, Meta(description=
        "Address that the API listens on. Anything but loopback needs `SECRET_KEY`.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the API; 0 takes a free one.")] = 8080
    api_key: Annotated[str, Meta(description=
        "The operator's own bearer token, which may do everything. Empty: on loopback, and as long as there are no"
        " accounts, requests need none; anywhere else only accounts are let in.")] = ""
    secret_keys: Annotated[tuple[str, ...], Meta(description=
        "Keys that encrypt users' SMTP passwords and signing secrets in Postgres, and headers of messages that hold"
        " secrets; comma-separated, newest first; each is made by `tidings secrets new-key`. The same for all"
        " processes. Empty: with the embedded Postgres, one is made and kept in `DATA_DIR`; otherwise no password or"
        " signing secret can be kept, and headers are kept in clear.")] = ()
    environment: Annotated[str, Meta(description="`development` or `production`; named in the log.")] = "production"
    log_level: Annotated[str, Meta(description="`DEBUG`, `INFO`, `WARNING` or `ERROR`.")] = "INFO"

    secret_key: Annotated[str, Meta(extra={"section": "Accounts"}, description=
        "Signs the bearer tokens of accounts: at least 32 random bytes, the same for all API processes. May be left"
        " empty on loopback.")] = ""
    trust_this_machine: Annotated[bool, Meta(description=
        "Whether requests of this machine need no credential as long as there are no accounts and no `API_KEY`,"
        " although strangers may register. With `REGISTRATION=closed` they need none in any case; `tidings up` sets"
        " it. Never where `HOST` is not loopback, where `TRUSTED_PROXIES` is set, or for a request that a proxy passed"
        " on.")] = False
    trusted_proxies: Annotated[tuple[str, ...], Meta(description=
        "Addresses and networks of the proxies before the API, comma-separated, or how many proxies each request"
        " passes, such as `1`: what they say in `PROXY_HEADERS` is who the client is and whether it came by https."
        " Empty: none is believed.")] = ()
    proxy_headers: Annotated[Literal["x-forwarded", "forwarded"], Meta(description=
        "Which headers `TRUSTED_PROXIES` write: `X-Forwarded-For` and `X-Forwarded-Proto`, or `Forwarded` (RFC 7239)."
        " The other kind is not read, since a client could write it.")] = "x-forwarded"
    hsts_seconds: Annotated[int, Meta(ge=0, le=2 * 366 * 24 * 3600, description=
        "How long browsers come by https only, once they came so: `Strict-Transport-Security`, for subdomains too. Not"
        " before https works for good. 0: it is not said.")] = 0
    max_connections: Annotated[int, Meta(ge=16, le=1_000_000, description=
        "Connections of clients per API process at the most; fewer where it may open few files. What is over takes the"
        " place of what has been idle the longest.")] = 4096
    max_connections_per_address: Annotated[int, Meta(ge=4, le=1_000_000, description=
        "Connections from one client address (of IPv6, from one /64) at the most. This machine and `TRUSTED_PROXIES`"
        " have no limit of their own.")] = 512
    registration: Annotated[Literal["open", "closed"], Meta(description=
        "Whether strangers may make themselves an account; otherwise an admin does, or `tidings user add`.")] = "open"
    user_channels: Annotated[tuple[str, ...], Meta(description=
        "Channels of a user for whom an admin has set no others, comma-separated. An admin has all."
    )] = ("email", "webhook")
    logins_per_email: Annotated[int, Meta(ge=0, description=
        "Logins that fail, a minute, for one e-mail address from one network (/24, of IPv6 /48); 0 for no limit.")] = 10
    logins_per_address: Annotated[int, Meta(ge=0, description=
        "Logins a minute from one client address (of IPv6, from one /64), and new accounts; 0 for no limit. Behind a"
        " proxy it needs `TRUSTED_PROXIES`; otherwise all clients have the proxy's address.")] = 30
    quota_per_second: Annotated[int, Meta(ge=0, le=1_000_000, description=
        "Messages accepted of a user per second, in bursts of up to ten times as many, and beside them as many changes"
        " of anything else; 0 for no limit. An admin may give a user other limits than these four; admins and the"
        " operator have none unless they were given one."
        )] = 50
    quota_per_day: Annotated[int, Meta(ge=0, le=1_000_000, description=
        "Messages accepted of a user in 24 hours; 0 for no limit.")] = 100_000
    quota_waiting: Annotated[int, Meta(ge=0, le=1_000_000, description=
        "Messages of a user that wait, for their time or a retry; 0 for no limit.")] = 10_000
    quota_waiting_bytes: Annotated[int, Meta(ge=0, description=
        "Bytes of the messages that wait: contents, subjects, headers, files; 0 for no limit.")] = 64 * 1024**2

    vault_addr: Annotated[str, Meta(extra={"section": "Vault"}, description=
        "A HashiCorp Vault that holds settings too, as `https://…`; what the environment says wins. Empty: none.")] = ""
    vault_token: Annotated[str, Meta(description=
        "Token for Vault. Used at the start and then forgotten, as are the two that follow.")] = ""
    vault_role_id: Annotated[str, Meta(description=
        "With `VAULT_SECRET_ID`, where `VAULT_TOKEN` is empty: login by AppRole.")] = ""
    vault_secret_id: Annotated[str, Meta(description="See `VAULT_ROLE_ID`.")] = ""
    vault_mount: Annotated[str, Meta(description="Where the KV store (version 2) is mounted.")] = "secret"
    vault_path: Annotated[str, Meta(description=
        "Path of the secret whose keys are names of settings, in upper or lower case.")] = "tidings"
    vault_namespace: Annotated[str, Meta(description="Namespace, in editions that have them.")] = ""
    vault_cacert: Annotated[str, Meta(description=
        "File of the authorities that sign Vault's certificate. Empty: the usual ones.")] = ""
    vault_timeout_seconds: Annotated[Positive, Meta(description=
        "How long a start waits for a Vault that is down.")] = 30.0

    webhook_url: Annotated[str, Meta(extra={"section": "The SMS gateway"}, description=
        "The SMS gateway: where channel `sms` posts. Empty: messages wait, and are tried again.")] = ""
    webhook_auth_key: Annotated[str, Meta(description="Sent to the gateway as `x-ins-auth-key`.")] = ""
    sms_gateways: Annotated[str, Meta(description=
        "Further gateways of the operator's, in TOML, or the path of a file with it: docs/sms.md.")] = ""
    default_region: Annotated[str, Meta(pattern="^([A-Z]{2})?$", description=
        "The country of phone numbers without a country code, such as `DE`: `0171 2345678` is `+491712345678` then."
        " Empty: numbers need `+`.")] = ""
    sms_smart_encoding: Annotated[bool, Meta(description=
        "Whether letters of a text message that keep it from GSM's alphabet are replaced where that has the same:"
        " typographic quotes, dashes, spaces. A message may say otherwise.")] = False
    webhook_signing_secret: Annotated[str, Meta(description=
        "Signs the operator's own webhooks, by Standard Webhooks: `whsec_` and the base64 of 24 to 64 random bytes."
        " Empty: one that is derived of `SECRET_KEYS` does; `tidings secrets webhook` shows it. Users' webhooks are"
        " signed with secrets of their own, never with this one.")] = ""
    webhook_unsigned: Annotated[bool, Meta(description=
        "Whether webhooks that nothing can sign, since `SECRET_KEYS` are not set, go out unsigned. Otherwise they are"
        " not accepted.")] = False
    webhook_allow_cidrs: Annotated[tuple[str, ...], Meta(description=
        "Networks that are not public and that channel `webhook` may reach all the same, also by plain http,"
        " comma-separated. Loopback, as an address or as `localhost`, is open to the operator's own messages too where"
        " nothing but this machine is involved: `HOST` and both stores are on it, and there are no `TRUSTED_PROXIES`;"
        " to the messages of accounts only if it stands here.")] = ()
    webhook_allow_ports: Annotated[tuple[str, ...], Meta(description=
        "Ports that channel `webhook` may reach, and ranges of them, comma-separated. Left out are those of the"
        " classic services (SSH, SMTP, DNS), where no webhook is at home.")] = ("80", "443", "1024-65535")
    egress_proxy: Annotated[str, Meta(description=
        "HTTP proxy through which channel `webhook` reaches all receivers, by CONNECT: `http://host:port`, or"
        " `http://user:password@host:port`. It looks names up and has to guard the network: an address that is not open"
        " is refused here only where it stands in a URL. Empty: none.")] = ""
    redis_ttl: Annotated[Count, Meta(description=
        "Seconds that the record of a delivery stays in Redis. It guards against sending twice after a crash, so keep"
        " it well over `LEASE_SECONDS`.")] = 300
    provider_records: Annotated[bool, Meta(description=
        "Whether the record is found by the provider's `messageId` too on a Redis without MSETEX (older than Redis 8.4"
        " or Valkey 9.1). Each record is a command of its own there: 2.3 commands per delivered message with this, 1.3"
        " without. Where MSETEX is known one command writes all the records of a moment, and both kinds are always"
        " kept.")] = False

    smtp_url: Annotated[str, Meta(extra={"section": "E-mail"}, description=
        "The operator's own SMTP account: `smtp://user:password@host:587` (STARTTLS), `smtps://user:password@host` (TLS"
        " from the first byte), each part percent-encoded; `?tls=none` after `smtp://` for a server without TLS. Its"
        " address is not checked by `SMTP_ALLOW_CIDRS`. With `PUBLIC_URL` and `SECRET_KEYS`, users prove"
        " their e-mail addresses, and get another password, by mail. Empty: e-mail goes through users' own accounts"
        " only.")] = ""
    smtp_from: Annotated[str, Meta(description=
        "Whom mail through `SMTP_URL` is from: `mail@example.com`, or `Example <mail@example.com>`. Empty: its user"
        " name.")] = ""
    smtp_open_to: Annotated[Literal["nobody", "admins", "everyone"], Meta(description=
        "Which users' mail may go through `SMTP_URL` too, where they have no account of their own or choose account"
        " `operator`. It is from `SMTP_FROM`, and answers go to the user.")] = "nobody"
    smtp_ca_file: Annotated[str, Meta(description=
        "PEM file of authorities that sign the certificates of mail servers, beside the usual ones.")] = ""
    smtp_allow_plaintext: Annotated[bool, Meta(description=
        "Whether mail may go without TLS where a user's account says that its server has none. To loopback it may."
    )] = False
    smtp_allow_cidrs: Annotated[tuple[str, ...], Meta(description=
        "Networks that are not public and in which users' mail servers may be; see `WEBHOOK_ALLOW_CIDRS`.")] = ()
    smtp_allow_ports: Annotated[tuple[str, ...], Meta(description=
        "Ports at which users' mail servers may be; see `WEBHOOK_ALLOW_PORTS`.")] = ("25", "465", "587", "1024-65535")
    email_addresses: Annotated[Literal["strict", "internal"], Meta(description=
        "Which recipients channel `email` takes. `internal`: also those that only the operator's own network delivers"
        " to, such as `root@localhost`, `ada@corp.local`, `ada@x.test`, `ada@[192.0.2.1]`, `ada@build_host`.")
    ] = "strict"
    max_message_bytes: Annotated[int, Meta(ge=1024**2, le=256 * 1024**2, description=
        "Size of the request for one e-mail at the most, its attachments in base64; other requests have at most 1 MiB.")
    ] = 25 * 1024**2
    max_content_bytes: Annotated[tuple[str, ...], Meta(description=
        "How many bytes of text a message may have, by channel: `webhook=262144,email=1048576`. The text of an e-mail"
        " and its HTML count together, attachments do not. Not named: 256 KiB, `email` 1 MiB, `echo` and `sms` 64 KiB."
    )] = ()
    max_sms_parts: Annotated[int, Meta(ge=1, le=255, description=
        "How many parts a text message may have: of 153 letters each, or of 67 where it has some that are not in GSM's"
        " alphabet.")] = 10
    smtp_connections_per_account: Annotated[int, Meta(ge=1, le=1000, description=
        "Connections per consumer and account at the most; servers commonly allow 10 to 20 at once. Fewer are used for"
        " a while where a server says that there are too many.")] = 10
    smtp_mails_per_connection: Annotated[Count, Meta(description=
        "Mails over one connection at the most; fewer where a server says so, or refuses more.")] = 100
    smtp_idle_seconds: Annotated[Positive, Meta(description="How long a connection without mail is kept.")] = 30.0
    smtp_helo_name: Annotated[str, Meta(description=
        "Name that consumers give themselves in EHLO, as the DNS has it. Empty: the address of their side, which some"
        " servers refuse.")] = ""
    smtp_command_timeout: Annotated[Positive, Meta(description=
        "Seconds for a mail server's greeting, and for its reply to each command (RFC 5321, section 4.5.3.2).")] = 300.0
    smtp_answer_timeout: Annotated[Positive, Meta(description=
        "Seconds for the reply to a whole mail. One that comes later has probably taken the mail, which is then sent"
        " twice.")] = 600.0
    smtp_delivery_timeout: Annotated[Positive, Meta(description=
        "Seconds for one attempt up to the end of the mail, in place of `DELIVERY_TIMEOUT`; `SMTP_ANSWER_TIMEOUT` comes"
        " after it. A consumer that stops waits for `GRACE_SECONDS` all the same.")] = 900.0
    bounce_address: Annotated[str, Meta(description=
        "Where mail servers report what they could not deliver, such as `bounces@example.com`: mail goes out with the"
        " envelope sender `bounces+<message id>@example.com`, and `POST /api/v1/bounces` takes what arrives there."
        " The users' mail servers must let that sender pass. Empty: the sender is whom the mail is from.")] = ""
    public_url: Annotated[str, Meta(description=
        "Where the recipients of mail reach this API, such as `https://mail.example.com`: the links to unsubscribe,"
        " and those in mails about accounts, begin with it. Empty: there are none.")] = ""

    apprise_schemas: Annotated[tuple[str, ...], Meta(extra={"section": "Apprise"}, description=
        "Services of Apprise that are opened besides those on the internet whose address it knows, by their schemas,"
        " comma-separated, such as `ntfys,jsons`. Their host is in the recipient, so everybody with channel `apprise`"
        " then reaches every address that the consumers reach.")] = ()

    scheduler_interval: Annotated[float, Meta(ge=0, extra={"section": "Pace, leases, recovery"}, description=
        "Paces queue `default` at the first start, until it is given another pace: seconds between ticks, 0 for none."
    )] = 0
    scheduler_batch_size: Annotated[Count, Meta(description=
        "Messages per tick of queue `default`, where `SCHEDULER_INTERVAL` paces it.")] = 2
    poll_interval: Annotated[Positive, Meta(description=
        "Seconds after which the producer looks for due messages even if nothing woke it.")] = 1.0
    batch_size: Annotated[int, Meta(ge=1, le=1000, description="Messages in one batch at the most.")] = 100
    lease_seconds: Annotated[Positive, Meta(description=
        "How long a batch stays with a consumer that gives no sign of life.")] = 10.0
    lease_renewal_seconds: Annotated[Positive, Meta(description=
        "Seconds between renewals of the leases; at most a third of `LEASE_SECONDS`.")] = 3.0
    reconcile_seconds: Annotated[Positive, Meta(description=
        "Seconds between looks for batches whose lease ran out.")] = 2.0
    max_recoveries: Annotated[Count, Meta(description=
        "How often a message may be alone in the batch that a dying consumer held before it is cancelled as `poison`."
    )] = 3
    retention_days: Annotated[Count, Meta(description=
        "Days that finished messages and their attempts are kept at the least.")] = 90
    audit_retention_days: Annotated[Count, Meta(description=
        "Days that the audit log is kept: who changed what.")] = 365

    max_tries: Annotated[int, Meta(ge=0, le=100, extra={"section": "Retries"}, description=
        "Attempts for a message that has neither `max_tries` nor `retry` of its own or of its queue. 0: as its channel"
        " does.")] = 0
    retry_delays: Annotated[tuple[float, ...], Meta(description=
        "Seconds before the second, third, … attempt, comma-separated; the last one repeats. In place of what all"
        " channels do, with five attempts at least where `MAX_TRIES` is not set; a queue's or a message's own `retry`"
        " goes before. Empty: as each channel does.")] = ()
    retry_jitter: Annotated[float, Meta(ge=0, le=1, description=
        "Share by which each delay is spread at random, both ways.")] = 0.2

    consumer_name: Annotated[str, Meta(extra={"section": "Consumers"}, description=
        "Name of this consumer and of its queue; unique among the running ones."
    )] = msgspec.field(default_factory=socket.gethostname)
    consumer_slots: Annotated[int, Meta(ge=1, le=100, description="Batches that a consumer takes in at once.")] = 8
    in_flight: Annotated[Count, Meta(description=
        "Deliveries in flight per consumer at the most, beside those of `IN_FLIGHT_SLOW`.")] = 512
    in_flight_slow: Annotated[Count, Meta(description=
        "As many more that have waited for over a second, or go to a destination that has not answered promptly lately;"
        " fewer where the process may open few files. Each holds a connection, which takes up to 100 kB with TLS."
    )] = 2048
    in_flight_bytes: Annotated[Count, Meta(description=
        "Bytes of contents that a consumer holds at the most; then it takes nothing more. A delivery in flight needs up"
        " to four times as much memory as its content.")] = 64 * 1024 * 1024
    in_flight_per_destination: Annotated[Count, Meta(description=
        "Deliveries in flight per consumer and destination at the most.")] = 128
    breaker_failures: Annotated[Count, Meta(description=
        "Failures in a row after which nothing is sent to an endpoint, or a host, for a while.")] = 20
    breaker_seconds: Annotated[Positive, Meta(description=
        "How long that is at first; while it goes on failing it doubles, up to six times as long.")] = 10.0
    endpoint_failing_seconds: Annotated[float, Meta(ge=0, description=
        "Seconds of nothing but failures after which a webhook endpoint is disabled; 0: never.")] = 5 * 86_400.0
    connect_timeout: Annotated[Positive, Meta(description="Seconds for a connection to the receiver.")] = 5.0
    delivery_timeout: Annotated[Positive, Meta(description=
        "Seconds for one attempt as a whole; at least `CONNECT_TIMEOUT`.")] = 15.0
    grace_seconds: Annotated[Positive, Meta(description=
        "Seconds that a stopping consumer waits for deliveries in flight; at least `DELIVERY_TIMEOUT`.")] = 20.0
    outcome_backlog: Annotated[Count, Meta(description=
        "Outcomes that wait in memory while Postgres is away; then intake stops.")] = 20_000

    metrics_port: Annotated[int, Meta(ge=0, le=65535, extra={"section": "Metrics and traces"}, description=
        "Port at which this process shows its metrics to Prometheus, at `/metrics`; 0: nowhere. `tidings up` gives"
        " this one to the API, the next to the producer, and those that follow to the consumers.")] = 0
    metrics_host: Annotated[str, Meta(description=
        "Address that `METRICS_PORT` is opened on. All who reach it may read, so keep it inside.")] = "127.0.0.1"
    otel_exporter_otlp_endpoint: Annotated[str, Meta(description=
        "Where traces go, by OTLP over HTTP, such as `http://collector:4318`; the same for all processes. Empty: none"
        " are made. Needs `tidings[otel]`, whose other `OTEL_` variables (headers, sampler, …) hold too.")] = ""
    # fmt: on

    def __repr__(self) -> str:
        shown = (f"{name}={'…' if name in SECRETS else repr(getattr(self, name))}" for name in self.__struct_fields__)
        return f"Settings({', '.join(shown)})"

    def __post_init__(self) -> None:
        if not self.consumer_name or any(c in self.consumer_name for c in "/ \t\n"):
            raise SettingsError("CONSUMER_NAME: must not be empty or contain '/' or white space")
        if any(delay < 0 for delay in self.retry_delays):
            raise SettingsError("RETRY_DELAYS: none may be below 0")
        if self.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise SettingsError(f"LOG_LEVEL: {self.log_level!r} is none of DEBUG, INFO, WARNING, ERROR")
        if self.secret_key and len(self.secret_key.encode()) < MIN_SECRET_KEY_BYTES:
            raise SettingsError(f"SECRET_KEY: must have at least {MIN_SECRET_KEY_BYTES} bytes")
        for name, reading in {**_TEXTS, **_READINGS}.items():
            try:
                if value := getattr(self, name):
                    reading(value)
            except ValueError as error:
                raise SettingsError(f"{name.upper()}: {error}") from None
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
        try:
            operators_account(self.smtp_url, self.smtp_from)
        except ValueError as error:
            raise SettingsError(str(error)) from None

    @property
    def proves_addresses(self) -> bool:
        """Whether users prove their e-mail addresses by a link in a mail; otherwise admins say whose they are."""
        return bool(self.smtp_url and self.public_url and self.secret_keys)

    @property
    def loopback_only(self) -> bool:
        """Whether nothing but this machine is involved: it alone asks, and both stores are here."""
        return self.only_this_machine_asks and is_here(self.postgres_uri) and is_here(self.redis_uri)

    @property
    def only_this_machine_asks(self) -> bool:
        """Whether the API listens on loopback, and no proxy is known to pass on what others ask."""
        return addresses.is_loopback(self.host) and not self.trusted_proxies


_TEXTS: Final[Mapping[str, Callable[[Any], object]]] = {
    "webhook_signing_secret": signing_key,
    "egress_proxy": addresses.parse_proxy,
    "public_url": addresses.check_public_url,
    "bounce_address": addresses.check_bounce_address,
    "smtp_url": parse_smtp_url,
    "smtp_from": parse_smtp_from,
}
_READINGS: Final[Mapping[str, Callable[[Any], object]]] = {
    "secret_keys": check_secret_keys,
    "apprise_schemas": url_schemas.schemas,
    "smtp_helo_name": addresses.check_helo_name,
    "webhook_allow_cidrs": addresses.networks,
    "webhook_allow_ports": addresses.port_ranges,
    "smtp_allow_cidrs": addresses.networks,
    "smtp_allow_ports": addresses.port_ranges,
    "trusted_proxies": addresses.trusted_proxies,
    "max_content_bytes": contents.content_limits,
}
"""How settings are read later, where they are not empty; a ValueError then is one now."""


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SettingsError(otherwise)
