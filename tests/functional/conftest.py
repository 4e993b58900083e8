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
def tls_server(tmp_path_factory: pytest.TempPathFactory, skills_python: Path) -> Iterator[Server]:
    """The same over TLS, with its own development authority."""
    env = {
        "VOICEENGINE_SPEECH": "true",
        "VOICEENGINE_SKILLS": "true",
        "VOICEENGINE_SPEECH_PYTHON": str(skills_python),
    }
    folder = tmp_path_factory.mktemp("tls")
    server = servers.start(folder, "--tls", env=env)
    server.trust = folder / "tls" / "authority.pem"
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def voice_server(tmp_path_factory: pytest.TempPathFactory, skills_python: Path) -> Iterator[Server]:
    """A server with the real speech worker and real OVOS skills."""
    env = {
        "VOICEENGINE_SPEECH": "true",
        "VOICEENGINE_SKILLS": "true",
        "VOICEENGINE_SPEECH_PYTHON": str(skills_python),
    }
    server = servers.start(tmp_path_factory.mktemp("voice"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0
