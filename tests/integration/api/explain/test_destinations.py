"""The API names the far side of a message as the consumers' own channels do."""

from typing import Any

from api.explain.destinations import destination_of
from consumers import dispatcher
from consumers.consumer import Consumer
from sql.store import Store
from tests.factories import keep, new_delivery
from tidings.domain.account import SmtpAccount
from tidings.domain.message import Delivery, Message
from tidings.settings import Settings

RECIPIENTS = (
    ("sms", "+4915112345678"),
    ("echo", "somebody"),
    ("webhook", "https://example.com/hook?to=a/b"),
    ("webhook", "https://example.com:8443/"),
    ("apprise", "slack://sealed"),
    ("email", "ada@example.com"),
)


async def test_both_give_the_same_name(store: Store, settings: Settings) -> None:
    smtp = SmtpAccount(host="mail.example.com", port=587, username="ada", password=None)
    ada = await store.users.create(email="ada@example.com", password_hash="x", smtp=smtp)
    bob = await store.users.create(email="bob@example.com", password_hash="x")
    consumer = await Consumer.start(settings)
    try:
        assert {channel for channel, _ in RECIPIENTS} == set(consumer._channels.names())
        for channel, recipient in RECIPIENTS:
            for user_id in (ada.id, bob.id, None):
                [message_id] = await keep(store, channel=channel, recipient=recipient, user_id=user_id)
                message = await store.messages.get(message_id)
                assert message is not None
                delivery = delivery_of(message)
                await consumer._read_senders([delivery])
                key, _ = dispatcher.destination_of(consumer._channels.get(channel), delivery)
                assert await destination_of(message, store) == key
    finally:
        await consumer.stop()


async def test_other_packages_name_for_themselves(store: Store) -> None:
    [message_id] = await keep(store, channel="pigeon")
    message = await store.messages.get(message_id)
    assert message is not None
    assert await destination_of(message, store) is None


def delivery_of(message: Message) -> Delivery:
    names = set(Delivery.__struct_fields__) & set(Message.__struct_fields__) - {"batch_id"}
    values: dict[str, Any] = {name: getattr(message, name) for name in names}
    return new_delivery(**values)
