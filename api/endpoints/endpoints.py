"""Endpoints as requests make and change them: checks that types cannot express, and what is kept sealed."""

import secrets
import ssl
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.accounts.errors import NoSecretKeysError
from api.endpoints.schemas import MAX_HEADER_BYTES, EndpointChange, EndpointRequest
from api.http.problems import Fault, InvalidError
from tidings.channels.installed import recipients
from tidings.channels.recipient import RecipientError
from tidings.channels.webhook.headers import passed_on
from tidings.domain.account import Sealed
from tidings.domain.endpoint import Endpoint, Private
from tidings.domain.errors import SettingsError, UnsealError
from tidings.domain.headers import HIDDEN, HeaderError
from tidings.domain.ids import new_id
from tidings.domain.secrets import SIGNING_SECRET_PREFIX, signing_key
from tidings.domain.timestamps import utc_now
from tidings.security.client_certificate import ClientCertificate, check_certificate
from tidings.security.secretbox import Purpose, SecretBox
from tidings.settings import Settings

CHANNEL: Final = "webhook"
SECRET_BYTES: Final = 32
OVERLAP: Final = timedelta(hours=24)
"""After a rotation both secrets sign."""


class Endpoints:
    """Makes and changes them; none of it touches the store."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._box = SecretBox(settings.secret_keys)

    def make(self, wanted: EndpointRequest, user_id: UUID | None) -> tuple[Endpoint, str]:
        """A new endpoint, and its signing secret in clear. Raises InvalidError, NoSecretKeysError."""
        endpoint_id, now = new_id(), utc_now()
        faults: dict[str, str] = {}
        url = self._url(wanted.url, user_id, faults)
        private = Private(headers=wanted.headers, credentials=wanted.credentials)
        if wanted.client_certificate is not None:
            given = wanted.client_certificate
            private = msgspec.structs.replace(private, chain=given.certificate, key=given.key)
        _check_private(private, faults)
        _check_texts({"description": wanted.description, "customer": wanted.customer}, faults)
        secret = self._secret(wanted.secret, faults)
        _refuse(faults)
        endpoint = Endpoint(
            id=endpoint_id,
            user_id=user_id,
            url=url,
            description=wanted.description,
            customer=wanted.customer,
            event_types=None if wanted.event_types is None else tuple(wanted.event_types),
            labels=None if wanted.channels is None else tuple(wanted.channels),
            sealed=self._sealed(private, endpoint_id),
            secret=self.seal(secret, endpoint_id),
            rate_limit=wanted.rate_limit,
            retry_delays=None if wanted.retry is None else wanted.retry.delays,
            max_tries=wanted.max_tries,
            created_at=now,
            updated_at=now,
        )
        return endpoint, secret

    def change(self, endpoint: Endpoint, wanted: EndpointChange) -> Endpoint:
        """The endpoint with these changes. Raises InvalidError, UnsealError, NoSecretKeysError."""
        faults: dict[str, str] = {}
        changes: dict[str, Any] = {
            name: getattr(wanted, name)
            for name in ("description", "customer", "rate_limit", "max_tries")
            if getattr(wanted, name) is not UNSET
        }
        _check_texts(changes, faults)
        for name, column in (("event_types", "event_types"), ("channels", "labels")):
            if (value := getattr(wanted, name)) is not UNSET:
                changes[column] = None if value is None else tuple(value)
        if wanted.retry is not UNSET:
            changes["retry_delays"] = None if wanted.retry is None else wanted.retry.delays
        if isinstance(wanted.url, str):
            changes["url"] = self._url(wanted.url, endpoint.user_id, faults)
        if (wanted.headers, wanted.credentials, wanted.client_certificate) != (UNSET, UNSET, UNSET):
            private = self._private_with(endpoint, wanted)
            _check_private(private, faults)
            changes["sealed"] = self._sealed(private, endpoint.id) if not faults else None
        _refuse(faults)
        return msgspec.structs.replace(endpoint, **changes)

    def new_secret(self, own: str | None) -> str:
        """The client's own signing secret, or a new one. Raises InvalidError."""
        faults: dict[str, str] = {}
        secret = self._secret(own, faults)
        _refuse(faults)
        return secret

    def seal(self, secret: str, endpoint_id: UUID) -> Sealed:
        """A signing secret as it may be kept. Raises NoSecretKeysError."""
        return self._seal(secret, Purpose.WEBHOOK_SECRET, endpoint_id)

    def until(self) -> datetime:
        """Until when a secret signs that is replaced now."""
        return utc_now() + OVERLAP

    def shown(self, endpoint: Endpoint) -> dict[str, Any]:
        """What answers show of an endpoint, by the fields of `EndpointAnswer`."""
        values = msgspec.structs.asdict(endpoint)
        values["channels"] = values.pop("labels")
        delays = values.pop("retry_delays")
        values["retry"] = None if delays is None else {"delays": delays}
        for name in ("sealed", "secret", "previous_secret"):
            del values[name]
        until = values.pop("previous_until")
        values["previous_secret_until"] = until if until is not None and until > utc_now() else None
        private = self._private(endpoint)
        values["headers"] = None if private is None else dict.fromkeys(private.headers, HIDDEN)
        kind = None if private is None or private.credentials is None else type(private.credentials)
        values["credentials"] = None if kind is None else kind.__struct_config__.tag
        values["has_client_certificate"] = private is not None and private.chain is not None
        return values

    def _private(self, endpoint: Endpoint) -> Private | None:
        """None where no key opens it: the list of endpoints is what one needs then."""
        try:
            return self._opened(endpoint)
        except UnsealError:
            return None

    def _opened(self, endpoint: Endpoint) -> Private:
        if endpoint.sealed is None:
            return Private()
        return msgspec.json.decode(self._box.unseal(endpoint.sealed, Purpose.ENDPOINT, endpoint.id), type=Private)

    def _private_with(self, endpoint: Endpoint, wanted: EndpointChange) -> Private:
        private = self._opened(endpoint)
        if wanted.headers is not UNSET:
            private = msgspec.structs.replace(private, headers=wanted.headers)
        if wanted.credentials is not UNSET:
            private = msgspec.structs.replace(private, credentials=wanted.credentials)
        given = wanted.client_certificate
        if given is None:
            private = msgspec.structs.replace(private, chain=None, key=None)
        elif given is not UNSET:
            private = msgspec.structs.replace(private, chain=given.certificate, key=given.key)
        return private

    def _sealed(self, private: Private, endpoint_id: UUID) -> Sealed | None:
        if private == Private():
            return None
        return self._seal(msgspec.json.encode(private).decode(), Purpose.ENDPOINT, endpoint_id)

    def _seal(self, secret: str, purpose: Purpose, owner: UUID) -> Sealed:
        try:
            return self._box.seal(secret, purpose, owner)
        except SettingsError:
            raise NoSecretKeysError from None

    def _url(self, url: str, user_id: UUID | None, faults: dict[str, str]) -> str:
        rules = recipients(CHANNEL)
        try:
            return rules.seal(rules.check(url), new_id(), self._settings, operators=user_id is None)
        except RecipientError as error:
            faults["url"] = str(error)
        except SettingsError:
            raise NoSecretKeysError from None
        return url

    def _secret(self, own: str | None, faults: dict[str, str]) -> str:
        if own is None:
            return f"{SIGNING_SECRET_PREFIX}{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
        try:
            signing_key(own)
        except ValueError as error:
            faults["secret"] = str(error)
        return own


