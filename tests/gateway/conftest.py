"""Migrated databases: the same tests run on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.identity.secrets import Pepper
from gateway.identity.service import Identity
from gateway.secrets.keyring import Keyring
from gateway.store import migrate
from gateway.store.database import Database
from tests.conftest import missing
from tests.servers import postgres

_numbers = count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL server's URL."""
    programs = postgres.binaries()
    if programs is None:
        missing("PostgreSQL", "Install Debian's package `postgresql`.")
        return
    with postgres.running(programs) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> str:
    """The URL of a database that is only copied from."""
    migrate.upgrade(postgres_url)
    return postgres_url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is only copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


def new_postgres(url: str, *, template: str = "template1") -> str:
    """Create a database of its own on the server; return its URL."""
    programs = postgres.binaries()
    assert programs is not None
    at = urlsplit(url)
    name = f"t{next(_numbers)}"
    subprocess.run(
        [programs / "createdb", "-h", "127.0.0.1", "-p", str(at.port), "-U", "voiceengine",
         "-T", template, name],
        check=True, capture_output=True,
    )  # fmt: skip
    return url.removesuffix("postgres") + name


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table, of either kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    return new_postgres(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated, empty database, of either kind."""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        return f"sqlite+aiosqlite:///{path}"
    return new_postgres(request.getfixturevalue("migrated_postgres"), template="postgres")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is moved."""
    return Clock()


@pytest.fixture
async def identity(database: Database, clock: Clock) -> Identity:
    """The identity service over the database, with the default project."""
    service = Identity(database, Pepper(b"p" * 32), Keyring({1: b"k" * 32}), unix_s=clock)
    await service.ensure_default_project()
    return service
