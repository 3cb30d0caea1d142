"""Timestamp authorities made with `openssl ts`, served on a free local port."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
[tsa]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, serverAuth
[ts]
signer_digest = sha256
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1, millisecs:500
ess_cert_id_alg = sha256
"""


@dataclass
class LocalAuthority:
    """A root, a signer of timestamps, and what is wrong with its answers.

    ``kept`` is sent whatever is asked, with ``status``; ``chain`` adds the root to what is signed.
    """

    folder: Path
    name: str
    openssl: str
    asked: list[bytes] = field(default_factory=list)
    kept: bytes | None = None
    status: int = 200
    chain: bool = False

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    @property
    def signer(self) -> Path:
        return self.folder / "signer.pem"

    def make(self) -> LocalAuthority:
        """Make keys and certificates."""
        self.folder.mkdir(parents=True)
        (self.folder / "serial").write_text("01\n")
        self._config.write_text(CONFIG.format(folder=self.folder))
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "ts.cnf")
        ca = ("-x509", "-extensions", "ca", "-days", "30", "-subj", f"/O={self.name}/CN={self.name} root")
        self._run("req", *new_key, *ca, "-keyout", "root.key", "-out", "root.pem")
        subject = ("-subj", f"/O={self.name}/CN={self.name} time")
        self._run("req", *new_key, *subject, "-keyout", "signer.key", "-out", "signer.csr")
        by = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "20")
        extensions = ("-extfile", "ts.cnf", "-extensions", "tsa")
        self._run("x509", "-req", "-in", "signer.csr", *by, *extensions, "-out", "signer.pem")
        return self

    def certify(self, purpose: str, *, serial: str) -> bytes:
        """Another certificate for the signer's key and name, in PEM."""
        by = ("-CA", "root.pem", "-CAkey", "root.key", "-set_serial", serial, "-days", "20")
        extensions = ("-extfile", "ts.cnf", "-extensions", purpose)
        self._run("x509", "-req", "-in", "signer.csr", *by, *extensions, "-out", "twin.pem")
        return (self.folder / "twin.pem").read_bytes()

    def answer(self, query: bytes) -> bytes:
        """What the authority answers to a query."""
        (self.folder / "query.tsq").write_bytes(query)
        chain = ("-chain", "root.pem") if self.chain else ()
        signer = ("-signer", "signer.pem", "-inkey", "signer.key", *chain)
        self._run(
            "ts", "-reply", "-config", "ts.cnf", "-section", "ts", "-queryfile", "query.tsq", *signer,
            "-out", "reply.tsr",
        )  # fmt: skip
        return (self.folder / "reply.tsr").read_bytes()

    def query(self, data: bytes, *options: str) -> bytes:
        """A query about data, made by openssl."""
        (self.folder / "data").write_bytes(data)
        self._run("ts", "-query", "-data", "data", *(options or ("-sha256", "-cert")), "-out", "query.tsq")
        return (self.folder / "query.tsq").read_bytes()

    def stamp(self, data: bytes, *options: str) -> bytes:
        """A timestamp of data."""
        return self.answer(self.query(data, *options))

    @property
    def _config(self) -> Path:
        return self.folder / "ts.cnf"

    def _run(self, *arguments: str) -> None:
        subprocess.run([self.openssl, *arguments], cwd=self.folder, check=True, capture_output=True)


@contextmanager
def served(authority: LocalAuthority) -> Iterator[str]:
    """Serve an authority until the block ends; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            authority.asked.append(query)
            body = authority.answer(query) if authority.kept is None else authority.kept
            self.send_response(authority.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsr"
        finally:
            server.shutdown()
            thread.join()
