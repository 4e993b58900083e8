"""What the doctor says of a server that runs."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gateway import tls
from gateway.cli import doctor
from gateway.settings import Settings

REPORT = {"parts": [{"name": "speech", "state": "ready", "detail": "It answers."}]}


class Ready(BaseHTTPRequestHandler):
    """Answers as `/readyz` does."""

    def do_GET(self) -> None:
        """Tell the report."""
        assert self.path == "/readyz"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(REPORT).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(params=[False, True], ids=["http", "https"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a server that runs."""
    server = HTTPServer(("127.0.0.1", 0), Ready)
    if request.param:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key, _ = tls.development_certificate(tmp_path / "tls", "127.0.0.1")
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    (tmp_path / "port").write_text(str(server.server_port))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Settings(data_dir=tmp_path)
    server.shutdown()
    thread.join()
    server.server_close()


def test_server_that_runs_is_asked_how_it_is(settings: Settings) -> None:
    """Over TLS, too: by an authority of its own that no system trusts, told by an option alone."""
    (finding,) = doctor._server(settings)
    assert (finding.name, finding.status) == ("running speech", "good")