def _check_private(private: Private, faults: dict[str, str]) -> None:
    _check_headers(private.headers, faults)
    _check_credentials(private, faults)
    if private.chain is not None and private.key is not None:
        try:
            check_certificate(ClientCertificate(private.chain, private.key))
        except (ssl.SSLError, ValueError):
            faults["client_certificate"] = "is not a certificate in PEM with its key"


def _check_headers(headers: Mapping[str, str], faults: dict[str, str]) -> None:
    try:
        kept_back = {name.lower() for name in headers} - passed_on(headers).keys()
        if kept_back:
            faults["headers"] = f"{min(kept_back)!r} is not for an endpoint to set"
    except HeaderError as error:
        faults["headers"] = f"cannot be sent: {error}"
    if len({name.lower() for name in headers}) < len(headers):
        faults["headers"] = "name one of them twice"
    if sum(len(name) + len(value.encode("utf-8", "replace")) for name, value in headers.items()) > MAX_HEADER_BYTES:
        faults["headers"] = f"have more than {MAX_HEADER_BYTES} bytes"
    if HIDDEN in headers.values():
        faults["headers"] = f"{HIDDEN!r} is what is shown in place of a value"


def _check_credentials(private: Private, faults: dict[str, str]) -> None:
    if private.credentials is None:
        return
    if any(name.lower() == "authorization" for name in private.headers):
        faults["credentials"] = "cannot be given with a header Authorization"
    authorization = private.credentials.authorization
    if not (authorization.isascii() and authorization.isprintable() and len(authorization) <= MAX_HEADER_BYTES):
        faults["credentials"] = "cannot be sent as a header"


def _check_texts(texts: Mapping[str, Any], faults: dict[str, str]) -> None:
    for field in ("description", "customer"):
        text = texts.get(field)
        if isinstance(text, str) and (not text.isprintable() if field == "customer" else "\0" in text):
            faults[field] = "must not contain control characters"


def _refuse(faults: Mapping[str, str]) -> None:
    if faults:
        raise InvalidError([Fault(field=field, detail=detail) for field, detail in faults.items()])
