"""Sentences of our own, and what a tool's output sounds like."""

from __future__ import annotations

import json
from typing import Any

NO_QUESTION = "I did not hear a question."
NOT_UNDERSTOOD = "Sorry, I do not know how to help with that."
DONE = "Done."
MAX_SPOKEN_PARTS = 24

_STOPPING = frozenset(
    {"stop", "stop it", "stop that", "stop please", "please stop", "be quiet", "quiet", "silence"}
    | {"cancel", "cancel that", "never mind", "nevermind", "shut up", "enough", "that's enough"}
)


def asks_to_stop(utterance: str) -> bool:
    """Return whether the words want nothing but silence."""
    return " ".join(utterance.lower().strip(" .!?,").split()) in _STOPPING


def output_in_words(output: str) -> str:
    """Return a function's output as it may be spoken: JSON as `name: value` pairs."""
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        return output.strip() or DONE
    return _words(value, 0) or DONE


def _words(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        parts = [
            f"{str(name).replace('_', ' ')}: {words}"
            for name, part in list(value.items())[:MAX_SPOKEN_PARTS]
            if (words := _words(part, depth + 1))
        ]
        return ("; " if depth else ", ").join(parts)
    if isinstance(value, list):
        parts = [_words(part, depth + 1) for part in value[:MAX_SPOKEN_PARTS]]
        return ", ".join(part for part in parts if part)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value).strip()
