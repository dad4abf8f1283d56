"""A program that sends by the client for Python, as a user's would: `send_many` of messages that it makes as it goes.

    python -m benchmarks.rig.sender --url http://127.0.0.1:8080 --count 100000

It runs as a process of its own and prints one line of JSON.
"""

import argparse
import sys
import time
from collections.abc import Iterator

import msgspec

from benchmarks.intake import MESSAGE
from tidings_client import Client, NewMessage


def messages(count: int) -> Iterator[NewMessage]:
    """Each with a text of its own."""
    for number in range(count):
        yield {
            "channel": MESSAGE["channel"],
            "recipient": MESSAGE["recipient"],
            "content": f"{MESSAGE['content']} {number}",
        }


def main() -> None:
    """Sends them, and says how long that took and what it cost here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, required=True)
    given = parser.parse_args()
    with Client(given.url, "") as tidings:
        began, used = time.perf_counter(), time.process_time()
        sent = tidings.send_many(messages(given.count))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    said = {"accepted": sent.accepted, "seconds": seconds, "cpu": cpu}
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
