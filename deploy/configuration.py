"""Writes `docs/reference/configuration.md`: `python -m deploy.configuration [--check]`.

The sections are the comments between the settings, so that code and document
cannot be grouped differently.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from gateway.settings import PREFIX, NetworkSettings, Settings

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "configuration.md"
_SECTION = re.compile(r"# --- (?P<title>.+) ---|^    (?P<name>[a-z_0-9]+): ", re.MULTILINE)
_BOUNDS = {Ge: ("ge", ">="), Gt: ("gt", ">"), Le: ("le", "<="), Lt: ("lt", "<")}

INTRODUCTION = """\
# Configuration

Every setting, in the order of `gateway/settings`, the only reader of the environment.
Settings are read once at start. This page is written by `make reference`, and `make check`
compares it with the code.

A setting is given as an environment variable: `VOICEENGINE_` and its name in capitals. `HOST`,
`PORT` and `TLS` are read without the prefix too. Lists are JSON. A value outside its bounds
stops the start.
"""


def variables(name: str, field: FieldInfo) -> list[str]:
    """Return the environment variables that a setting is read from, strongest first."""
    alias = field.validation_alias
    if not isinstance(alias, AliasChoices):
        return [PREFIX + name.upper()]
    return [choice for choice in alias.choices if isinstance(choice, str) and choice.isupper()]


def _default(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case list() | dict():
            return f"`{json.dumps(value, default=str)}`"
        case _:
            return f"`{value}`"


def _bounds(field: FieldInfo) -> str:
    words = []
    for bound in field.metadata:
        if type(bound) in _BOUNDS:
            attribute, sign = _BOUNDS[type(bound)]
            words.append(f"{sign} {getattr(bound, attribute)}")
    choices = getattr(field.annotation, "__args__", ())
    words += [f"`{choice}`" for choice in choices if isinstance(choice, str)]
    return ", ".join(words)


def _row(name: str, field: FieldInfo) -> str:
    read_from = "<br>".join(f"`{variable}`" for variable in variables(name, field))
    meaning = (field.description or "").replace("|", "\\|")
    default = field.get_default(call_default_factory=True)
    cells = (read_from, _default(default), _bounds(field), meaning)
    return f"| {' | '.join(cells)} |"


def document() -> str:
    """Return the whole page."""
    lines = [INTRODUCTION.rstrip("\n")]
    source = inspect.getsource(Settings) + inspect.getsource(NetworkSettings)
    for found in _SECTION.finditer(source):
        if found["title"]:
            title = found["title"]
            lines += ["", f"## {title[0].upper()}{title[1:]}", ""]
            lines += ["| Variable | Default | Values | Meaning |", "|---|---|---|---|"]
        elif found["name"] in Settings.model_fields:
            lines.append(_row(found["name"], Settings.model_fields[found["name"]]))
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or compare it with the committed one."""
    text = document()
    if "--check" in sys.argv:
        same = REFERENCE.exists() and REFERENCE.read_text() == text
        print("configuration: good" if same else f"{REFERENCE.name} is stale: run `make reference`")
        return 0 if same else 1
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    REFERENCE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
