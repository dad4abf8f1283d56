"""Which transport a consumer uses: `HTTP_TRANSPORT`."""

from tidings.channels.http.aiohttp_transport import AiohttpTransport
from tidings.channels.http.transport import Transport
from tidings.security.egress import Egress
from tidings.settings import Settings


def open_transport(settings: Settings, *, egress: Egress | None = None) -> Transport:
    """A transport, guarded by an `egress`; create it inside the running event loop. Raises SettingsError."""
    if settings.http_transport == "aiohttp":
        return AiohttpTransport(settings, egress=egress)
    from tidings.channels.http.pyreqwest_transport import PyreqwestTransport  # noqa: PLC0415  (of the extra `fast`)

    return PyreqwestTransport(settings, egress=egress)
