"""Which installation this is, among those that share a database."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

NODE_CHARACTERS: Final = 32


def node_id(path: Path) -> str:
    """Return this installation's name among those that share a database, made on first use."""
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        found = ""
    if found:
        return found[:NODE_CHARACTERS]
    path.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_hex(NODE_CHARACTERS // 2)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(made + "\n")
    beside.replace(path)
    return made
