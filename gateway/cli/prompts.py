"""Add, list and show prompts: instructions, voice and tools that clients ask for by id."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.cli.stores import opened_database
from gateway.identity.service import DEFAULT_PROJECT
from gateway.settings import Settings
from gateway.store.prompts import PromptStore, new_prompt_id
from realtime.prompts import PromptTemplate

BODIES = (".json", ".toml")
"""Files that hold a whole body; any other holds the instructions."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add a version of each file's prompt")
    add.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="text with the instructions, or TOML or JSON with `instructions`, `voice`, `tools` "
        "and `variables`; a folder stands for its files",
    )
    add.add_argument("--id", help="the prompt's id; by default the file's name")
    add.add_argument("--new-id", action="store_true", help="make an id up")
    listing = actions.add_parser("list", help="list prompts")
    listing.add_argument("--json", action="store_true", help="print JSON")
    show = actions.add_parser("show", help="print a version")
    show.add_argument("id")
    show.add_argument("--version", help="its number; by default the current one")
    for action in (add, listing, show):
        action.add_argument("--project", default=DEFAULT_PROJECT)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return asyncio.run(_run(options, Settings()))


async def _run(options: argparse.Namespace, settings: Settings) -> int:
    async with opened_database(settings) as database:
        store = PromptStore(database)
        match options.action:
            case "add":
                return await _add(options, store)
            case "list":
                _show(await store.every(options.project), as_json=options.json)
                return 0
            case _:
                body = await store.body(options.project, options.id, options.version)
                if body is None:
                    print(f"There is no such prompt {options.id}.", file=sys.stderr)
                    return 1
                print(json.dumps(body, indent=2, ensure_ascii=False))
                return 0


async def _add(options: argparse.Namespace, store: PromptStore) -> int:
    files = [file for given in options.files for file in _files(given)]
    if options.id is not None and len(files) != 1:
        print("--id is for a single file.", file=sys.stderr)
        return 64
    try:
        bodies = [(file, _body(file)) for file in files]
        for file, body in bodies:
            prompt_id = new_prompt_id() if options.new_id else options.id or file.stem
            version = await store.add(options.project, prompt_id, body)
            print(f"{prompt_id}  version {version}")
    except (OSError, ValueError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _files(given: Path) -> list[Path]:
    return sorted(file for file in given.iterdir() if file.is_file()) if given.is_dir() else [given]


def _body(file: Path) -> dict[str, Any]:
    text = file.read_text()
    if file.suffix not in BODIES:
        body: dict[str, Any] = {"instructions": text.strip()}
    else:
        body = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    try:
        PromptTemplate.of(body)
    except ValidationError as error:
        raise ValueError(f"{file}: {error}") from None
    return body


def _show(prompts: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(prompts))
        return
    for prompt in prompts:
        print(f"{prompt['id']:32} version {prompt['current_version']}")
