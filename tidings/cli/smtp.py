"""`tidings smtp test`: a mail through the operator's SMTP account, or one of a user's, to see how far it comes.

Sent from this machine, by the rules of the consumers.
"""

from sql.smtp_tokens import StoredTokens
from tidings.channels.base import FixedTokens
from tidings.channels.email.accounts import OPERATOR, Chosen, NoAccountError, choose, operators_of, sender_of
from tidings.channels.email.addresses import check_address
from tidings.channels.email.trial import Trial, try_account
from tidings.channels.recipient import RecipientError
from tidings.cli.store import opened
from tidings.domain.errors import TidingsError
from tidings.settings import Settings


class TrialError(TidingsError):
    """Nothing could be tried."""


async def try_out(settings: Settings, *, to: str | None, email: str | None, name: str | None) -> Trial:
    """Raises TrialError, and SettingsError where no store is there."""
    try:
        recipient = None if to is None else check_address(to)
        if email is not None:
            return await _by_user(settings, email, name, recipient)
        operators = operators_of(settings)
        if operators is None or operators.sender is None:
            raise TrialError("SMTP_URL is not set; set it, or name a user: tidings smtp test --user ada@example.com")
        if recipient is None:
            raise TrialError("say whom the mail is to: tidings smtp test ada@example.com")
        chosen = Chosen(OPERATOR, operators)
        return await try_account(chosen, operators.sender, recipient, settings=settings, refresh_tokens=FixedTokens())
    except RecipientError as error:
        raise TrialError(f"{to!r} {error}") from None


async def _by_user(settings: Settings, email: str, name: str | None, recipient: str | None) -> Trial:
    async with opened(settings) as store:
        user = await store.users.find_by_email(email)
        if user is None:
            raise TrialError(f"user {email} does not exist; add it: tidings user add {email}")
        sender = (await store.users.senders([user.id]))[user.id]
        try:
            chosen = choose(name, user.id, sender, None)
            own = sender_of(chosen, sender)
        except NoAccountError as error:
            raise TrialError(str(error)) from None
        tokens = StoredTokens(store.smtp_accounts)
        return await try_account(chosen, own, recipient or user.email, settings=settings, refresh_tokens=tokens)


def shown(trial: Trial) -> str:
    """One line, or two where the server said something."""
    if trial.error is None:
        line = f"the server took the mail after {trial.seconds:.1f} s"
    else:
        line = f"ended at {trial.phase} after {trial.seconds:.1f} s: {trial.error}"
    return f"{line}\n{trial.answer}" if trial.answer else line
