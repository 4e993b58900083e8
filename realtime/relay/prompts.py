"""Stored prompts of a relayed session: filled in here, so that the upstream reads plain words.

The client is shown the prompt as it sent it. What a prompt supplied, and nobody changed since,
goes with it when another takes its place (CONTRACT 6.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from realtime.errors import InvalidValue
from realtime.events.session import PromptIn
from realtime.prompts import Prompted, PromptTemplate, prompted
from realtime.relay.inputs import Json

MOST_UNDONE: Final = 64
"""Updates that may still be refused, and are undone then."""

Path = tuple[str, ...]
VOICE: Final[Path] = ("audio", "output", "voice")
_ROOTS: Final = {"session.update": "session", "response.create": "response"}
_MISSING: Final = object()


class RelayPrompts:
    """What the prompt of a session is, and what came of it."""

    def __init__(self, created: Json, *, resolves: bool) -> None:
        self._resolves = resolves
        self._default = created
        self._shown: Any = None
        self._supplied: dict[Path, Any] = {}
        self._used = False
        self._before: dict[str, tuple[Any, dict[Path, Any]]] = {}

    def adopt(self, prompt: Any, session: Json) -> None:
        """A client secret named a prompt; the session was configured with what it supplies."""
        if self._resolves and prompt is not None:
            self._used, self._shown = True, prompt
            paths: tuple[Path, ...] = (("instructions",), ("tools",), VOICE)
            self._supplied = {path: _at(session, path) for path in paths}

    def names(self, event: Json) -> bool:
        """Say whether an event sets a prompt, or takes it away."""
        body = event.get(_ROOTS.get(event["type"], ""))
        return self._resolves and isinstance(body, Mapping) and "prompt" in body

    @staticmethod
    def wanted(event: Json) -> PromptIn | None:
        """Return what must be found for an event that names a prompt; None takes it away.

        Raises:
            InvalidValue: it names none.
        """
        root = _ROOTS[event["type"]]
        prompt = event[root]["prompt"]
        if prompt is None:
            return None
        try:
            return PromptIn.model_validate(prompt)
        except ValidationError:
            raise InvalidValue(f"Invalid '{root}.prompt'.", param=f"{root}.prompt") from None

    def resolved(
        self, event: Json, template: PromptTemplate | None, session: Json, *, has_spoken: bool
    ) -> Json:
        """Return an event with what its prompt supplies, in place of the prompt.

        Raises:
            WireFault: there is no such prompt, or its variables do not fit.
        """
        root, wanted = _ROOTS[event["type"]], self.wanted(event)
        supplied = Prompted() if wanted is None else prompted(wanted, template, root=root)
        body = {key: value for key, value in event[root].items() if key != "prompt"}
        given = {path: value for path, value in fields_of(supplied).items() if value is not None}
        if has_spoken:
            given.pop(VOICE, None)
        given = {path: value for path, value in given.items() if _at(body, path) is _MISSING}
        for path, value in given.items():
            body = _with(body, path, value)
        if root == "session":
            body = self._swapped(body, given, session)
            self._remember(event)
            self._used, self._shown, self._supplied = True, event[root]["prompt"], given
        return {**event, root: body}

    def _swapped(self, body: dict[str, Any], given: Mapping[Path, Any], session: Json) -> Any:
        """Take back what the former prompt supplied."""
        for path, value in self._supplied.items():
            untouched = path not in given and _at(body, path) is _MISSING
            default = _at(self._default, path)
            if untouched and path != VOICE and _at(session, path) == value != default:
                body = _with(body, path, None if default is _MISSING else default)
        return body

    def _remember(self, event: Json) -> None:
        event_id = event.get("event_id")
        if isinstance(event_id, str):
            self._before[event_id] = (self._shown, self._supplied)
            if len(self._before) > MOST_UNDONE:
                del self._before[next(iter(self._before))]

    def refused(self, event_id: object) -> None:
        """The upstream refused an event, which may have been of a prompt."""
        if isinstance(event_id, str) and event_id in self._before:
            self._shown, self._supplied = self._before.pop(event_id)

    def shown(self, session: Json) -> Json:
        """Return a session's echo with the prompt as it was sent."""
        if not self._used or "prompt" not in session:
            return session
        return {**session, "prompt": self._shown}


def fields_of(supplied: Prompted) -> dict[Path, Any]:
    """Return what a prompt supplies, by its place in a session."""
    tools = supplied.tools
    return {
        ("instructions",): supplied.instructions,
        ("tools",): None
        if tools is None
        else [tool.model_dump(mode="json", exclude_unset=True) for tool in tools],
        VOICE: supplied.voice,
    }


def with_prompt(session: Json, supplied: Prompted) -> dict[str, Any]:
    """Return a session to be begun with what its prompt supplies, in place of the prompt."""
    body = {key: value for key, value in session.items() if key != "prompt"}
    for path, value in fields_of(supplied).items():
        if value is not None and _at(body, path) is _MISSING:
            body = _with(body, path, value)
    return body


def _at(place: Any, path: Path) -> Any:
    for name in path:
        place = place.get(name, _MISSING) if isinstance(place, Mapping) else _MISSING
    return place


def _with(place: Any, path: Path, value: Any) -> Any:
    first, *rest = path
    below = (
        _with((place.get(first) if place else None) or {}, tuple(rest), value) if rest else value
    )
    return {**(place or {}), first: below}
