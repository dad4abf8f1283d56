"""API keys: how programs act for a user. Only the hash of a key is kept, so a key is shown once, when it is made."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from sql.database import Noun
from tidings.domain.account import ApiKey
from tidings.domain.ids import new_id


class ApiKeyStore(Noun):
    """The side of the store that keeps keys."""

    async def create(
        self,
        user_id: UUID,
        *,
        name: str,
        prefix: str,
        hash: bytes,  # noqa: A002
        channels: Sequence[str] | None = None,
    ) -> ApiKey:
        """Keeps a key of an existing user. `prefix` is unique: enough of it must be random."""
        return _api_key(
            await self.database.one(
                "create_api_key",
                id=new_id(),
                user_id=user_id,
                name=name,
                prefix=prefix,
                hash=hash,
                channels=channels,
            )
        )

    async def list(self, user_id: UUID) -> list[ApiKey]:
        """The keys of a user, oldest first, revoked ones too."""
        return [_api_key(row) for row in await self.database.rows("list_api_keys", user_id=user_id)]

    async def find(self, prefix: str) -> ApiKey | None:
        """The key with this prefix; None where there is none, or it was revoked. Its hash is yet to be compared."""
        return _api_key_or_none(await self.database.one("find_api_key", prefix=prefix))

    async def revoke(self, user_id: UUID, key_id: UUID) -> ApiKey | None:
        """Makes a key void, once and for all. None where the user has no such key."""
        return _api_key_or_none(await self.database.one("revoke_api_key", id=key_id, user_id=user_id))

    async def touch(self, key_ids: Sequence[UUID]) -> None:
        """Records that these keys were used, to the minute."""
        await self.database.one("touch_api_keys", ids=key_ids)


def _api_key_or_none(row: asyncpg.Record | None) -> ApiKey | None:
    return None if row is None else _api_key(row)


def _api_key(row: asyncpg.Record) -> ApiKey:
    channels = None if row["channels"] is None else tuple(row["channels"])
    return ApiKey(**{**row, "channels": channels})
