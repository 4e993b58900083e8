"""Create, list and revoke project keys. A key's text is shown once."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from gateway.identity.secrets import Pepper
from gateway.identity.service import DEFAULT_PROJECT, Identity
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
    create.add_argument("--models", metavar="NAMES", help="the only models it may use: a,b,c")
    allow = actions.add_parser("allow", help="say which models a key, or a project, may use")
    allow.add_argument("id", help="the key's id as `list` shows it, or a project's")
    allow.add_argument("models", nargs="*", metavar="MODEL", help="none stands for every model")
    listing = actions.add_parser("list", help="list keys without their secrets")
    revoke = actions.add_parser("revoke", help="make a key void")
    revoke.add_argument("id", help="the key's id, as `list` shows it")
    for action in (create, allow, listing, revoke):
        action.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(settings.database)
    return asyncio.run(_run(options, settings))


async def _run(options: argparse.Namespace, settings: Settings) -> int:
    database = Database(settings.database)
    identity = Identity(database, Pepper.load(settings.data_dir / "pepper"))
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
                    options.name,
                    project_id=options.project,
                    expires_in_s=options.expires_in_s,
                    models=options.models.split(",") if options.models else None,
                )
            except LookupError as error:
                print(error, file=sys.stderr)
                return 1
            print(json.dumps({"key": text}) if options.json else text)
        case "allow":
            models = options.models or None
            if not (
                await identity.allow_models(options.id, models)
                or await identity.allow_project_models(options.id, models)
            ):
                print(f"There is no key and no project {options.id}.", file=sys.stderr)
                return 1
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
        held = f"  only {', '.join(key['models'])}" if key["models"] is not None else ""
        shown = f"{key['shown']:16} {key['project_id']:12} {key['name']}"
        print(f"{key['id']}  {state:8} {shown}{held}")
