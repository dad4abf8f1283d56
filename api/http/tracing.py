"""A span for each request; the middleware is installed only where tracing is on."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

if TYPE_CHECKING:
    from tidings.observability.spans import Spans


def traced(spans: "Spans") -> Middleware:
    """The middleware; it must be outside of those that turn errors into responses."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is None or resource.canonical.startswith(("/health", "/metrics")):
            # Probes: no message, and every few seconds.
            return await handler(request)
        with spans.request(request.method, resource.canonical, request.headers) as span:
            response = await handler(request)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.set_attribute("error.type", str(response.status))
            return response

    return middleware
