"""SMS gateways of users and of the operator: made, changed, deleted."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.accounts.errors import NoSecretKeysError
from api.gateways.errors import GatewayTakenError, NoSuchGatewayError, TooManyGatewaysError
from api.gateways.schemas import GatewayAnswer, GatewayChanges, GatewayRequest, answer_of
from api.http.principal import Principal
from api.http.problems import Fault, InvalidError
from sql.gateways import GatewayStore, KnownGateways, Put
from tidings.channels.sms.configured import RESERVED, SECTIONS, gateway_faults, spec_of
from tidings.domain.errors import SettingsError, UnsealError
from tidings.domain.gateway import CALLBACK_TOKEN, Gateway
from tidings.domain.ids import new_id
from tidings.security.secretbox import Purpose, SecretBox
from tidings.settings import Settings

TOKEN_BYTES: Final = 24
_PLAIN: Final = ("users", "prefixes", "short_codes", "weight", "per_second", "concurrency", "price", "enabled")


class Gateways:
    """The gateways of all."""

    def __init__(self, store: GatewayStore, known: KnownGateways, settings: Settings) -> None:
        self._store = store
        self._known = known
        self._settings = settings
        self._box = SecretBox(settings.secret_keys)

    async def list(self, principal: Principal) -> Sequence[GatewayAnswer]:
        """A principal's own; for admins those of the operator before them."""
        found = list(await self._store.list(None)) if principal.is_admin else []
        if principal.user_id is not None:
            found += await self._store.list(principal.user_id)
        return [self.shown(gateway) for gateway in found]

    async def find(self, principal: Principal, gateway_id: UUID | None) -> Gateway:
        """Raises NoSuchGatewayError where it is none of the principal's."""
        owners = [principal.user_id] if principal.user_id is not None else []
        for owner in [*owners, *([None] if principal.is_admin else [])]:
            for gateway in await self._store.list(owner):
                if gateway.id == gateway_id:
                    return gateway
        raise NoSuchGatewayError

    async def make(self, principal: Principal, wanted: GatewayRequest, others: Mapping[str, Any]) -> Gateway:
        """Keeps a new one; `others` are the fields beside those that are known: its credentials.

        Raises InvalidError, GatewayTakenError, TooManyGatewaysError, NoSecretKeysError.
        """
        if wanted.shared and not principal.is_admin:
            raise InvalidError([Fault(field="shared", detail="is for admins")])
        if wanted.name in RESERVED:
            raise InvalidError([Fault(field="name", detail="is no name for a gateway")])
        owner = None if wanted.shared else principal.user_id
        blank = Gateway(id=new_id(), user_id=owner, name=wanted.name)
        credentials = {CALLBACK_TOKEN: secrets.token_urlsafe(TOKEN_BYTES)}
        gateway = self._changed(blank, wanted, others, credentials)
        put, kept = await self._store.make(gateway)
        if put is Put.TAKEN:
            raise GatewayTakenError
        if put is Put.TOO_MANY:
            raise TooManyGatewaysError
        self._known.changed()
        return kept

    async def change(self, gateway: Gateway, wanted: GatewayChanges, others: Mapping[str, Any]) -> Gateway:
        """Changes one; what it held goes again. Raises InvalidError, NoSecretKeysError, UnsealError."""
        kept = await self._store.change(self._changed(gateway, wanted, others, self._credentials(gateway)))
        self._known.changed()
        return kept

    async def delete(self, gateway: Gateway) -> None:
        """Raises NoSuchGatewayError where it is gone already."""
        if await self._store.delete(gateway.user_id, gateway.name) is None:
            raise NoSuchGatewayError
        self._known.changed()

    def shown(self, gateway: Gateway) -> GatewayAnswer:
        """Without its credentials."""
        try:
            credentials = self._credentials(gateway)
        except UnsealError:
            credentials = {}
        token, public = credentials.pop(CALLBACK_TOKEN, ""), self._settings.public_url.rstrip("/")
        url = f"{public}/receipts/{gateway.id}/{token}" if public and token else None
        return answer_of(gateway, sorted(credentials), url)

    def _changed(
        self, gateway: Gateway, wanted: GatewayChanges, others: Mapping[str, Any], credentials: dict[str, str]
    ) -> Gateway:
        given = {**({} if wanted.credentials is UNSET else wanted.credentials), **others}
        faults = {name: "must be text" for name, value in given.items() if value is not None and type(value) is not str}
        merged = {name: value for name, value in {**credentials, **given}.items() if value is not None}
        values = {name: value for name in _PLAIN if (value := getattr(wanted, name)) is not UNSET}
        for name in ("users", "prefixes"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        if values.get("users") is not None and gateway.user_id is not None:
            faults["users"] = "is for gateways of the operator"
        if wanted.senders is not UNSET:
            values["senders"] = (wanted.senders,) if isinstance(wanted.senders, str) else tuple(wanted.senders)
        if wanted.base_url is not UNSET:
            values["base_url"] = wanted.base_url.strip()
        if wanted.allow_duplicates is not UNSET:
            values["allows_duplicates"] = wanted.allow_duplicates
        preset = gateway.preset if wanted.preset is UNSET else wanted.preset
        sections = dict(gateway.spec or {}) if preset == gateway.preset else {}
        sections |= {name: value for name in SECTIONS if (value := getattr(wanted, name)) is not UNSET}
        spec = spec_of(preset, sections, merged)
        changed = msgspec.structs.replace(gateway, **values, preset=preset, spec=spec)
        if not faults:
            faults = gateway_faults(preset, spec, changed.base_url, merged, changed.senders)
        if faults:
            raise InvalidError([Fault(field=field, detail=detail) for field, detail in faults.items()])
        text = msgspec.json.encode(merged).decode()
        try:
            return msgspec.structs.replace(changed, credentials=self._box.seal(text, Purpose.GATEWAY, gateway.id))
        except SettingsError as error:
            raise NoSecretKeysError from error

    def _credentials(self, gateway: Gateway) -> dict[str, str]:
        if gateway.credentials is None:
            return {}
        text = self._box.unseal(gateway.credentials, Purpose.GATEWAY, gateway.id)
        return msgspec.json.decode(text, type=dict[str, str])
