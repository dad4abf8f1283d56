"""Names that lead where a test says."""

import socket
from collections.abc import Sequence

from aiohappyeyeballs import AddrInfoType


class Names:
    """Answers each time with the next of the addresses, and at last with the last one again and again."""

    def __init__(self, *answers: str | Sequence[str]) -> None:
        self.answers = [[answer] if isinstance(answer, str) else list(answer) for answer in answers]
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[AddrInfoType]:
        addresses = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 0, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))
            for address in addresses
        ]
