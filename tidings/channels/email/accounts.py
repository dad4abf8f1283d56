"""By which SMTP account a mail goes, and whom it is from. Pure.

A message chooses one by `account`; otherwise it goes by its user's default account, or where they have none and the
operator's is open to them, by that. The operator's own messages go by the operator's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from tidings.channels.email.addresses import on_the_wire
from tidings.channels.recipient import RecipientError
from tidings.domain.account import OPERATORS_ACCOUNT, Role, Sender, SmtpAccount, may_send_from
from tidings.domain.mail_parts import Mailbox
from tidings.domain.smtp_url import operators_account
from tidings.settings import Settings

OPERATOR: Final = UUID(int=0)
"""Whose connections those of the operator's account are."""

NO_OPERATORS: Final = "the operator has no SMTP account: SMTP_URL is not set"

ReadSenders = Callable[[Sequence[UUID]], Awaitable[dict[UUID, Sender]]]


class Chosen(msgspec.Struct, frozen=True):
    """The account that a mail goes by."""

    owner: UUID
    """`OPERATOR` for the operator's."""
    account: SmtpAccount
    reply_to: Mailbox | None = None
    """Who gets the answers, where the mail does not say."""

    @property
    def is_operators(self) -> bool:
        return self.owner == OPERATOR


class NoAccountError(ValueError):
    """Why there is none; a sentence about the user."""


def own_account(name: str | None, sender: Sender) -> SmtpAccount | None:
    """Of the user's own accounts the one that was chosen; None where it is the operator's, or there is none."""
    return sender.smtp if name is None else sender.account(name)


def goes_by_operators(name: str | None, user_id: UUID | None, sender: Sender | None) -> bool:
    """Whether mail of a user, or of the operator (no user id), goes by the operator's account."""
    if user_id is None:
        return True
    if sender is None or not sender.may_use_operators:
        return False
    return name == OPERATORS_ACCOUNT or (name is None and sender.smtp is None)


def choose(name: str | None, user_id: UUID | None, sender: Sender | None, operators: SmtpAccount | None) -> Chosen:
    """Raises NoAccountError. `sender` is the user of that id, where there is one."""
    if goes_by_operators(name, user_id, sender):
        if operators is None:
            raise NoAccountError(NO_OPERATORS)
        if user_id is None and name not in {None, OPERATORS_ACCOUNT}:
            raise NoAccountError(f"the operator has no SMTP account {name!r}, only {OPERATORS_ACCOUNT!r}")
        return Chosen(OPERATOR, operators, None if sender is None else Mailbox(email=sender.email))
    account = None if sender is None else own_account(name, sender)
    if sender is not None and account is not None:
        return Chosen(sender.id, account)
    if name is not None:
        raise NoAccountError(f"the user has no SMTP account {name!r}")
    if sender is not None and sender.others:
        raise NoAccountError("none of the user's SMTP accounts is the default one")
    raise NoAccountError("the user has no SMTP account")


def may_be_from(address: str, sender: Sender | None, chosen: Chosen) -> bool:
    """Whether a mail may be from an address. Through the operator's account it is, for a user, one allowed them."""
    return sender is None or may_send_from(address, sender, None if chosen.is_operators else chosen.account)


def sender_of(chosen: Chosen, sender: Sender | None) -> Mailbox:
    """Whom mail is from that does not say. Raises NoAccountError."""
    account = chosen.account
    if account.sender is not None:
        if not (chosen.is_operators or may_be_from(account.sender.email, sender, chosen)):
            raise NoAccountError(f"the account is from {account.sender.email}, which the user may not use (any more)")
        return account.sender
    try:
        return Mailbox(email=on_the_wire(account.username or ""))
    except RecipientError:
        pass
    try:
        return Mailbox(email=on_the_wire("" if sender is None else sender.email))
    except RecipientError as error:
        raise NoAccountError(f"the user's own address {error}") from None


def owns_address(chosen: Chosen, sender: Sender | None) -> bool:
    """Whether mail that does not say whom it is from may go: its address, or that of the answers, is its user's."""
    if sender is None:
        return True
    if chosen.is_operators:
        return sender.proven
    try:
        return may_be_from(sender_of(chosen, sender).email, sender, chosen)
    except NoAccountError:
        return True  # for another reason it may not, which `sender_of` says


def operators_of(settings: Settings) -> SmtpAccount | None:
    """The operator's account; None where there is none."""
    return operators_account(settings.smtp_url, settings.smtp_from)


def opened(read: ReadSenders, settings: Settings) -> ReadSenders:
    """Reads users, and says of each what the settings open to them: the operator's account, and addresses unproven."""
    if not settings.smtp_url:
        return read

    def open_to(sender: Sender) -> Sender:
        admins = settings.smtp_open_to == "admins" and sender.role is Role.ADMIN
        return msgspec.structs.replace(
            sender,
            may_use_operators=admins or settings.smtp_open_to == "everyone",
            must_prove=settings.proves_addresses,
        )

    async def read_opened(user_ids: Sequence[UUID]) -> dict[UUID, Sender]:
        found: Mapping[UUID, Sender] = await read(user_ids)
        return {user_id: open_to(sender) for user_id, sender in found.items()}

    return read_opened
