"""The secrets that sign webhooks where nobody has made one: derived of `SECRET_KEYS`, one for each account.

So each account signs with a secret of its own from its creation, which is kept nowhere. Nobody is told it: who wants to
verify makes a secret that is shown, which takes its place.
"""

import hmac
from base64 import b64encode, urlsafe_b64decode
from typing import Final
from uuid import UUID

from tidings.domain.secrets import SIGNING_SECRET_PREFIX

_OPERATOR: Final = b"operator"


def derived_secret(secret_key: str, owner: UUID | None) -> str:
    """The signing secret of an account, or for None of the operator, by one of `SECRET_KEYS`."""
    message = b"tidings webhooks " + (_OPERATOR if owner is None else owner.bytes)
    key = hmac.digest(urlsafe_b64decode(secret_key), message, "sha256")
    return f"{SIGNING_SECRET_PREFIX}{b64encode(key).decode()}"
