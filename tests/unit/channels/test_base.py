"""tidings/channels/base.py"""

from uuid import UUID

import msgspec

from tests.unit.channels.doubles import answer, context, delivery
from tidings.channels import Accepted, Channel, Delivery, Message, Recipients, Result, Sender

USER = UUID(int=7)


class Pigeons(Channel):
    async def deliver(self, delivery: Delivery) -> Result:
        return Accepted()


class Lofts(Recipients):
    def destination(self, message: Message | Delivery, sender: Sender | None) -> str | None:
        return None if sender is None else f"{sender.email} {message.recipient}"


class Flock(Pigeons):
    recipients = Lofts()


class Users:
    """Knows one user."""

    def known(self, user_id: UUID) -> Sender | None:
        return Sender(id=USER, email="ada@example.com") if user_id == USER else None

    async def get(self, user_id: UUID) -> Sender | None:
        return self.known(user_id)


def test_without_rules_a_channel_has_one_destination() -> None:
    channel = Pigeons(context(answer(200))[0])
    assert channel.destination(delivery(channel="pigeon", recipient="north")) == "pigeon"
    assert channel.destination(delivery(channel="pigeon", recipient="south")) == "pigeon"


def test_a_destination_is_that_of_the_rules_for_the_sender() -> None:
    channel = Flock(msgspec.structs.replace(context(answer(200))[0], senders=Users()))
    message = delivery(channel="pigeon", recipient="north")
    assert channel.destination(msgspec.structs.replace(message, user_id=USER)) == "ada@example.com north"
    assert channel.destination(msgspec.structs.replace(message, user_id=UUID(int=8))) == "pigeon"
    assert channel.destination(message) == "pigeon"
