"""Any text of one line."""

from tidings.channels.recipient import Recipients
from tidings.domain.account import Sender
from tidings.domain.message import Delivery, Message


class EchoRecipients(Recipients):
    """All messages go to the one logger."""

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        return "echo"
