"""List, declare and remove models: what answers behind the names that clients use."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from gateway.cli.stores import opened_database
from gateway.engines.installed import missing_skills
from gateway.identity.service import DEFAULT_PROJECT
from gateway.settings import DeclaredModel, Settings
from gateway.settings.models import read_models
from gateway.store.models import ModelStore


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list what the file and the database declare")
    listing.add_argument("--json", action="store_true", help="print JSON")
    put = actions.add_parser("put", help="declare a project's models, in place of those before")
    put.add_argument("file", type=Path, help="TOML or JSON, of the form of VOICEENGINE_MODELS")
    remove = actions.add_parser("remove", help="forget a project's declaration")
    remove.add_argument("name", help="the model's name")
    for action in (put, remove):
        action.add_argument("--project", default=DEFAULT_PROJECT)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return asyncio.run(_run(options, Settings()))


async def _run(options: argparse.Namespace, settings: Settings) -> int:
    async with opened_database(settings) as database:
        store = ModelStore(database)
        match options.action:
            case "list":
                _show(await _every(settings, store), as_json=options.json)
                return 0
            case "put":
                return await _put(options, settings, store)
            case _:
                if await store.remove(options.project, options.name):
                    return 0
                print(f"{options.project} declares no model {options.name}.", file=sys.stderr)
                return 1


async def _put(options: argparse.Namespace, settings: Settings, store: ModelStore) -> int:
    try:
        declared = read_models(options.file)
        for name, model in declared.items():
            settings.check_model(name, model)
        for name, model in declared.items():
            body = model.model_dump(mode="json", exclude_unset=True)
            await store.put(options.project, name, body)
    except (ValueError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    missing = missing_skills(settings)
    for name in (name for name, model in declared.items() if model.asks_skills and missing):
        warning = f"{name} asks skills. {missing} A server where that is so refuses the model."
        print(warning, file=sys.stderr)
    print(f"{', '.join(declared)}: a running server takes them over in {settings.models_poll_s} s.")
    return 0


async def _every(settings: Settings, store: ModelStore) -> list[dict[str, Any]]:
    found = [_row("every project", name, model) for name, model in settings.declared.items()]
    for row in await store.every():
        try:
            model = DeclaredModel.model_validate_json(json.dumps(row.declaration))
        except ValueError:
            found.append({"project": row.project_id, "name": row.name, "kind": "invalid"})
        else:
            found.append(_row(row.project_id, row.name, model))
    return found


def _row(project: str, name: str, model: DeclaredModel) -> dict[str, Any]:
    return {"project": project, "name": name, **model.model_dump(mode="json", exclude_unset=True)}


def _show(models: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(models))
        return
    for model in models:
        kind, fallback = model.get("kind", "default"), model.get("fallback")
        leads = [f"fallback {fallback}"] if fallback else []
        leads += [f"route {route['to']}" for route in model.get("routes", ())]
        print(f"{model['name']:28} {kind:16} {model['project']:14} {', '.join(leads)}".rstrip())
