"""Print every setting as the reference page has it."""

from __future__ import annotations

import argparse
import json

from pydantic_core import PydanticUndefined

from gateway.settings import PREFIX, Settings

HEAD = """# Configuration

Every setting is an environment variable; nothing else is read from the environment. This page is printed by
`voiceengine config`; a test compares it with the code.

| variable | default | meaning |
|---|---|---|
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""


def reference() -> str:
    """Return the reference page."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if default is None or default is PydanticUndefined:
            shown = "none"
        elif isinstance(default, bool | int | float | list):
            shown = json.dumps(default)
        else:
            shown = str(default)
        rows.append(f"| `{PREFIX}{name.upper()}` | `{shown}` | {field.description} |")
    return HEAD + "\n".join(rows) + "\n"


def run(_options: argparse.Namespace) -> int:
    """Run the command."""
    print(reference(), end="")
    return 0
