"""What is kept of mails beside their messages: small ones are read with their batch, large ones when they are sent.

In memory only, for as long as their delivery: a crash loses nothing. A batch without mails costs no query.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from sql.database import AWAY
from tidings.domain.errors import StoreUnavailableError, describe
from tidings.domain.mail_parts import KeptMail
from tidings.domain.message import Delivery

log = structlog.get_logger(__name__)

WITH_BATCH: Final = 32 * 1024
"""Bytes of a mail up to which it is read with its batch: 3 MB for a hundred of them."""

Read = Callable[[Sequence[UUID]], Awaitable[dict[UUID, KeptMail]]]


class StoredMails:
    """Reads them, through `read` many at a time."""

    def __init__(self, read: Read) -> None:
        self._read = read

    async def get(self, message_id: UUID) -> KeptMail | None:
        """That of one message; None where there is none. Raises StoreUnavailableError."""
        try:
            return (await self._read([message_id])).get(message_id)
        except AWAY as error:
            raise StoreUnavailableError("the parts of the mail could not be read") from error

    async def read_small(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """The deliveries of a batch, small mails with what is kept beside them."""
        small = [each.id for each in deliveries if each.mail_bytes is not None and each.mail_bytes <= WITH_BATCH]
        if not small:
            return deliveries
        try:
            found = await self._read(small)
        except AWAY as error:
            log.warning("mails were not read; their deliveries will ask again", error=describe(error))
            return deliveries
        return [msgspec.structs.replace(each, mail=found[each.id]) if each.id in found else each for each in deliveries]
