"""API keys: how programs act for a user. Only the hash of a key is kept, so a key is shown once, when it is made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sql.database import Noun
from tidings.domain.account import Redacted, Role
from tidings.domain.api_key import ALL_SCOPES, USUAL_SCOPES, ApiKey, Scope
from tidings.domain.ids import new_id


class NewApiKey(Redacted, frozen=True, kw_only=True):
    """A key as it is to be kept."""

    name: str
    prefix: str
    """Unique: enough of it must be random."""
    hash: bytes
    role: Role = Role.USER
    scopes: Sequence[Scope] = USUAL_SCOPES
    channels: Sequence[str] | None = None
    granted: bool = True
    queues: Sequence[str] | None = None
    expires_at: datetime | None = None
    parent_id: UUID | None = None


class ApiKeyStore(Noun):
    """The side of the store that keeps keys."""

    async def create(self, user_id: UUID, new: NewApiKey, *, kept: int, most: int) -> ApiKey | None:
        """Keeps a key of an existing user, and of those that have ended only the newest `kept`.

        None where the user has `most` good ones.
        """
        row = await self.database.one(
            "create_api_key", id=new_id(), user_id=user_id, **msgspec.structs.asdict(new), kept=kept, most=most
        )
        return None if row is None else _api_key(row)

    async def list(self, user_id: UUID) -> list[ApiKey]:
        """The keys of a user, oldest first, those too that have ended."""
        return [_api_key(row) for row in await self.database.rows("list_api_keys", user_id=user_id)]

    async def find(self, prefix: str) -> ApiKey | None:
        """The key with this prefix; None where there is none, or it has ended. Its hash is yet to be compared."""
        row = await self.database.one("find_api_key", prefix=prefix)
        return None if row is None else _api_key(row)

    async def revoke(self, user_id: UUID, key_id: UUID) -> Sequence[ApiKey]:
        """Makes a key void, and those that come from it: it first. Empty where the user has no such key."""
        return [_api_key(row) for row in await self.database.rows("revoke_api_key", id=key_id, user_id=user_id)]

    async def touch(self, key_ids: Sequence[UUID]) -> None:
        """Records that these keys were used, to the minute."""
        await self.database.one("touch_api_keys", ids=key_ids)


def _api_key(row: Any) -> ApiKey:
    values: dict[str, Any] = dict(row)
    values["role"] = None if row["role"] is None else Role(row["role"])
    values["scopes"] = ALL_SCOPES if row["scopes"] is None else frozenset(map(Scope, row["scopes"]))
    for name in ("channels", "queues"):
        values[name] = None if row[name] is None else tuple(row[name])
    return ApiKey(**values)
