"""tidings/channels/echo/recipient.py"""

from tests.unit.channels.doubles import delivery
from tidings.channels.echo.recipient import EchoRecipients


def test_there_is_one_destination() -> None:
    assert EchoRecipients().destination(delivery(recipient="anybody"), None) == "echo"
