"""A server that speaks what tidings uses of Vault: KV version 2, login by AppRole, revocation, health."""

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

ROOT_TOKEN = "hvs.root-token-of-the-tests"
ROLE_ID = "role-of-the-tests"
SECRET_ID = "secret-id-of-the-tests"


class VaultServer:
    """What the server holds and how it behaves; `requests` is what came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.secrets: dict[str, dict[str, Any]] = {}
        """By mount and path."""
        self.tokens = {ROOT_TOKEN}
        self.secret_id_uses = 1
        self.sealed = False
        self.standby = False
        self.initialized = True
        self.failures: list[int] = []
        """Statuses that the next requests get instead of their answer; 0 drops the connection."""
        self.scripted: dict[str, list[tuple[int, Any]]] = {}
        """What the next requests of a kind (method and path) get instead of their answer."""
        self.delay = 0.0
        """Seconds before each answer."""
        self.namespace: str | None = None
        self.requests: list[str] = []

    def answer(self, method: str, path: str, body: Any, token: str | None, namespace: str | None) -> tuple[int, Any]:
        if scripted := self.scripted.get(f"{method} {path}"):
            return scripted.pop(0)
        if path == "/v1/sys/health":
            return self._health()
        if self.sealed:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"errors": ["Vault is sealed"]}
        if not self.initialized:
            return HTTPStatus.NOT_IMPLEMENTED, {"errors": ["Vault is not initialized"]}
        if namespace != self.namespace:
            return HTTPStatus.NOT_FOUND, {"errors": ["no handler for route"]}
        return self._open(method, path, body, token)

    def _open(self, method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        if method == "POST" and path == "/v1/auth/approle/login":
            return self._login(body)
        if token not in self.tokens:
            return HTTPStatus.FORBIDDEN, {"errors": ["permission denied"]}
        if method == "POST" and path == "/v1/auth/token/revoke-self":
            self.tokens.discard(token)
            return HTTPStatus.NO_CONTENT, None
        mount, _, rest = path.removeprefix("/v1/").partition("/data/")
        secret = self.secrets.get(f"{mount}/{rest}")
        if method == "GET" and secret is not None:
            return HTTPStatus.OK, {"data": {"data": secret, "metadata": {"version": 1}}}
        return HTTPStatus.NOT_FOUND, {"errors": []}

    def _health(self) -> tuple[int, Any]:
        # Without standbyok=true a standby says 429.
        status = 501 if not self.initialized else 503 if self.sealed else 200
        return status, {"initialized": self.initialized, "sealed": self.sealed, "standby": self.standby}

    def _login(self, body: Any) -> tuple[int, Any]:
        if body != {"role_id": ROLE_ID, "secret_id": SECRET_ID} or not self.secret_id_uses:
            return HTTPStatus.BAD_REQUEST, {"errors": ["invalid role or secret ID"]}
        self.secret_id_uses -= 1
        token = f"hvs.token-{len(self.tokens)}"
        self.tokens.add(token)
        return HTTPStatus.OK, {"auth": {"client_token": token, "lease_duration": 1200}}


@contextmanager
def running_vault(tls: ssl.SSLContext | None = None) -> Iterator[VaultServer]:
    """The server, on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlsplit(self.path).path
            vault.requests.append(f"{self.command} {path}")
            time.sleep(vault.delay)
            failure = vault.failures.pop(0) if vault.failures else None
            if failure == 0:
                self.close_connection = True
                return
            if failure is not None:
                self._answer(failure, {"errors": []})
                return
            headers = self.headers
            self._answer(
                *vault.answer(
                    self.command,
                    path,
                    json.loads(body or "null"),
                    headers.get("X-Vault-Token"),
                    headers.get("X-Vault-Namespace"),
                )
            )

        do_POST = do_GET  # noqa: N815  (named by http.server)

        def _answer(self, status: int, answer: Any) -> None:
            body = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (named by http.server)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        vault = VaultServer(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield vault
        finally:
            server.shutdown()
            thread.join()
