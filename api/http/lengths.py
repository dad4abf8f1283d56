"""How long the texts of requests may be, in characters, declared once: `/openapi.json` says it too.

The decoder checks these before any other code sees a text, since much of what reads one takes more than linear time:
Unicode's normal forms, grammars with comments, numbers of any length.
"""

from typing import Annotated, Final

from msgspec import Meta

from tidings.channels.email.addresses import MAX_ADDRESS, MAX_TEXT
from tidings.channels.recipient import MAX_BYTES

SMALL_BODY: Final = 16 * 1024
"""Bytes of a body that has no long text: everything that fits into it, with each letter written as `\\u….`."""
MAX_PARAMETER: Final = MAX_BYTES
"""Of the query string, each."""
MAX_PASSWORD: Final = 1024
MAX_NAME: Final = 64
"""Of a channel or a queue; the names of queues have up to 63."""
MAX_NAMES: Final = 100
"""Channels in a list of them."""
MAX_TIME: Final = 64
MAX_CONTENT: Final = 1024**2
"""Of a text: as much as a body of the usual size has room for. Each channel has a limit of its own, in bytes."""

Name = Annotated[str, Meta(max_length=MAX_NAME)]
Names = Annotated[list[Name], Meta(max_length=MAX_NAMES)]
EmailAddress = Annotated[str, Meta(max_length=MAX_ADDRESS)]
Mailbox = Annotated[str, Meta(max_length=MAX_TEXT)]
Password = Annotated[str, Meta(max_length=MAX_PASSWORD)]
Recipient = Annotated[str, Meta(max_length=MAX_BYTES)]
Content = Annotated[str, Meta(min_length=1, max_length=MAX_CONTENT)]
Moment = Annotated[str, Meta(max_length=MAX_TIME)] | int | float
