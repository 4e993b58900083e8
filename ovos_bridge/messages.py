"""OVOS bus messages, as they travel: `{"type", "data", "context"}` in a JSON text frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UTTERANCE = "recognizer_loop:utterance"
SPEAK = "speak"
LISTEN = "mycroft.mic.listen"
HANDLED = "ovos.utterance.handled"
CANCELLED = "ovos.utterance.cancelled"
NO_MATCH = "complete_intent_failure"
HANDLER_START = "mycroft.skill.handler.start"
HANDLER_COMPLETE = "mycroft.skill.handler.complete"
OUTPUT_START = "recognizer_loop:audio_output_start"
OUTPUT_END = "recognizer_loop:audio_output_end"
CONVERSE_PONG = "skill.converse.pong"
TRAIN = "mycroft.skills.train"
TRAINED = "mycroft.skills.trained"
INITIALIZED = "mycroft.skills.initialized"
ALIVE = "mycroft.skills.is_alive"
READY = "mycroft.skills.is_ready"
SKILL_LIST = "skillmanager.list"
SKILL_LIST_REPLY = "mycroft.skills.list"


IDENT_MARK = "#"
"""Between a session's id and a turn's own part in an `ident`."""


@dataclass(frozen=True, slots=True)
class BusMessage:
    """One message. `context` carries the OVOS session and whatever its sender put in."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def session(self) -> Mapping[str, Any]:
        """The OVOS session, empty when there is none."""
        session = self.context.get("session")
        return session if isinstance(session, Mapping) else {}

    @property
    def session_id(self) -> str:
        """The id of the OVOS session, empty when there is none."""
        found = self.session.get("session_id")
        return found if isinstance(found, str) else ""

    @property
    def ident(self) -> str:
        """The turn that caused it, as the bridge marked it; only a hint."""
        found = self.context.get("ident")
        return found if isinstance(found, str) else ""


def session_of_ident(ident: str) -> str:
    """Return the session of the turn that an `ident` names."""
    return ident.rpartition(IDENT_MARK)[0]


def encode(message: BusMessage) -> str:
    """Return the frame of a message."""
    return json.dumps(
        {"type": message.type, "data": message.data, "context": message.context},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def decode(frame: str | bytes) -> BusMessage | None:
    """Return the message of a frame, None for one that is not a bus message."""
    try:
        parsed = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("type"), str):
        return None
    data, context = parsed.get("data"), parsed.get("context")
    return BusMessage(
        parsed["type"],
        data if isinstance(data, dict) else {},
        context if isinstance(context, dict) else {},
    )
