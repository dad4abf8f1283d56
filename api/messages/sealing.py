"""Recipients that are secrets themselves are sealed before the store sees them."""

import msgspec

from api.http.problems import Fault, InvalidError
from tidings.channels.apprise import urls as apprise_urls
from tidings.channels.sealed_recipients import SEALED_CHANNELS, seal_recipient
from tidings.domain.errors import SettingsError
from tidings.domain.message import NewMessage
from tidings.domain.url_schemas import schemas
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings


def sealed(message: NewMessage, settings: Settings) -> NewMessage:
    """The message as it may be kept. Raises InvalidError where its recipient is not open here, or cannot be sealed."""
    if message.channel not in SEALED_CHANNELS:
        return message
    try:
        recipient = apprise_urls.check(message.recipient, schemas(settings.apprise_schemas))
        kept = seal_recipient(SecretBox(settings.secret_keys), message.id, message.channel, recipient)
    except apprise_urls.AppriseUrlError as error:
        raise InvalidError([Fault(field="recipient", detail=str(error))]) from error
    except SettingsError as error:
        raise InvalidError([Fault(field="channel", detail="needs SECRET_KEYS, which are not set here")]) from error
    return msgspec.structs.replace(message, recipient=kept)
