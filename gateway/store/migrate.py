"""Runs the migrations in `migrations/`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    # ConfigParser reads % as interpolation.
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision; blocking, call it before the loop runs."""
    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str = "base") -> None:
    """Take the database back to a revision."""
    command.downgrade(_config(url), revision)


def check(url: str) -> None:
    """Fail when models and migrations differ."""
    command.check(_config(url))


def revision(url: str, message: str) -> None:
    """Write a new migration from what changed."""
    command.revision(_config(url), message=message, autogenerate=True)
