"""All rows, by what is awkward about them."""

from typing import Final

from tests.integration.channels.smtp.zoo.animal import Animal
from tests.integration.channels.smtp.zoo.servers import SERVERS
from tests.integration.channels.smtp.zoo.sessions import MAILS

ANIMALS: Final[dict[str, list[Animal]]] = {**MAILS, **SERVERS}
