"""Whether Vault is up, for those who ask after this system's health; settings come from it at the next start only."""

import ssl
from typing import Final

import aiohttp

from tidings.settings import Settings

SECONDS: Final = 2.0
"""How long an answer may take."""


async def vault_is_up(settings: Settings) -> bool:
    """Whether the Vault at `VAULT_ADDR` answers, initialized and unsealed; one on standby does."""
    url = f"{settings.vault_addr.rstrip('/')}/v1/sys/health"
    try:
        tls = ssl.create_default_context(cafile=settings.vault_cacert or None)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.get(url, params={"standbyok": "true", "perfstandbyok": "true"}, ssl=tls) as response,
        ):
            return response.ok
    except (aiohttp.ClientError, OSError, ValueError):
        return False
