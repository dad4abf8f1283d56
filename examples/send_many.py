"""Sends many messages, 100,000 unless told otherwise: python examples/send_many.py [COUNT]

It holds no more of them in memory than are on their way. Stopped halfway, the same command goes on, and none is kept
twice: the key is the day's.
"""

import sys
import time
from collections.abc import Iterator
from datetime import date

from tidings_client import Client, Fault, NewMessage


def messages(count: int) -> Iterator[NewMessage]:
    """As they would come out of a database or a file."""
    for number in range(count):
        yield {"channel": "echo", "recipient": f"customer-{number}", "content": f"Your number is {number}."}


def refused(position: int, fault: Fault) -> None:
    """One that cannot be sent stops none of the others."""
    print(f"message {position} is left out: {fault}", file=sys.stderr)


def main() -> None:
    """Sends them and says how fast."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    began = time.monotonic()
    # TIDINGS_URL and TIDINGS_API_KEY say where, and who.
    with Client() as tidings:
        sent = tidings.send_many(messages(count), key=f"numbers-{date.today()}-{count}", on_refused=refused)
    seconds = time.monotonic() - began
    print(f"{sent.accepted:,} accepted in {seconds:.1f} s: {sent.accepted / seconds:,.0f} a second")


if __name__ == "__main__":
    main()
