"""The witness over HTTP: ``POST /add-checkpoint`` and ``GET /<SHA-256 of the origin>/checkpoint``.

Bodies, connections and their lives are bounded. There is nothing to hide and nobody to log in: a request is
worth the log's signature in it.
"""

from __future__ import annotations

import io
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from foreseal.errors import SetupError
from foreseal.seal.deadline import Until
from foreseal.seal.witness import MAX_REQUEST, TEXT, Reply, Witness

MAX_CONNECTIONS = 64
LIFETIME_SECONDS = 30.0

_DRAINED = 1 << 24


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "foreseal-witness"
    sys_version = ""
    timeout = LIFETIME_SECONDS
    error_message_format = "%(message)s\n"
    error_content_type = TEXT
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(Until(self.connection, time.monotonic() + LIFETIME_SECONDS))

    def do_GET(self) -> None:
        self._reply(self.server.witness.checkpoint(self.path.removeprefix("/")))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            self._refuse(404, "there is only /add-checkpoint\n")
        elif not (length.isascii() and length.isdigit()):
            self._refuse(411, "a request states its Content-Length\n")
        elif len(length) > 9 or int(length) > MAX_REQUEST:
            self._refuse(413, f"a request has at most {MAX_REQUEST} bytes\n")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self._reply(self.server.witness.add_checkpoint(body))
            else:
                self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _refuse(self, status: int, why: str) -> None:
        # The body was not read, so nothing more can be read from this connection.
        self.close_connection = True
        self._reply(Reply(status, why))
        # Who is still sending would be cut off before it reads the answer, so some of it is read and dropped.
        self.connection.shutdown(socket.SHUT_WR)
        left = _DRAINED
        while left > 0 and (dropped := self.rfile.read1(1 << 16)):
            left -= len(dropped)

    def _reply(self, reply: Reply) -> None:
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class WitnessServer(ThreadingHTTPServer):
    """Serves a witness on an address until it is shut down. Port 0 takes a free port; see ``url``."""

    daemon_threads = True

    def __init__(self, witness: Witness, host: str = "127.0.0.1", port: int = 0) -> None:
        self.witness = witness
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise SetupError(f"the witness cannot listen on {host}:{port}: {error.strerror}.") from None

    @property
    def url(self) -> str:
        """Where logs send their checkpoints."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else host
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
