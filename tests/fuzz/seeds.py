"""Valid client events to begin from: recorded ones, and any that the schemas allow."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from realtime.dialects.beta.models import (
    BetaResponseCreate,
    BetaSessionUpdate,
    BetaTranscriptionUpdate,
)
from realtime.events.client import MODELS

Json = Any
TRACES = Path(__file__).parents[2] / "conformance" / "traces"
PUBLIC_TRACES = Path(__file__).parents[3] / "shared" / "contract" / "traces"
IMAGE = "data:image/png;base64,iVBORw0KGgo="
DEEPEST = 7
BETA = (BetaSessionUpdate, BetaTranscriptionUpdate, BetaResponseCreate)

TEXT = ("hello", "tone:200", "what time is it", "", " ", "ünïcödé", "日本語", "a" * 200, "🙂")
NAMES = ("look", "get_weather", "f", "x" * 64)


def _update(**session: Json) -> Json:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def _transcribe(**input_: Json) -> Json:
    session = {"type": "transcription", "audio": {"input": input_}}
    return {"type": "session.update", "session": session}


def _turns(**detection: Json) -> Json:
    return _update(audio={"input": {"turn_detection": detection or None}})


FUNCTION = {
    "type": "function",
    "name": "look",
    "description": "Look something up.",
    "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
}
SESSIONS: Sequence[Json] = [
    _update(instructions="Be brief."),
    _update(output_modalities=["text"]),
    _update(output_modalities=["audio"]),
    _update(tools=[FUNCTION], tool_choice="required"),
    _update(tools=[], tool_choice="auto"),
    _update(max_output_tokens=12),
    _update(max_output_tokens="inf"),
    _update(truncation="disabled"),
    _update(truncation={"type": "retention_ratio", "retention_ratio": 0.5}),
    _update(audio={"input": {"format": {"type": "audio/pcmu"}}}),
    _update(audio={"input": {"format": {"type": "audio/pcm", "rate": 24_000}}}),
    _update(audio={"output": {"format": {"type": "audio/pcma"}, "speed": 1.25}}),
    _update(audio={"output": {"voice": "marin"}}),
    _update(audio={"input": {"transcription": {"model": "whisper-1"}}}),
    _update(audio={"input": {"transcription": {"model": "gpt-live-transcribe"}}}),
    _update(audio={"input": {"transcription": None}}),
    _turns(),
    _turns(type="server_vad"),
    _turns(type="server_vad", create_response=False),
    _turns(type="server_vad", interrupt_response=False, silence_duration_ms=64),
    _turns(type="server_vad", idle_timeout_ms=5_000),
    _turns(type="semantic_vad", eagerness="high"),
    _transcribe(transcription={"model": "gpt-4o-transcribe", "language": "en"}),
    _transcribe(turn_detection=None),
    _transcribe(turn_detection={"type": "server_vad"}),
]
OPENINGS: Sequence[Json] = [
    _update(tools=[FUNCTION, {**FUNCTION, "name": "f"}]),
    _update(tools=[FUNCTION], audio={"input": {"transcription": {"model": "gpt-live-transcribe"}}}),
    _update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}),
    _turns(type="server_vad", silence_duration_ms=64, idle_timeout_ms=5_000),
    _transcribe(transcription={"model": "gpt-realtime-whisper"}),
]
ITEMS: Sequence[Json] = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "be kind"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]},
    {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]},
    {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio", "audio": base64.b64encode(bytes(9_600)).decode()}],
    },
    {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "it is nine"},
]


class Seeds:
    """Draws valid events; `known` are ids that the session has shown, `spoken` its answers'."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.known: list[str] = []
        self.spoken: list[str] = []
        self._recorded = _recorded()
        self._schemas = [model.model_json_schema() for model in MODELS.values()]
        self._beta_schemas = [model.model_json_schema() for model in BETA]
        self.beta = False
        """The client speaks the beta's dialect."""

    def reseed(self, chance: random.Random) -> None:
        """Begin another case."""
        self._chance, self.known, self.spoken = chance, [], []

    def event(self) -> Json:
        """Return an event, as a JSON value of its own."""
        drawn = self._chance.random()
        if drawn < 0.45:
            return self._common()
        if drawn < 0.65:
            return self._resolved(self._chance.choice(self._recorded))
        beta = self.beta and self._chance.random() < 0.6
        schema = self._chance.choice(self._beta_schemas if beta else self._schemas)
        return self._made(schema, schema.get("$defs", {}), "", 0)

    def an_id(self) -> str:
        """Return an id: mostly one of this session's."""
        if self.spoken and self._chance.random() < 0.3:
            return self._chance.choice(self.spoken[-4:])
        if self.known and self._chance.random() < 0.85:
            return self._chance.choice(self.known[-40:])
        return self._chance.choice(("none", "root", "", f"item_{1:021d}", f"resp_{1:021d}"))

    def audio(self) -> Json:
        """Return an append of up to two seconds, at most a mebibyte once in a while."""
        samples = self._chance.choice((0, 1, 240, 2_400, 2_400, 12_000, 48_000))
        audio = base64.b64encode(self._chance.randbytes(8) * (samples // 4)).decode()
        return {"type": "input_audio_buffer.append", "audio": audio}

    def _common(self) -> Json:
        choose, an_id = self._chance.choice, self.an_id
        return choose(
            (
                self.audio,
                self.audio,
                lambda: {"type": "input_audio_buffer.commit"},
                lambda: {"type": "input_audio_buffer.clear"},
                lambda: {"type": "response.create"},
                lambda: {"type": "response.create"},
                lambda: {"type": "response.create", "response": {"conversation": "none"}},
                lambda: {
                    "type": "response.create",
                    "response": {"input": [{"type": "item_reference", "id": an_id()}]},
                },
                lambda: {"type": "response.cancel"},
                lambda: {"type": "response.cancel", "response_id": an_id()},
                lambda: json.loads(json.dumps(choose(SESSIONS))),
                lambda: json.loads(json.dumps(choose(SESSIONS))),
                self._item,
                self._item,
                lambda: {**self._item(), "previous_item_id": an_id()},
                self._truncate,
                self._truncate,
                lambda: {"type": "conversation.item.retrieve", "item_id": an_id()},
                lambda: {"type": "conversation.item.delete", "item_id": an_id()},
                lambda: {"type": "output_audio_buffer.clear"},
            )
        )()

    def _truncate(self) -> Json:
        return {
            "type": "conversation.item.truncate",
            "item_id": self._chance.choice(self.spoken) if self.spoken else self.an_id(),
            "content_index": 0,
            "audio_end_ms": self._chance.choice((0, 1, 5, 10, 50, 400, 90_000)),
        }

    def opening(self) -> Json:
        """Return a first update, after which more can happen."""
        return json.loads(json.dumps(self._chance.choice(OPENINGS)))

    def _item(self) -> Json:
        item = json.loads(json.dumps(self._chance.choice(ITEMS)))
        if self._chance.random() < 0.3:
            item["id"] = f"mine_{self._chance.randrange(30)}"
        return {"type": "conversation.item.create", "item": item}

    def _resolved(self, value: Json) -> Json:
        """Copy a recorded value; a trace's placeholder becomes an id."""
        if isinstance(value, dict):
            return {key: self._resolved(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._resolved(part) for part in value]
        return self.an_id() if isinstance(value, str) and value.startswith("<") else value

    # --- what a schema allows ---

    def _made(self, schema: Json, defs: Json, name: str, depth: int) -> Json:
        if "$ref" in schema:
            return self._made(defs[schema["$ref"].rsplit("/", 1)[1]], defs, name, depth + 1)
        for union in ("anyOf", "oneOf", "allOf"):
            if union in schema:
                branches = schema[union]
                plain = [one for one in branches if "$ref" not in one]
                chosen = plain if depth > DEEPEST and plain else branches
                return self._made(self._chance.choice(chosen), defs, name, depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        kinds = {
            "object": self._object, "array": self._array, "string": self._string,
            "integer": self._integer, "number": self._number,
        }  # fmt: skip
        made = kinds.get(schema.get("type", "any"))
        if made is not None:
            return made(schema, defs, name, depth)
        if schema.get("type") == "boolean":
            return self._chance.random() < 0.5
        return None if schema.get("type") == "null" else self._chance.choice((1, "x", None, {}))

    def _object(self, schema: Json, defs: Json, name: str, depth: int) -> Json:
        needed = set(schema.get("required", ()))
        likely = 0.45 if depth < 4 else 0.2
        made = {
            key: self._made(part, defs, key, depth + 1)
            for key, part in schema.get("properties", {}).items()
            if key in needed or key == "type" or self._chance.random() < likely
        }
        extra = schema.get("additionalProperties")
        if not made and isinstance(extra, dict | bool) and extra:
            part = extra if isinstance(extra, dict) else {"type": "string"}
            for _ in range(self._chance.randrange(4)):
                made[self._chance.choice(NAMES)] = self._made(part, defs, "", depth + 1)
        return made

    def _array(self, schema: Json, defs: Json, name: str, depth: int) -> Json:
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
        count = self._chance.randint(least, max(least, most))
        return [self._made(schema.get("items", {}), defs, name, depth + 1) for _ in range(count)]

    def _string(self, schema: Json, _defs: Json, name: str, _depth: int) -> str:
        if name.endswith("id") and name != "event_id":
            return self.an_id() if name != "id" else f"made_{self._chance.randrange(50)}"
        known = {
            "audio": base64.b64encode(bytes(4_800)).decode(), "image_url": IMAGE,
            "name": self._chance.choice(NAMES), "arguments": '{"a":1}',
            "event_id": f"own_{self._chance.randrange(9)}", "voice": "marin",
            "model": self._chance.choice(("gpt-realtime", "whisper-1", "gpt-live-transcribe")),
            "language": self._chance.choice(("en", "de", "xx-YY")),
        }  # fmt: skip
        text = known.get(name) or self._chance.choice(TEXT)
        least, most = schema.get("minLength", 0), schema.get("maxLength", 10_000)
        return text.ljust(least, "x")[:most]

    def _integer(self, schema: Json, *_: Json) -> int:
        least, most = schema.get("minimum", 0), schema.get("maximum", 5_000)
        return self._chance.choice((least, most, self._chance.randint(least, max(least, most))))

    def _number(self, schema: Json, *_: Json) -> float:
        least, most = schema.get("minimum", 0.0), schema.get("maximum", 2.0)
        return self._chance.choice((least, most, (least + most) / 2))


def _recorded() -> list[Json]:
    """Return the client events of every trace that is there."""
    found = []
    for folder in (TRACES, PUBLIC_TRACES):
        for path in sorted(folder.rglob("*.jsonl")):
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                event = entry.get("ev") if entry.get("dir") == "C>S" else entry.get("sent")
                if isinstance(event, dict) and event.get("type") != "input_audio_buffer.append":
                    found.append(event)
    return found
