"""Bring the database up to date, or check that it is."""

from __future__ import annotations

import argparse

from gateway.settings import Settings
from gateway.store import migrate


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("action", choices=["up", "check"], nargs="?", default="up")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if options.action == "check":
        migrate.check(settings.database)
    else:
        migrate.upgrade(settings.database)
    return 0
