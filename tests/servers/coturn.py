"""A real coturn on free ports, from Debian's package: UDP, TCP and TLS, with a shared secret."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.tls import development_certificate
from tests.conftest import missing
from tests.servers.nat import own_address

START_TIMEOUT_S = 20
SECRET = "a-secret-of-the-relay-0451"  # noqa: S105 -- of a server that lives for a test


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A running relay."""

    address: str
    port: int
    tls_port: int
    authority: Path
    log: Path
    process: subprocess.Popen[bytes]

    def url(self, transport: str) -> str:
        """Return its URL over `udp`, `tcp` or `tls`."""
        if transport == "tls":
            return f"turns:{self.address}:{self.tls_port}"
        return f"turn:{self.address}:{self.port}?transport={transport}"

    def settings(self, *transports: str) -> dict[str, str]:
        """Return the gateway's settings for it."""
        return {
            "VOICEENGINE_TURN_URLS": json.dumps([self.url(one) for one in transports]),
            "VOICEENGINE_TURN_SECRET": SECRET,
            "VOICEENGINE_TURN_AUTHORITY": str(self.authority),
        }


def _free_port(address: str) -> int:
    with closing(socket.socket()) as tcp, closing(socket.socket(type=socket.SOCK_DGRAM)) as udp:
        tcp.bind((address, 0))
        port = int(tcp.getsockname()[1])
        udp.bind((address, port))
        return port


def _answers(address: str, port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


@contextmanager
def running(folder: Path) -> Iterator[Relay]:
    """Have a relay; without the package the test is left out, loudly."""
    program = shutil.which("turnserver")
    if program is None:
        missing("coturn", "Install Debian's package `coturn`.")
        return
    address = own_address()
    certificate, key, authority = development_certificate(folder, address)
    port, tls_port = _free_port(address), _free_port(address)
    path = folder / "coturn.log"
    begin = 30_000 + os.getpid() % 100 * 40
    command = [
        program, "-n", "--no-cli", "--no-dtls", "--verbose", "--simple-log",
        "--log-file", "stdout", "--pidfile", str(folder / "pid"),
        "--userdb", str(folder / "turndb"), "--realm", "voiceengine.test",
        "--listening-ip", address, "--relay-ip", address,
        "--listening-port", str(port), "--tls-listening-port", str(tls_port),
        "--min-port", str(begin), "--max-port", str(begin + 39),
        "--cert", str(certificate), "--pkey", str(key),
        "--use-auth-secret", "--static-auth-secret", SECRET,
    ]  # fmt: skip
    with path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    relay = Relay(
        address=address, port=port, tls_port=tls_port,
        authority=authority, log=path, process=process,
    )  # fmt: skip
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while not (_answers(address, relay.port) and _answers(address, relay.tls_port)):
            assert process.poll() is None, relay.log.read_text()[-2_000:]
            assert time.monotonic() < until, relay.log.read_text()[-2_000:]
            time.sleep(0.05)
        yield relay
    finally:
        process.terminate()
        process.wait(timeout=10)
