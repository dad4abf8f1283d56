"""The settings, beyond what every process refuses by itself: what is allowed and still not wise."""

import shutil
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from api.accounts.tokens import signing_key
from tidings import embedded
from tidings.cli.doctor.finding import Finding, failure, ok, warning
from tidings.domain.addresses import is_loopback
from tidings.domain.errors import SettingsError
from tidings.runtime.files import highest_open_files_limit
from tidings.settings import Settings

MOVES_ON_SECONDS: Final = 15.0
"""Within that a dead consumer's messages are to be delivered by others."""
FILES_BESIDE_DELIVERIES: Final = 128
"""Open files of a consumer that are no deliveries in flight."""
LITTLE_ROOM: Final = 1024**3
"""Bytes."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Checks the resolved settings."""
    yield ok("settings", f"they can be read ({settings.environment})")
    yield _access(settings)
    yield _leases(settings)
    yield _secrets(settings)
    yield _gateway(settings)
    yield _open_files(settings)
    if settings.postgres_uri == embedded.addresses(settings.data_dir).postgres_uri:
        yield _disk(settings)


def _access(settings: Settings) -> Finding:
    try:
        signing_key(settings)
    except SettingsError as error:
        return failure("access", str(error), "set SECRET_KEY, the same for all API processes: `openssl rand -hex 32`")
    if is_loopback(settings.host):
        return ok("access", f"the API listens on {settings.host}, for this machine only")
    return ok("access", f"the API listens on {settings.host}, with a SECRET_KEY")


def _leases(settings: Settings) -> Finding:
    longest = settings.lease_seconds + settings.reconcile_seconds
    says = (
        f"{settings.lease_seconds:g} s, renewed every {settings.lease_renewal_seconds:g} s while deliveries "
        f"(up to {settings.delivery_timeout:g} s) go on; a dead consumer's messages move on after {longest:g} s"
    )
    if longest > MOVES_ON_SECONDS:
        return warning("leases", says, f"LEASE_SECONDS + RECONCILE_SECONDS of {MOVES_ON_SECONDS:g} or less")
    if settings.redis_ttl < settings.lease_seconds + settings.delivery_timeout + longest:
        return warning(
            "leases",
            f"the record of a delivery lives {settings.redis_ttl} s, which a batch that comes a second time may miss",
            "REDIS_TTL of at least twice LEASE_SECONDS + RECONCILE_SECONDS + DELIVERY_TIMEOUT; 300 is usual",
        )
    return ok("leases", says)


def _secrets(settings: Settings) -> Finding:
    if settings.secret_keys:
        return ok("secret keys", f"{len(settings.secret_keys)} for what is kept encrypted")
    return warning(
        "secret keys",
        "SECRET_KEYS is empty: no user can keep an SMTP account, and nothing signs webhooks",
        "put a key from `tidings secrets new-key` into SECRET_KEYS of every process",
    )


def _gateway(settings: Settings) -> Finding:
    address = urlsplit(settings.webhook_url)
    if not settings.webhook_url:
        return warning("sms gateway", "WEBHOOK_URL is empty: text messages wait", "set WEBHOOK_URL, if any are sent")
    if address.scheme == "http" and settings.webhook_auth_key and not is_loopback(address.hostname or ""):
        return warning(
            "sms gateway", "WEBHOOK_AUTH_KEY travels unencrypted to it", "an https:// address in WEBHOOK_URL"
        )
    return ok("sms gateway", f"at {address.hostname}")


def _open_files(settings: Settings) -> Finding:
    # Each process raises its soft limit to the hard one when it starts.
    limit = highest_open_files_limit()
    needed = settings.in_flight + FILES_BESIDE_DELIVERIES
    if limit < needed:
        return warning(
            "open files",
            f"a process may open {limit}, which fit {max(limit - FILES_BESIDE_DELIVERIES, 0)} deliveries in flight; a "
            f"consumer with IN_FLIGHT={settings.in_flight} needs {needed}",
            f"`ulimit -Hn {needed}` (LimitNOFILE= of a systemd unit), or a smaller IN_FLIGHT",
        )
    return ok("open files", f"a process may open {limit}, a consumer needs {needed}")


def _disk(settings: Settings) -> Finding:
    try:
        free = shutil.disk_usage(settings.data_dir).free
    except OSError as error:
        return failure("disk", f"{settings.data_dir}: {error.strerror}", "`tidings up` makes it, or --data-dir")
    says = f"{free / 1024**3:,.1f} GiB free in {settings.data_dir}"
    if free < LITTLE_ROOM:
        return warning("disk", says, "make room, or keep finished messages for fewer days (RETENTION_DAYS)")
    return ok("disk", says)
