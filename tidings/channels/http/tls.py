"""TLS contexts: certificates are verified, against the system's authorities or those of `SSL_CERT_FILE`.

One context for all requests without a client certificate, and one for each client certificate.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tidings.security.client_certificate import ClientCertificate, as_file

CONTEXTS_KEPT: Final = 64
"""Of client certificates; a context costs some 16 ms and 0.9 MB, as it holds all authorities."""

Trust = Callable[[], ssl.SSLContext]


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
        with as_file(certificate) as path:
            # With a password, OpenSSL does not ask on the terminal for that of an encrypted key.
            context.load_cert_chain(path, password="")
        return context


def _http(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context
