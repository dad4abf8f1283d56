"""Signatures of webhooks, by the Standard Webhooks specification (https://www.standardwebhooks.com), scheme `v1`."""

import hmac
from base64 import b64encode


def signature(key: bytes, *, message_id: str, timestamp: str, body: bytes) -> str:
    """The value of `webhook-signature` for this body."""
    digest = hmac.digest(key, b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body), "sha256")
    return f"v1,{b64encode(digest).decode()}"
