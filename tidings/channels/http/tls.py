"""TLS contexts: certificates are verified, against the system's authorities or those of `SSL_CERT_FILE`.

One context for all requests without a client certificate, and one for each client certificate.
"""

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

CONTEXTS_KEPT: Final = 64
"""Of client certificates; a context costs some 16 ms and 0.9 MB, as it holds all authorities."""

Trust = Callable[[], ssl.SSLContext]


class ClientCertificate(msgspec.Struct, frozen=True, gc=False):
    """What one shows of oneself where a receiver asks for it (mTLS)."""

    chain: str
    """PEM, one's own certificate first."""
    key: str
    """PEM, not encrypted."""

    def __repr__(self) -> str:
        return "ClientCertificate(…)"


def system_trust() -> ssl.SSLContext:
    """What every connection is verified by, unless another trust is given."""
    return ssl.create_default_context()


class Contexts:
    """Contexts by client certificate."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._plain = _http(trust())
        self._kept: OrderedDict[ClientCertificate, ssl.SSLContext] = OrderedDict()

    async def get(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        """Raises ssl.SSLError for a certificate or key that is none, or where they do not belong together."""
        if certificate is None:
            return self._plain
        context = self._kept.get(certificate)
        if context is None:
            # In a thread: reading all authorities would hold the event loop up.
            context = self._kept[certificate] = await asyncio.to_thread(self._make, certificate)
        self._kept.move_to_end(certificate)
        while len(self._kept) > CONTEXTS_KEPT:
            self._kept.popitem(last=False)
        return context

    def _make(self, certificate: ClientCertificate) -> ssl.SSLContext:
        context = _http(self._trust())
        with _as_file(f"{certificate.chain}\n{certificate.key}\n") as path:
            # With a password, OpenSSL does not ask on the terminal for that of an encrypted key.
            context.load_cert_chain(path, password="")
        return context


def _http(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """OpenSSL reads certificates from files only; where the system can, this one is on no disk."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificate"), "w") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            yield file.name
