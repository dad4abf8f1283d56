"""The envelope sender that names its message (VERP): `bounces+<id>@example.com` for `BOUNCE_ADDRESS`.

Mail servers send what they report to it, so that a report which quotes nothing of the mail still says which it was.
"""

from uuid import UUID

from tidings.domain.ids import parse_id


def envelope_sender(bounce_address: str, message_id: UUID) -> str:
    """The address that reports about the message go to."""
    local, _, domain = bounce_address.partition("@")
    return f"{local}+{message_id}@{domain}"


def reported_on(address: str, bounce_address: str) -> UUID | None:
    """The message that an address of `envelope_sender` names; None for another address."""
    local, _, domain = bounce_address.lower().partition("@")
    given, _, given_domain = address.strip().strip("<>").lower().rpartition("@")
    if not local or given_domain != domain or not given.startswith(f"{local}+"):
        return None
    return parse_id(given.removeprefix(f"{local}+"))
