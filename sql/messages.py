"""Messages as the API handles them: keep, look up, list, cancel, retry."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from sql import lists, maintenance
from sql.database import Database, Noun
from sql.explanation import MessageState, state_of
from sql.lists import Listed, MessageFilter, Page
from sql.rows import message_of
from tidings.domain.mail_parts import KeptMail, MailParts
from tidings.domain.message import Attempt, Message, NewMessage
from tidings.domain.states import AttemptOutcome
from tidings.domain.turns import share_of

MOST_PAGES: Final = 50
"""So many short pages in a row are looked through."""


class IdempotencyKey(msgspec.Struct, frozen=True):
    """A client's name for its request: the same key again means the same request again."""

    key: str
    fingerprint: bytes
    """Hash of the request, so that a key used for another request is noticed."""


class KnownKey(msgspec.Struct, frozen=True):
    """A key that an earlier request used."""

    key: str
    fingerprint: bytes
    message_id: UUID


class MessageStore(Noun):
    """The message side of the store."""

    kept = 0
    """Messages kept so far, by this process."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._lists = lists.Room()

    async def insert(
        self, messages: Sequence[NewMessage], keys: Sequence[IdempotencyKey | None] | None = None
    ) -> set[UUID]:
        """Keeps all messages in one commit; returns the ids of those that were kept.

        A message is left out only where its idempotency key is known already. A missing partition is made.
        """
        keys = keys if keys is not None else [None] * len(messages)
        columns: dict[str, Any] = {
            name: [getattr(message, name) for message in messages]
            for name in NewMessage.__struct_fields__
            if name != "mail"
        }
        for name in ("headers", "retry_delays"):
            columns[name] = [None if value is None else msgspec.json.encode(value).decode() for value in columns[name]]
        columns["share"] = [share_of(m.user_id) if m.share is None else m.share for m in messages]
        columns["key"] = [None if k is None else k.key for k in keys]
        columns["fingerprint"] = [None if k is None else k.fingerprint for k in keys]
        mails = [message for message in messages if message.mail is not None]
        if mails:
            columns["mail_ids"] = [message.id for message in mails]
            columns["parts"] = [msgspec.json.encode(message.mail.parts).decode() for message in mails if message.mail]
            columns["files"] = [message.mail.files for message in mails if message.mail]
        query = "insert_mails" if mails else "insert_messages"
        rows = await maintenance.insert(self.database, query, columns["created_at"], **columns)
        self.kept += len(rows)
        return {row["id"] for row in rows}

    async def known_keys(self, user_id: UUID | None, keys: Sequence[str]) -> list[KnownKey]:
        """What this user's earlier requests stored under these keys; None: the operator's own."""
        if user_id is None:
            rows = await self.database.rows("find_idempotency_keys", keys=keys)
        else:
            rows = await self.database.rows("find_user_idempotency_keys", user_id=user_id, keys=keys)
        return [KnownKey(**row) for row in rows]

    async def get(self, message_id: UUID) -> Message | None:
        """The message, or None where there is none."""
        return _message_or_none(await self.database.one("get_message", id=message_id))

    async def mail(self, message: Message) -> KeptMail | None:
        """What is kept beside a mail, without the contents of its attachments."""
        if message.mail_bytes is None:
            return None
        row = await self.database.one("find_mail_parts", id=message.id)
        return None if row is None else kept_mail(row)

    async def page(self, wanted: MessageFilter, *, before: UUID | None, limit: int) -> Page:
        """Up to `limit` messages older than `before`, newest first, found within some thousand.

        Raises StoreUnavailableError where too many lists are being read.
        """
        async with self._lists.room():
            return await lists.page(self.database, wanted, before=before, limit=limit)

    async def list(self, wanted: MessageFilter, *, before: UUID | None, limit: int) -> Listed:
        """`page`, but looks on until it is full, for those who can show no short one."""
        found = Listed()
        for _ in range(MOST_PAGES):
            part = await self.page(wanted, before=before, limit=limit - len(found))
            found += part.messages
            if part.resume is None or part.is_full:
                found.more = part.is_full and len(found) < limit
                break
            before = part.resume
        return found

    async def sent_sms(
        self, user_id: UUID | None, *, queues: Sequence[str] | None = None, before: Message | None, limit: int
    ) -> Listed:
        """Up to `limit` sent text messages, the last one first, all sent before `before`; of one user, or of all.

        `queues` are those that count; None: all.
        """
        async with self._lists.room():
            return await lists.sent_sms(self.database, user_id, queues=queues, before=before, limit=limit)

    async def attempts(self, message: Message) -> Sequence[Attempt]:
        """The attempts so far, oldest first."""
        rows = await self.database.rows("list_attempts", message_id=message.id, created_at=message.created_at)
        return [_attempt(row) for row in rows]

    async def cancel(self, message_id: UUID) -> Message | None:
        """Cancels a waiting message; None where it does not wait (any more)."""
        return _message_or_none(await self.database.one("cancel_message", id=message_id))

    async def retry(self, message_id: UUID) -> Message | None:
        """Starts a cancelled message again, or makes a failed or held one due; None where it is none of them."""
        return _message_or_none(await self.database.one("retry_message", id=message_id))

    async def state(self, message_id: UUID) -> MessageState | None:
        """What decides when a message goes; None where there is none."""
        row = await self.database.one("message_state", id=message_id)
        return None if row is None else state_of(row)

    async def under_way(self) -> bool:
        """Whether a living consumer is at work on messages now."""
        busy: bool = await self.database.one("under_way")
        return busy

    async def expire(self, *, limit: int) -> int:
        """Cancels up to `limit` waiting messages whose time is over; returns the count."""
        count: int = await self.database.one("expire", limit=limit)
        return count


def _message_or_none(row: asyncpg.Record | None) -> Message | None:
    return None if row is None else message_of(row)


def kept_mail(row: asyncpg.Record, files: bytes = b"") -> KeptMail:
    """The columns `parts` and `remaining` of a mail."""
    remaining = row["remaining"]
    return KeptMail(
        parts=msgspec.json.decode(row["parts"], type=MailParts),
        files=files,
        remaining=None if remaining is None else msgspec.json.decode(remaining, type=tuple[str, ...]),
    )


def _attempt(row: asyncpg.Record) -> Attempt:
    values: dict[str, Any] = dict(row)
    values["try_number"] = values.pop("try")
    values["outcome"] = AttemptOutcome(row["outcome"])
    return Attempt(**values)
