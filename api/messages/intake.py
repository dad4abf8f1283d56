"""The group commit of messages: those that arrive together are kept by one insert (api/http/group_commit.py).

A crash loses only messages whose senders got no 201. An idempotency key keeps a repeated request from being a second
message.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from api.http.group_commit import BACKLOG, CONCURRENCY, MOST, WAIT_SECONDS, GroupCommit
from sql.messages import IdempotencyKey
from tidings.domain.message import NewMessage

Insert = Callable[[Sequence[NewMessage], Sequence[IdempotencyKey | None]], Awaitable[set[UUID]]]
"""Keeps all messages in one commit and returns the ids of those kept: `MessageStore.insert`."""


class Intake(GroupCommit[tuple[NewMessage, IdempotencyKey | None], bool]):
    """Handlers hand their message in here and wait until it is committed."""

    def __init__(
        self,
        insert: Insert,
        *,
        most: int = MOST,
        wait: float = WAIT_SECONDS,
        concurrency: int = CONCURRENCY,
        backlog: int = BACKLOG,
    ) -> None:
        async def commit(group: Sequence[tuple[NewMessage, IdempotencyKey | None]]) -> list[bool]:
            kept = await insert([message for message, _ in group], [key for _, key in group])
            return [message.id in kept for message, _ in group]

        super().__init__(commit, what="messages", most=most, wait=wait, concurrency=concurrency, backlog=backlog)

    async def keep(self, message: NewMessage, key: IdempotencyKey | None = None) -> bool:
        """Returns once the message is committed; False where its key was used before and it was left out.

        Raises as `put` does.
        """
        return await self.put((message, key))
