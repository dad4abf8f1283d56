"""Makes `docs/mail-servers.md`."""

from pathlib import Path
from typing import Final

from consumers.outcomes import UNTRIED
from tests.integration.channels.smtp.zoo.animal import RETRY, SENT, Animal, Outcome
from tests.integration.channels.smtp.zoo.animals import ANIMALS

FILE: Final = Path("docs/mail-servers.md")

PREFACE: Final = """\
<!-- Made from tests/integration/channels/smtp/zoo: python -m tests.integration.channels.smtp.zoo -->

# Awkward mail servers

{count} mail servers, and what comes of each. A test meets every one of them with two mails or more. Six rules are
behind all of it:

- **What a reply speaks of decides.** What is refused of one mail (its recipient, its content) rejects that message.
  What is refused of the account or the server would be refused of every other mail too: no message is rejected for it.
  The phase says what a reply speaks of, then its enhanced status code (RFC 3463), then its words.
- **What speaks of the session costs nothing.** A used connection that refuses RSET, MAIL or DATA, says 421, or is lost
  before the final dot, is replaced by a new one in the same attempt. After how many mails that happens is learned.
- **What has refused anything but a recipient is not used again.**
- **Only a mail whose final dot went out and got no answer can arrive twice**; everything else arrives once or not at
  all.
- **A time that a 4xx names is kept** ("try again in 300 seconds", "wait 5 minutes"), up to an hour.
- **Every wait ends**: `SMTP_COMMAND_TIMEOUT` for the greeting and each reply, `SMTP_DELIVERY_TIMEOUT` for all that
  comes before the end of the mail, `SMTP_ANSWER_TIMEOUT` for the answer to it.

In the tables, *attempts* are those that the first mail uses up, *copies* how many of it arrived, and *others* is what
comes of the mails after it. What *message*, *endpoint*, *host*, *account* and *pace* mean is in
[Channels](channels.md#the-half-that-delivers).
"""


def attempts(outcome: Outcome) -> int:
    return 0 if outcome.kind.startswith(RETRY) and outcome.about in UNTRIED else 1


def copies(animal: Animal) -> int:
    """Of the first mail."""
    return animal.copies if animal.copies is not None else int(animal.outcome.kind == SENT)


def render() -> str:
    lines = [PREFACE.format(count=sum(map(len, ANIMALS.values()))).rstrip()]
    for group, animals in ANIMALS.items():
        lines += [
            "",
            f"## {group}",
            "",
            "| the server | first mail | attempts | copies | others | connections |",
            "|---|---|---|---|---|---|",
        ]
        for animal in animals:
            cells = (
                animal.name,
                str(animal.outcome),
                str(attempts(animal.outcome)),
                str(copies(animal)),
                f"{animal.mails - 1} {animal.then}",
                "" if animal.connections is None else str(animal.connections),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
