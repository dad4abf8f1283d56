"""Settings kept in HashiCorp Vault (KV version 2): read once at the start of a process, then let go of.

The token, the role's credentials and the client live as long as `read` does, and nothing is put into the environment of
this process. A token that `read` itself asked for, by AppRole, is revoked when the settings are here.

A Vault that is down or away is asked again until `VAULT_TIMEOUT_SECONDS` are over; one that is sealed, says no, or has
nothing there ends the process at once, since waiting cures none of that.
"""

import ssl
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
import hvac
import structlog
from hvac.exceptions import (
    BadGateway,
    Forbidden,
    InternalServerError,
    InvalidPath,
    InvalidRequest,
    RateLimitExceeded,
    Unauthorized,
    VaultDown,
    VaultError,
    VaultNotInitialized,
)
from requests.exceptions import ChunkedEncodingError, ConnectionError, RequestException, SSLError, Timeout  # noqa: A004
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_exponential, wait_random

from tidings.domain.errors import SettingsError

if TYPE_CHECKING:
    from tidings.settings import Settings

log = structlog.get_logger(__name__)

REQUEST_SECONDS: Final = 5.0
"""How long one request may take, and no longer than the whole."""

HEALTH_SECONDS: Final = 2.0
"""How long an answer about its health may take."""

_AWAY: Final = (
    ConnectionError,
    Timeout,
    ChunkedEncodingError,
    VaultDown,
    BadGateway,
    InternalServerError,
    RateLimitExceeded,
)


def read(settings: "Settings") -> dict[str, Any]:
    """The key-value pairs at `VAULT_PATH`, by the address and credentials in these settings.

    Raises SettingsError, in one line without a secret.
    """
    _check(settings)
    reader = _Reader(settings)
    try:
        with closing(reader):
            return _until_up(reader, settings.vault_timeout_seconds)
    except SSLError:
        raise SettingsError(f"VAULT_CACERT: the certificate of {_name(settings)} is not trusted") from None
    except _AWAY as error:
        reason = _sealed(error) or f"did not answer within {settings.vault_timeout_seconds:g} s ({_reason(error)})"
        raise SettingsError(f"VAULT_ADDR: {_name(settings)} {reason}") from None
    except VaultNotInitialized:
        raise SettingsError(f"VAULT_ADDR: {_name(settings)} is not initialized") from None
    except (VaultError, RequestException) as error:
        raise SettingsError(f"VAULT_ADDR: {_name(settings)} cannot be read ({_reason(error)})") from None


class _Reader:
    """One login at the most, however often the reading has to be tried: a secret id may be good for one."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._logged_in = False
        self._client = hvac.Client(
            url=settings.vault_addr,
            # Not None, for which hvac looks into the environment and the home folder.
            token=settings.vault_token,
            verify=str(settings.vault_cacert) if settings.vault_cacert else True,
            timeout=min(REQUEST_SECONDS, settings.vault_timeout_seconds),
            namespace=settings.vault_namespace or None,
        )

    def read(self) -> dict[str, Any]:
        if not self._client.token:
            self._log_in()
        mount, path = self._settings.vault_mount.strip("/"), self._settings.vault_path.strip("/")
        try:
            answer = self._client.secrets.kv.v2.read_secret_version(
                path, mount_point=mount, raise_on_deleted_version=True
            )
            secret = answer["data"]["data"]
        except (Forbidden, Unauthorized):
            blamed = "VAULT_ROLE_ID" if self._logged_in else "VAULT_TOKEN"
            raise SettingsError(f"{blamed}: Vault does not let it read {mount}/{path}") from None
        except InvalidPath:
            raise SettingsError(f"VAULT_PATH: Vault has nothing at {mount}/{path} (KV version 2)") from None
        except (KeyError, TypeError):
            secret = None
        if not isinstance(secret, dict):
            raise SettingsError("VAULT_ADDR: is no Vault with KV version 2")
        return secret

    def _log_in(self) -> None:
        try:
            self._client.auth.approle.login(self._settings.vault_role_id, self._settings.vault_secret_id)
        except (InvalidRequest, Forbidden, Unauthorized):
            raise SettingsError("VAULT_ROLE_ID: Vault refuses it together with this VAULT_SECRET_ID") from None
        except InvalidPath:
            raise SettingsError("VAULT_ROLE_ID: this Vault has no AppRole login") from None
        except (KeyError, TypeError):
            raise SettingsError("VAULT_ADDR: is no Vault") from None
        self._logged_in = True

    def close(self) -> None:
        try:
            if self._logged_in:
                # Batch tokens cannot be revoked, and run out by themselves.
                with suppress(VaultError, RequestException):
                    self._client.logout(revoke_token=True)
        finally:
            self._client.token = None
            self._client.adapter.close()


def _until_up(reader: _Reader, seconds: float) -> dict[str, Any]:
    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_before_delay(seconds),
        wait=wait_exponential(multiplier=0.2, max=5.0) + wait_random(0.0, 0.2),
        before_sleep=_log_wait,
        reraise=True,
    )
    return retrying(reader.read)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, _AWAY) and not isinstance(error, SSLError) and not _sealed(error)


def _log_wait(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("waiting for Vault", attempt=state.attempt_number, error=_reason(error))


def _sealed(error: BaseException) -> str:
    # Not `str(error)`, which holds the path.
    return "is sealed" if isinstance(error, VaultDown) and "sealed" in f"{error.errors} {error.text}".lower() else ""


def _reason(error: BaseException | None) -> str:
    # The kind alone: the texts of requests name whole URLs.
    return type(error).__name__


def _check(settings: "Settings") -> None:
    address = urlsplit(settings.vault_addr)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise SettingsError("VAULT_ADDR: must be an http:// or https:// address")
    if not settings.vault_token and not (settings.vault_role_id and settings.vault_secret_id):
        raise SettingsError("VAULT_TOKEN: is needed with VAULT_ADDR, or else VAULT_ROLE_ID and VAULT_SECRET_ID")
    if settings.vault_cacert and not Path(settings.vault_cacert).exists():
        raise SettingsError(f"VAULT_CACERT: there is no {settings.vault_cacert}")


def _name(settings: "Settings") -> str:
    return f"the Vault at {urlsplit(settings.vault_addr).netloc.rpartition('@')[2]}"


def as_text(secret: Mapping[str, Any], known: frozenset[str]) -> dict[str, str]:
    """The pairs as an environment would hold them, by names in upper case.

    Raises SettingsError for a key that is no setting, one that is there in two spellings, and a value that is neither a
    text, a number, true or false, nor a list of such.
    """
    found: dict[str, str] = {}
    for key, value in secret.items():
        name = key.upper()
        if name not in known:
            raise SettingsError(f"{key}: is not a setting that Vault can hold")
        if name in found:
            raise SettingsError(f"{name}: is in Vault twice, in different spellings")
        found[name] = _text(name, value)
    return found


def _text(name: str, value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list():
            return ",".join(_text(name, part) for part in value)
        case _:
            raise SettingsError(f"{name}: must be a text or a number in Vault")


async def vault_is_up(settings: "Settings") -> bool:
    """Whether the Vault at `VAULT_ADDR` answers, initialized and unsealed; one on standby does."""
    url = f"{settings.vault_addr.rstrip('/')}/v1/sys/health"
    try:
        tls = ssl.create_default_context(cafile=settings.vault_cacert or None)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HEALTH_SECONDS)) as session,
            session.get(url, params={"standbyok": "true", "perfstandbyok": "true"}, ssl=tls) as response,
        ):
            return response.ok
    except (aiohttp.ClientError, OSError, ValueError):
        return False
