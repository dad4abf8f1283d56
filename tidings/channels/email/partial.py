"""A mail that its server took for some of its recipients only.

A refusal is about its recipient, and the mail went to the others: what is left is tried again alone, and the message is
`sent` in the end, with an error that names who did not get it. `cancelled` means that nobody did.
"""

from typing import Final

import msgspec

from tidings.channels.base import About, Accepted, Result, Retry
from tidings.channels.smtp.errors import TransientError
from tidings.channels.smtp.mail import Mail
from tidings.domain.message import Delivery

NOT_THE_MAIL: Final = frozenset({About.ACCOUNT, About.PACE, About.OURSELVES})
"""What ends no message: it waits until that is over."""
NAMED: Final = 10
"""Recipients that an error names."""


def settled(result: Result, mail: Mail, delivery: Delivery, *, others_have_it: bool) -> Result:
    """What comes of an attempt that ended with `result`, by what became of each recipient."""
    last = delivery.tries + 1 >= delivery.max_tries
    if isinstance(result, Accepted):
        if not mail.refused:
            return result
        error, answer = _refusals(mail), result.answer
        remaining = tuple(to for to, failure in mail.refused.items() if isinstance(failure, TransientError))
        if remaining and not last:
            first = mail.refused[remaining[0]]
            return Retry(
                error=error,
                delay=max((mail.refused[to].delay or 0.0 for to in remaining), default=0.0) or None,
                status_code=first.code,
                answer=first.answer,
                about=About.MESSAGE,
                remaining=remaining,
            )
        return msgspec.structs.replace(result, error=error, answer=answer)
    if others_have_it and result.about not in NOT_THE_MAIL and (last or not isinstance(result, Retry)):
        error = f"not to {_listed(list(mail.recipients))}: {result.error}"
        return Accepted(status_code=result.status_code, answer=result.answer, error=error)
    return result


def _refusals(mail: Mail) -> str:
    return "; ".join(f"not to {to}: {failure}" for to, failure in list(mail.refused.items())[:NAMED]) + _more(
        len(mail.refused)
    )


def _listed(recipients: list[str]) -> str:
    return ", ".join(recipients[:NAMED]) + _more(len(recipients))


def _more(count: int) -> str:
    return f" and {count - NAMED} more" if count > NAMED else ""
