"""A real mail server for figure 11: STARTTLS and a login are asked for, every mail is taken, none is kept.

    python -m benchmarks.peers.mail_server --certificate cert.pem

Prints one line of JSON when it is ready: its port. Each reply to a mail tells how many mails and how many connections
have come so far (`queued as 120-4`), so that the sender can show what really arrived.
"""

import argparse
import asyncio
import ssl
import sys
from pathlib import Path
from typing import Final

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

HOST: Final = "127.0.0.1"


class Post:
    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._connections = 0
        self._mails = 0

    def connection(self) -> SMTP:
        """The protocol of one more connection."""
        self._connections += 1
        return SMTP(
            self,
            hostname="mail.test",
            tls_context=self._tls,
            require_starttls=True,
            auth_required=True,
            authenticator=lambda *_: AuthResult(success=True),
        )

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert envelope.content
        self._mails += 1
        return f"250 2.0.0 Ok: queued as {self._mails}-{self._connections}"


async def main(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Post(tls).connection, HOST, 0)
    sys.stdout.write(msgspec.json.encode({"port": server.sockets[0].getsockname()[1]}).decode() + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate", type=Path, required=True)
    # Not uvloop: the server's STARTTLS is built on the protocols of asyncio's own loop.
    asyncio.run(main(parser.parse_args().certificate))
