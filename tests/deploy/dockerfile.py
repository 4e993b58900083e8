"""Reads the Dockerfile into stages, as far as tests ask about it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One `FROM … AS name` and its instructions as (word, rest)."""

    name: str
    origin: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """Return the rests of every instruction of a kind."""
        return [rest for kind, rest in self.steps if kind == word]

    def argv(self, word: str) -> list[str]:
        """Return the arguments of an instruction in exec form; it must have that form."""
        (rest,) = self.all(word)
        parsed: list[str] = json.loads(rest[rest.index("[") :])
        return parsed


def read(path: Path) -> dict[str, Stage]:
    """Return the stages by name, in order."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            origin, name = re.split(r" AS ", rest)
            stages[name] = Stage(name, origin)
        elif stages:
            stages[name].steps.append((word, rest.strip()))
    return stages


def lineage(stages: dict[str, Stage], name: str) -> list[Stage]:
    """Return a stage and those it is built from, itself first."""
    found = [stages[name]]
    while found[-1].origin in stages:
        found.append(stages[found[-1].origin])
    return found
