"""Create, list and revoke project keys. A key's text is shown once."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from gateway.identity.secrets import Pepper
from gateway.identity.service import DEFAULT_PROJECT, Identity
from gateway.secrets.keyring import Keyring
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.database import Database


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print it")
    create.add_argument("--name", default="key")
    create.add_argument("--project", default=DEFAULT_PROJECT)
    create.add_argument("--expires-in-s", type=int, default=None)
    listing = actions.add_parser("list", help="list keys without their secrets")
    revoke = actions.add_parser("revoke", help="make a key void")
    revoke.add_argument("id", help="the key's id, as `list` shows it")
    for action in (create, listing, revoke):
        action.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(settings.database)
    return asyncio.run(_run(options, settings))


async def _run(options: argparse.Namespace, settings: Settings) -> int:
    database = Database(settings.database)
    identity = Identity(
        database,
        Pepper.load(settings.data_dir / "pepper"),
        Keyring.load(settings.data_dir / "keyring"),
    )
    try:
        await identity.ensure_default_project()
        return await _act(options, identity)
    finally:
        await database.close()


async def _act(options: argparse.Namespace, identity: Identity) -> int:
    match options.action:
        case "create":
            try:
                text = await identity.create_key(
                    options.name, project_id=options.project, expires_in_s=options.expires_in_s
                )
            except LookupError as error:
                print(error, file=sys.stderr)
                return 1
            print(json.dumps({"key": text}) if options.json else text)
        case "list":
            _show(await identity.list_keys(), as_json=options.json)
        case _:
            if not await identity.revoke_key(options.id):
                print(f"There is no valid key {options.id}.", file=sys.stderr)
                return 1
    return 0


def _show(keys: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(keys))
        return
    for key in keys:
        state = "revoked" if key["revoked_at"] else "valid"
        print(f"{key['id']}  {state:8} {key['shown']:16} {key['project_id']:12} {key['name']}")
