"""What Postgres, or a pooler before it, says to a connection that no waiting helps: somebody must mend a setting.

Everything else that keeps a connection from being made is taken for a store that is away, and waited for.
"""

import re
import ssl
from typing import Final

import asyncpg

_KINDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (asyncpg.InvalidPasswordError, "the password is not the role's, or the role is not there"),
    (asyncpg.InvalidAuthorizationSpecificationError, "this role may not log in from here"),
    (asyncpg.InvalidCatalogNameError, "there is no such database"),
    (asyncpg.InsufficientPrivilegeError, "this role may not use the database"),
    (asyncpg.ObjectNotInPrerequisiteStateError, "the database takes no connections"),
    (asyncpg.UndefinedObjectError, "the server does not know a setting that the address gives it"),
    (asyncpg.InvalidParameterValueError, "the server does not take a setting that the address gives it"),
    (asyncpg.ClientConfigurationError, "the address cannot be used"),
    (ssl.SSLCertVerificationError, "the server's certificate is not trusted"),
)
"""The narrower kind before the wider one."""

_TEXTS: Final = (
    ("unsupported startup parameter", "the pooler takes no settings: `options=` and the like must go"),
    ("rejected SSL upgrade", "the server has no TLS, and `sslmode` wants it"),
    ("SSL required|TLS required|requires (SSL|TLS)", "TLS is required: `?sslmode=require`"),
    ("no such database", "there is no such database"),
    ("bouncer config error", "the pooler does not know the database, or what it is to do with it"),
    ("no such user|(password|SASL) authentication failed|auth failed", "the pooler refuses the login"),
    ("unsupported authentication method", "the server asks for a login that is not supported"),
)
"""Poolers give all of their errors the same code, that of a broken connection."""

_PLAIN: Final = "no encryption|SSL off"
_TLS_HINT: Final = "nothing without TLS is allowed for this role from here: `?sslmode=require`, or pg_hba.conf"


def refusal(error: BaseException) -> str | None:
    """Why a connection is refused for good, in the words of who mends it; None where waiting is right."""
    said = " ".join(str(error).split())
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError) and re.search(_PLAIN, said):
        return f"{_TLS_HINT} ({said})"
    for kind, why in _KINDS:
        if isinstance(error, kind):
            return f"{why} ({said})"
    if isinstance(error, (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        for pattern, why in _TEXTS:
            if re.search(pattern, said, re.IGNORECASE):
                return f"{why} ({said})"
    return None
