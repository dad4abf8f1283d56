"""What values of settings rule one another out, and what cannot be read; said in one line that names the setting."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from tidings.domain import addresses, url_schemas
from tidings.domain.errors import SettingsError
from tidings.domain.secrets import check_secret_keys, signing_key

if TYPE_CHECKING:
    from tidings.settings.fields import Settings

MIN_SECRET_KEY_BYTES: Final = 32
"""As much as HMAC-SHA256 can use of a key (RFC 7518, section 3.2)."""

_READINGS: Final[Mapping[str, Callable[[tuple[str, ...]], object]]] = {
    "secret_keys": check_secret_keys,
    "apprise_schemas": url_schemas.schemas,
    "webhook_allow_cidrs": addresses.networks,
    "webhook_allow_ports": addresses.port_ranges,
    "smtp_allow_cidrs": addresses.networks,
    "smtp_allow_ports": addresses.port_ranges,
}
"""How settings are read later; a ValueError then is one now."""


def check(settings: "Settings") -> None:
    """Raises SettingsError for the first fault."""
    if not settings.consumer_name or any(c in settings.consumer_name for c in "/ \t\n"):
        raise SettingsError("CONSUMER_NAME: must not be empty or contain '/' or white space")
    if any(delay < 0 for delay in settings.retry_delays) or not settings.retry_delays:
        raise SettingsError("RETRY_DELAYS: needs at least one delay, and none below 0")
    if settings.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(f"LOG_LEVEL: {settings.log_level!r} is none of DEBUG, INFO, WARNING, ERROR")
    if settings.secret_key and len(settings.secret_key.encode()) < MIN_SECRET_KEY_BYTES:
        raise SettingsError(f"SECRET_KEY: must have at least {MIN_SECRET_KEY_BYTES} bytes")
    if settings.webhook_signing_secret:
        try:
            signing_key(settings.webhook_signing_secret)
        except ValueError as error:
            raise SettingsError(f"WEBHOOK_SIGNING_SECRET: {error}") from None
    for name, reading in _READINGS.items():
        try:
            reading(getattr(settings, name))
        except ValueError as error:
            raise SettingsError(f"{name.upper()}: {error}") from None
    _require(
        settings.lease_renewal_seconds * 3 <= settings.lease_seconds,
        "LEASE_RENEWAL_SECONDS: must be at most a third of LEASE_SECONDS, so that two lost renewals cost no lease",
    )
    _require(
        settings.redis_ttl >= 3 * settings.lease_seconds,
        "REDIS_TTL: must be at least three times LEASE_SECONDS, so that a recovered batch finds its records",
    )
    _require(
        settings.connect_timeout <= settings.delivery_timeout, "CONNECT_TIMEOUT: must not be over DELIVERY_TIMEOUT"
    )
    _require(settings.delivery_timeout <= settings.grace_seconds, "GRACE_SECONDS: must be at least DELIVERY_TIMEOUT")
    _require(
        settings.in_flight_per_destination <= settings.in_flight,
        "IN_FLIGHT_PER_DESTINATION: must not be over IN_FLIGHT",
    )


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SettingsError(otherwise)
