"""Recipients that are secrets themselves are sealed before the store sees them."""

import msgspec

from api.problems import Fault, InvalidError
from tidings import apprise_urls
from tidings.errors import SettingsError
from tidings.model import NewMessage
from tidings.sealed_recipients import SEALED_CHANNELS, seal_recipient
from tidings.secretbox import SecretBox
from tidings.settings import Settings


def sealed(message: NewMessage, settings: Settings) -> NewMessage:
    """The message as it may be kept. Raises InvalidError where its recipient is not open here, or cannot be sealed."""
    if message.channel not in SEALED_CHANNELS:
        return message
    try:
        recipient = apprise_urls.check(message.recipient, apprise_urls.schemas(settings.apprise_schemas))
        kept = seal_recipient(SecretBox(settings.secret_keys), message.id, message.channel, recipient)
    except apprise_urls.AppriseUrlError as error:
        raise InvalidError([Fault(field="recipient", detail=str(error))]) from error
    except SettingsError as error:
        raise InvalidError([Fault(field="channel", detail="needs SECRET_KEYS, which are not set here")]) from error
    return msgspec.structs.replace(message, recipient=kept)
