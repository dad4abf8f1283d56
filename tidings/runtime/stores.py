"""Where the two stores are for this process.

The address of a store is the configured one or, where that is empty, the one that the embedded store of the data
directory has while it runs. Nothing is started here.
"""

import msgspec

from tidings import embedded
from tidings.domain.errors import SettingsError
from tidings.domain.store_uris import split_store_uri
from tidings.embedded.secret_keys import kept_secret_keys
from tidings.redis.uri import check_redis_uri
from tidings.settings import Settings


def resolve(settings: Settings) -> Settings:
    """The same settings with the addresses of both stores filled in, checked for their form.

    With the embedded Postgres, `secret_keys` too: those of its data directory.

    Raises SettingsError, without showing the address, where one cannot be read.
    """
    found = embedded.addresses(settings.data_dir)
    resolved = msgspec.structs.replace(
        settings,
        postgres_uri=settings.postgres_uri or found.postgres_uri,
        redis_uri=settings.redis_uri or found.redis_uri,
    )
    if not resolved.secret_keys and resolved.postgres_uri == found.postgres_uri:
        kept = kept_secret_keys(settings.data_dir)
        resolved = msgspec.structs.replace(resolved, secret_keys=tuple(key.strip() for key in kept.split(",") if kept))
    if split_store_uri(resolved.postgres_uri).scheme not in {"postgres", "postgresql"}:
        raise SettingsError("POSTGRES_URI: must begin with postgres:// or postgresql://")
    if split_store_uri(resolved.postgres_listen_uri).scheme not in {"", "postgres", "postgresql"}:
        raise SettingsError("POSTGRES_LISTEN_URI: must begin with postgres:// or postgresql://")
    check_redis_uri(resolved.redis_uri)
    return resolved
