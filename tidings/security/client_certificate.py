"""Client certificates, which one shows a receiver that asks for them (mTLS)."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec


class ClientCertificate(msgspec.Struct, frozen=True, gc=False):
    """What one shows of oneself where a receiver asks for it (mTLS)."""

    chain: str
    """PEM, one's own certificate first."""
    key: str
    """PEM, not encrypted."""

    def __repr__(self) -> str:
        return "ClientCertificate(…)"


def check_certificate(certificate: ClientCertificate) -> None:
    """Raises ssl.SSLError for a certificate or key that is none, or where they do not belong together."""
    with as_file(certificate) as path:
        # With a password, OpenSSL does not ask on the terminal for that of an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, password="")


@contextmanager
def as_file(certificate: ClientCertificate) -> Iterator[str]:
    """OpenSSL reads certificates from files only; where the system can, this one is on no disk."""
    text = f"{certificate.chain}\n{certificate.key}\n"
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
