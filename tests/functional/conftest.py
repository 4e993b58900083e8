"""Servers that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional import server as servers
from tests.functional.server import Server


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without speech and skills: the echo engine and REST."""
    server = servers.start(tmp_path_factory.mktemp("plain"))
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The plain server, refusing the beta as the live service does."""
    refuse = {"VOICEENGINE_BETA_DIALECT": "false"}
    server = servers.start(tmp_path_factory.mktemp("strict"), env=refuse)
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory, skills_python: Path) -> Iterator[Server]:
    """The same over TLS, with its own development authority."""
    folder = tmp_path_factory.mktemp("tls")
    server = servers.start(folder, "--tls", env=servers.voice(skills_python))
    server.trust = folder / "tls" / "authority.pem"
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def voice_server(tmp_path_factory: pytest.TempPathFactory, skills_python: Path) -> Iterator[Server]:
    """A server with the real speech worker and real OVOS skills."""
    server = servers.start(tmp_path_factory.mktemp("voice"), env=servers.voice(skills_python))
    server.wait_ready()
    yield server
    assert server.stop() == 0
