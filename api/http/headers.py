"""Headers that every answer has, whatever made it."""

from typing import Final

from aiohttp import hdrs, web

from api.http.peer import came_by_https
from tidings.settings import Settings

SAFE: Final = {
    # aiohttp would name itself and Python, each with its version.
    hdrs.SERVER: "tidings",
    hdrs.CACHE_CONTROL: "no-store",
    "X-Content-Type-Options": "nosniff",
}


def on_answers(app: web.Application, settings: Settings) -> None:
    """Gives them to all answers of an application; `Cache-Control` only where the handler says nothing of it."""
    transport_security = f"max-age={settings.hsts_seconds}; includeSubDomains" if settings.hsts_seconds else None

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers[hdrs.SERVER] = SAFE[hdrs.SERVER]
        for name, value in SAFE.items():
            if name not in headers:
                headers[name] = value
        # Over plain http no browser heeds it (RFC 6797, section 8.1).
        if transport_security is not None and came_by_https(request):
            headers["Strict-Transport-Security"] = transport_security

    app.on_response_prepare.append(add)
