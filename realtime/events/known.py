"""What is known here of a session that another endpoint may know more of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from realtime.events.base import JsonObject
from realtime.events.faults import client_path, dotted, fault_of_finding
from realtime.events.session import SessionIn

Path: TypeAlias = list[str | int]

ROOT: Final = "session"
_UNKNOWN: Final = "extra_forbidden"
_SESSION: TypeAdapter[SessionIn] = TypeAdapter(SessionIn)
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def known_part(session: JsonObject) -> tuple[JsonObject, list[str]]:
    """Return a session without the fields that nobody here knows, and where these were.

    Raises:
        WireFault: what is wrong with a field that is known.
    """
    try:
        _SESSION.validate_python(session)
    except ValidationError as error:
        findings = error.errors(include_url=False)
        for finding in findings:
            if finding["type"] != _UNKNOWN:
                raise fault_of_finding(finding, session, root=(ROOT,)) from None
        paths = [client_path(finding["loc"], session) for finding in findings]
        return _without(session, paths), [dotted([ROOT, *path]) for path in paths]
    return session, []


def without_field(session: JsonObject, param: str) -> JsonObject | None:
    """Return a session of known fields without the one that a fault names, None if it has none."""
    steps = [found[1] or int(found[2]) for found in _STEP.finditer(param)]
    if len(steps) < 2 or steps[0] != ROOT:
        return None
    rest: JsonObject = _without(session, [steps[1:]])
    return None if rest == session else rest


def _without(node: Any, paths: Iterable[Path]) -> Any:
    """Return a copy of what lies on the paths; all else is shared."""
    below: dict[str | int, list[Path]] = defaultdict(list)
    for first, *rest in paths:
        below[first].append(rest)
    if not below:
        return node
    if isinstance(node, Mapping):
        kept = [(name, value) for name, value in node.items() if [] not in below.get(name, ())]
        return {name: _without(value, below.get(name, ())) for name, value in kept}
    if isinstance(node, list):
        places = [place for place in range(len(node)) if [] not in below.get(place, ())]
        return [_without(node[place], below.get(place, ())) for place in places]
    return node
