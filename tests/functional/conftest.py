"""Servers that tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.store import migrate
from tests.functional import server as servers
from tests.functional.server import Server
from tests.servers import chat, speech
from tests.servers.chat import ChatServer
from tests.servers.speech import SpeechServer


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
def translating_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that hears, translates and speaks by stand-ins, without voice activity."""
    with chat.running() as model, speech.running() as service:
        server = servers.start(
            tmp_path_factory.mktemp("translating"), env=by_stand_ins(model, service)
        )
        server.wait_ready()
        yield server
        assert server.stop() == 0


def by_stand_ins(
    model: ChatServer, service: SpeechServer, scenario: str = "translates"
) -> dict[str, str]:
    """Return settings under which the stand-ins hear, answer and speak."""
    endpoint = {"kind": "openai", "url": service.url, "model": "words", "api_key": speech.KEY}
    return {
        "VOICEENGINE_CHAT_URL": model.url,
        "VOICEENGINE_CHAT_MODEL": scenario,
        "VOICEENGINE_RECOGNISERS": json.dumps({"default": endpoint}),
        "VOICEENGINE_SYNTHESISER": json.dumps(endpoint),
    }


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


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated database; alembic runs a loop of its own."""
    made = tmp_path_factory.mktemp("migrated")
    migrate.upgrade(Settings(data_dir=made).database)
    return made / "voiceengine.db"


@pytest.fixture
def folder(migrated: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    (tmp_path / "voiceengine.db").write_bytes(migrated.read_bytes())
    return tmp_path
