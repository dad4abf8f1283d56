"""The far side that a message goes to, by the name that consumers give it in the reports of their breakers.

A consumer's channels know that best, but the API cannot ask them; a test holds the two together.
"""

from sql.store import Store
from tidings.domain.message import Message


async def destination_of(message: Message, store: Store) -> str | None:
    """The name; None for a channel of another package, which has its own way of naming."""
    channel, recipient = message.channel, message.recipient
    match channel:
        case "sms" | "echo":
            return f"{channel} {channel}"
        case "webhook":
            return f"{channel} {recipient.partition('://')[2].partition('/')[0]}"
        case "apprise":
            return f"{channel} {recipient.partition('://')[0]}"
        case "email":
            return f"{channel} {await _mail_account(message, store)}"
    return None


async def _mail_account(message: Message, store: Store) -> str:
    senders = {} if message.user_id is None else await store.users.senders([message.user_id])
    sender = None if message.user_id is None else senders.get(message.user_id)
    if sender is None or sender.smtp is None:
        return str(message.user_id)
    return f"{sender.smtp.username or ''}@{sender.smtp.host}:{sender.smtp.port}"
