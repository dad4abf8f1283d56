"""The gateways that reports come from: found by the id and the token of their URL, with what verifies them.

In play: the process's copy of all gateways (sql/gateways.py), and the credentials in clear of those that have reported
lately, up to `OPENED`. A crash loses both.
"""

from hmac import compare_digest
from typing import Final
from uuid import UUID

import msgspec

from sql.gateways import KnownGateways
from tidings.channels.sms.configured import preset_of
from tidings.channels.sms.preset import Preset
from tidings.domain.gateway import CALLBACK_TOKEN, Gateway
from tidings.security.secretbox import Purpose, SecretBox

OPENED: Final = 200


class Reporting(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that reports, and how."""

    gateway: Gateway
    preset: Preset
    credentials: dict[str, str]


class ReportingGateways:
    """Knows who may report at which URL."""

    def __init__(self, known: KnownGateways, box: SecretBox) -> None:
        self._known = known
        self._box = box
        self._opened: dict[UUID, Reporting] = {}

    async def find(self, gateway_id: UUID, token: str) -> Reporting | None:
        """The gateway of this URL; None where there is none, or another token. Raises UnsealError.

        The token is compared in a time that says nothing of it.
        """
        directory = await self._known.fresh()
        gateway = next((each for each in directory.all if each.id == gateway_id), None)
        if gateway is None:
            return None
        reporting = self._open(gateway)
        expected = reporting.credentials.get(CALLBACK_TOKEN, "")
        is_it = compare_digest(token.encode("utf-8", "surrogateescape"), expected.encode())
        return reporting if expected and is_it else None

    def _open(self, gateway: Gateway) -> Reporting:
        opened = self._opened.get(gateway.id)
        if opened is not None and opened.gateway == gateway:
            return opened
        self._opened.pop(gateway.id, None)
        if len(self._opened) >= OPENED:
            del self._opened[next(iter(self._opened))]
        credentials = dict(gateway.clear or {})
        if gateway.credentials is not None:
            text = self._box.unseal(gateway.credentials, Purpose.GATEWAY, gateway.id)
            credentials |= msgspec.json.decode(text, type=dict[str, str])
        opened = Reporting(gateway=gateway, preset=preset_of(gateway.preset, gateway.spec), credentials=credentials)
        self._opened[gateway.id] = opened
        return opened
