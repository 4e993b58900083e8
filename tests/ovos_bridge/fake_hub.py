"""A message bus in the test's own loop, with a core that replays recorded orders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve

from ovos_bridge import messages

SKILL = "skill-a.test"
PIPELINE = ["stop_high", "converse", "padatious_high", "stop_medium", "fallback_low"]
UTTERANCE = messages.UTTERANCE

Step = tuple[str, Mapping[str, Any]]
"""A message type and its data."""


def speak(text: str, *, asks: bool = False) -> Step:
    """A skill says something."""
    return ("speak", {"utterance": text, "expect_response": asks, "meta": {"skill": SKILL}})


ACTIVATE: Step = (f"{SKILL}.activate", {})
INTENT: Step = (f"{SKILL}:some.intent", {})
START: Step = ("mycroft.skill.handler.start", {"name": "S.handle"})
COMPLETE: Step = ("mycroft.skill.handler.complete", {"name": "S.handle"})
HANDLED: Step = ("ovos.utterance.handled", {"name": "S.handle"})

MATCH = (ACTIVATE, INTENT, START, speak("It is noon."), COMPLETE, HANDLED)
SEVERAL = (ACTIVATE, INTENT, START, speak("one"), speak("two"), speak("three"), COMPLETE, HANDLED)
FALLBACK = (
    ("ovos.skills.fallback.ping", {}),
    ("ovos.skills.fallback.pong", {"skill_id": SKILL}),
    (f"ovos.skills.fallback.{SKILL}.request", {}),
    (f"ovos.skills.fallback.{SKILL}.start", {}),
    speak("I do not know."),
    (f"ovos.skills.fallback.{SKILL}.response", {"result": False}),
    HANDLED,
)
NO_MATCH = (("mycroft.audio.play_sound", {}), ("complete_intent_failure", {}), HANDLED)
ERROR = (
    ACTIVATE,
    INTENT,
    START,
    speak("An error occurred."),
    ("mycroft.skill.handler.error", {"exception": "ValueError()"}),
    COMPLETE,
    HANDLED,
)
SILENT = (ACTIVATE, INTENT, START, COMPLETE, HANDLED)
CANCELLED = (("mycroft.audio.play_sound", {}), ("ovos.utterance.cancelled", {}), HANDLED)
STOP = (
    (f"{SKILL}.stop.ping", {}),
    ("stop:skill", {}),
    (f"{SKILL}.stop", {}),
    (f"{SKILL}.stop.response", {"result": True}),
    ("ovos.skills.converse.force_timeout", {}),
)
ASK = (
    ACTIVATE,
    INTENT,
    START,
    ("skill.converse.get_response.enable", {"skill_id": SKILL}),
    speak("Which one?", asks=True),
)
REPLY_OF_SECOND = ((f"{SKILL}.activate", {}), (f"{SKILL}.converse.get_response", {}))
REPLY_OF_FIRST = (
    ("skill.converse.get_response.disable", {"skill_id": SKILL}),
    speak("That one, then."),
    COMPLETE,
    HANDLED,
)
ORDERS: Mapping[str, Sequence[Step]] = {
    "match": MATCH,
    "several": SEVERAL,
    "fallback": FALLBACK,
    "nothing": NO_MATCH,
    "error": ERROR,
    "silent": SILENT,
    "cancelled": CANCELLED,
    "stop the music": STOP,
    "what time is it": MATCH,
}


@dataclass
class FakeHub:
    """Repeats every message to all, and plays core."""

    server: Server | None = None
    port: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)
    orders: dict[str, Sequence[Step]] = field(default_factory=lambda: dict(ORDERS))
    alive: bool = True
    ready: bool = True
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}/core"

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return what clients sent of a type."""
        return [message for message in self.received if message["type"] == kind]

    def utterances(self) -> list[dict[str, Any]]:
        """Return callers' utterances, probes left out."""
        return [m for m in self.of_type(UTTERANCE) if "probe" not in _session(m)["session_id"]]

    def emit(self, kind: str, data: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Send to every client, as core would."""
        if self.server is not None:
            frame = json.dumps({"type": kind, "data": data, "context": context})
            broadcast(self.server.connections, frame)

    async def wait_for(self, kind: str, count: int = 1) -> None:
        """Wait until clients have sent so many messages of a type."""
        async with asyncio.timeout(30):
            while len(self.of_type(kind)) < count:
                await asyncio.sleep(0.005)

    async def serve(self, socket: ServerConnection) -> None:
        """Serve one client."""
        async for frame in socket:
            message = json.loads(frame)
            self.received.append(message)
            broadcast([socket], frame)
            if self.alive:
                self._core(message)

    def _core(self, message: dict[str, Any]) -> None:
        kind, context = message["type"], message["context"]
        if kind == "mycroft.skills.is_ready":
            self.emit(f"{kind}.response", {"status": self.ready}, context)
        elif kind == "mycroft.skills.is_alive":
            self.emit(f"{kind}.response", {"status": True}, context)
        elif kind == "skillmanager.list":
            self.emit("mycroft.skills.list", {SKILL: {"active": True, "id": SKILL}}, context)
        elif kind == UTTERANCE:
            self._utterance(message)

    def _utterance(self, message: dict[str, Any]) -> None:
        words = message["data"]["utterances"][0]
        context = dict(message["context"])
        session = dict(context["session"])
        session.setdefault("pipeline", PIPELINE)
        session["active_skills"] = [[SKILL, 1.0], ["other.test", 2.0]]
        context["session"] = session
        session_id = session["session_id"]
        if words == "ask":
            session["utterance_states"] = {SKILL: "response"}
            self.asked[session_id] = context
            self._play(ASK, context)
        elif _waits(message) and session_id in self.asked:
            self._play(REPLY_OF_SECOND, context)
            first = dict(self.asked.pop(session_id))
            first["session"] = {**session, "utterance_states": {}}
            self._play(REPLY_OF_FIRST, first)
        else:
            self._play(self.orders.get(words, NO_MATCH), context)

    def _play(self, order: Sequence[Step], context: Mapping[str, Any]) -> None:
        for kind, data in order:
            self.emit(kind, data, context)


def _session(message: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = message["context"].get("session", {})
    return found


def _waits(message: Mapping[str, Any]) -> bool:
    return "response" in (_session(message).get("utterance_states") or {}).values()


@asynccontextmanager
async def fake_hub(port: int = 0) -> AsyncIterator[FakeHub]:
    """Run a hub around a block."""
    hub = FakeHub()
    async with serve(hub.serve, "127.0.0.1", port, compression=None) as server:
        hub.server = server
        hub.port = server.sockets[0].getsockname()[1]
        yield hub
