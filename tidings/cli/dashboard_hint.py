"""Where the dashboard is, and what it takes to see it, for whoever has just started everything."""

import shlex
from http import HTTPStatus

from tidings.cli.client import ApiClient, ApiError
from tidings.settings import Settings, default_data_dir


async def dashboard_hint(url: str, settings: Settings) -> str:
    """One line. Raises ApiError where the API does not answer."""
    make_account = "tidings user add --admin you@example.com"
    if settings.data_dir != default_data_dir():
        make_account = f"DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {make_account}"
    if await _is_open(url):
        return f"dashboard: {url}/  (open to this machine; once there is an account one logs in: {make_account})"
    return f"dashboard: {url}/  (log in with an account; to make one: {make_account})"


async def _is_open(url: str) -> bool:
    """Whether the page needs no login."""
    async with ApiClient(url) as stranger:
        try:
            await stranger.get("/dashboard/session")
        except ApiError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                return False
            raise
    return True
