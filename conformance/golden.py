"""Golden traces: what a session must send, written from the contract, and how it is compared.

Pure: a trace is read and played against a `Stage`, which may be the protocol
machine with a scripted engine or a server at the other end of a socket. The
notation is explained in `conformance/traces/README.md`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

TRACES = Path(__file__).parent / "traces"
PCM_BYTES_PER_MS = 48
"""Bytes per millisecond of 16-bit mono PCM at 24,000 samples per second."""

SERVER, CLIENT, ENGINE, ASKED = "S>C", "C>S", "engine", "S>E"
HEADER_KEYS = ("trace", "about", "contract", "provenance", "reviewed")

_ID = re.compile(r"<(item|resp|conv|sess|call):([\w-]+)>")
_REST = "<...>"
_RANGE = re.compile(r"<integer:(\d+)\.\.(\d+)>")
_AUDIO = re.compile(r"<audio:(\d+)(?:\.\.(\d+))?>")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "<string>": (str,),
    "<integer>": (int,),
    "<decimal>": (float,),
    "<object>": (dict,),
}
_WIRE_ID = "[A-Za-z0-9]{21}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a trace: who acts, and what."""

    number: int
    dir: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trace:
    """A golden trace."""

    path: Path
    header: Mapping[str, Any]
    lines: tuple[Line, ...]

    @property
    def name(self) -> str:
        """The trace's place below the folder of traces, without suffix."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def traits(self) -> Mapping[str, Any]:
        """What the trace asks of the engine or the session before it starts."""
        traits: Mapping[str, Any] = self.header.get("with", {})
        return traits

    @property
    def scripted(self) -> bool:
        """True if it needs an engine that does what the trace says."""
        return any(line.dir in {ENGINE, ASKED} for line in self.lines)


class Stage(Protocol):
    """Where a trace is played."""

    def send(self, line: Mapping[str, Any]) -> None:
        """Do what a client line says: send `ev`, or the frame `raw` or `binary`."""

    def act(self, line: Mapping[str, Any]) -> None:
        """Let the engine, the caller or the clock do what an engine line says."""

    def asked(self) -> Mapping[str, Any] | None:
        """Return what the engine was asked since the last call, None for nothing."""

    def take(self) -> Mapping[str, Any] | None:
        """Return the next server event or `{"close": [code, reason]}`, None if none comes."""

    def unasked(self) -> Mapping[str, Any] | None:
        """Return an event that came and that no line expects, None for none."""


def read(path: Path) -> Trace:
    """Read a trace file."""
    rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines() if row]
    header, *rest = rows
    lines = tuple(
        Line(number, row["dir"], {key: value for key, value in row.items() if key != "dir"})
        for number, row in enumerate(rest, start=2)
    )
    return Trace(path, header, lines)


def traces(root: Path = TRACES) -> list[Trace]:
    """Return every trace, in order of area and name."""
    return [read(path) for path in sorted(root.glob("*/*.jsonl"))]


@dataclass(slots=True)
class Matcher:
    """Compares values with what is expected; a name stands for one value in a whole trace."""

    bound: dict[str, str] = field(default_factory=dict)
    seen_events: set[str] = field(default_factory=set)

    def filled(self, value: Any) -> Any:
        """Return a client's or engine's line with the names replaced by their values."""
        if isinstance(value, dict):
            return {key: self.filled(below) for key, below in value.items()}
        if isinstance(value, list):
            return [self.filled(below) for below in value]
        if isinstance(value, str):
            return _ID.sub(lambda found: self.bound[found[0]], value)
        return value

    def differences(self, expected: Any, actual: Any, path: str = "") -> Iterator[str]:
        """Tell each place where the actual value is not the expected one."""
        if isinstance(expected, str):
            if not self._text(expected, actual):
                yield f"{path}: expected {expected!r}, got {actual!r}"
        elif type(actual) is not type(expected):
            yield f"{path}: expected {expected!r}, got {actual!r}"
        elif isinstance(expected, dict):
            yield from self._objects(expected, actual, path)
        elif isinstance(expected, list):
            if len(actual) != len(expected):
                yield f"{path}: expected {len(expected)} elements, got {actual!r}"
            for place, (mine, theirs) in enumerate(zip(expected, actual, strict=False)):
                yield from self.differences(mine, theirs, f"{path}[{place}]")
        elif actual != expected:
            yield f"{path}: expected {expected!r}, got {actual!r}"

    def _objects(
        self, expected: dict[str, Any], actual: dict[str, Any], path: str
    ) -> Iterator[str]:
        if list(actual) != list(expected):
            yield f"{path}: expected the keys {list(expected)}, got {list(actual)}"
        for key, value in expected.items():
            if key in actual:
                yield from self.differences(value, actual[key], f"{path}.{key}")

    def _text(self, expected: str, actual: Any) -> bool:
        kinds = _KINDS.get(expected)
        if kinds is not None:
            return type(actual) in kinds
        bounds = _RANGE.fullmatch(expected)
        if bounds is not None:
            return type(actual) is int and int(bounds[1]) <= actual <= int(bounds[2])
        if type(actual) is not str:
            return False
        if expected == "<event>":
            return self._fresh_event(actual)
        audio = _AUDIO.fullmatch(expected)
        if audio is not None:
            return _is_long(audio_ms(actual), audio)
        return self._names(expected, actual)

    def _fresh_event(self, actual: str) -> bool:
        fresh = actual not in self.seen_events
        self.seen_events.add(actual)
        return fresh and re.fullmatch(f"event_{_WIRE_ID}", actual) is not None

    def _names(self, expected: str, actual: str) -> bool:
        """Match a text with names in it; a name that is new takes an id of its kind."""
        pattern, at, names = "", 0, []
        for found in _ID.finditer(expected):
            pattern += _literal(expected[at : found.start()])
            held = self.bound.get(found[0])
            pattern += f"({re.escape(held) if held else _form(found[1])})"
            names.append(found[0])
            at = found.end()
        match = re.fullmatch(pattern + _literal(expected[at:]), actual)
        if match is None:
            return False
        return all(
            self._bind(name, value) for name, value in zip(names, match.groups(), strict=True)
        )

    def _bind(self, name: str, value: str) -> bool:
        others = (held for other, held in self.bound.items() if other != name)
        return value not in others and self.bound.setdefault(name, value) == value


def _form(kind: str) -> str:
    """Return the pattern of an id that the server makes (CONTRACT 17)."""
    return "call_[A-Za-z0-9]{16,}" if kind == "call" else f"{kind}_{_WIRE_ID}"


def _literal(text: str) -> str:
    """Return the pattern of a text that may leave parts of it open."""
    return ".*".join(re.escape(part) for part in text.split(_REST))


def audio_ms(text: str) -> float:
    """Return how much PCM the base64 text holds, -1 if it is none."""
    try:
        return len(base64.b64decode(text, validate=True)) / PCM_BYTES_PER_MS
    except (binascii.Error, ValueError):
        return -1


def _is_long(held_ms: float, expected: re.Match[str]) -> bool:
    return int(expected[1]) <= held_ms <= int(expected[2] or expected[1])


def _named(expected: Any, actual: Any) -> Any:
    """Return the actual value without the keys that the expected one does not name."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: _named(expected[key], actual[key]) for key in expected if key in actual}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [_named(mine, theirs) for mine, theirs in zip(expected, actual, strict=True)]
    return actual


class Player:
    """Plays one trace and collects what differs."""

    def __init__(self, trace: Trace, stage: Stage) -> None:
        self._trace = trace
        self._stage = stage
        self._matcher = Matcher()
        self._held: Mapping[str, Any] | None = None
        self.differences: list[str] = []
        self.events: list[Mapping[str, Any]] = []
        """Every server event that came, for rules over all traces."""

    def play(self) -> list[str]:
        """Play to the end, or to the first line that differs; return the differences."""
        answered = True
        for line in self._trace.lines:
            stimulus = line.dir in {CLIENT, ENGINE}
            if stimulus and answered:
                self._expect_nothing(line.number)
            answered = not stimulus
            if not self.differences:
                self._step(line)
            if self.differences:
                return self.differences
        self._expect_nothing(len(self._trace.lines) + 2)
        return self.differences

    def _step(self, line: Line) -> None:
        if line.dir == CLIENT:
            self._stage.send(self._matcher.filled(line.body))
        elif line.dir == ENGINE:
            self._stage.act(self._matcher.filled(line.body))
        elif line.dir == ASKED:
            self._compare_request(line)
        elif "deltas" in line.body:
            self._compare_deltas(line)
        else:
            self._compare(line)

    def _tell(self, number: int, text: str) -> None:
        self.differences.append(f"{self._trace.name}:{number} {text}")

    def _next(self) -> Mapping[str, Any] | None:
        held, self._held = self._held, None
        if held is not None:
            return held
        came = self._stage.take()
        if came is not None:
            self.events.append(came)
        return came

    def _expect_nothing(self, number: int) -> None:
        extra = self._held if self._held is not None else self._stage.unasked()
        if extra is not None:
            self._tell(number, f"before this line nothing more was expected, got {extra}")

    def _compare(self, line: Line) -> None:
        expected = line.body.get("ev", {"close": line.body.get("close")})
        actual = self._next()
        if actual is None:
            self._tell(line.number, f"expected {expected}, got nothing")
        elif actual.get("type") != expected.get("type"):
            self._tell(line.number, f"expected {expected}, got {actual}")
        else:
            for difference in self._matcher.differences(expected, dict(actual)):
                self._tell(line.number, difference)

    def _compare_request(self, line: Line) -> None:
        asked = self._stage.asked()
        if asked is None:
            self._tell(line.number, "the engine was not asked")
            return
        expected = line.body["request"]
        for difference in self._matcher.differences(expected, _named(expected, asked)):
            self._tell(line.number, difference)

    def _compare_deltas(self, line: Line) -> None:
        """Compare streams of deltas: any number of events, freely interleaved, joined."""
        streams = {expected["type"]: expected for expected in line.body["deltas"]}
        joined: dict[str, list[str]] = {kind: [] for kind in streams}
        first = next(iter(streams))
        while (actual := self._next()) is not None:
            kind = actual.get("type", "")
            if kind not in streams:
                self._held = actual
                break
            expected = {**streams[kind], "delta": "<string>"}
            for difference in self._matcher.differences(expected, dict(actual)):
                self._tell(line.number, difference)
            if kind != first and not joined[first]:
                self._tell(line.number, f"expected {first} before {kind}")
            joined[kind].append(str(actual.get("delta")))
        for kind, expected in streams.items():
            self._compare_joined(line.number, kind, expected["delta"], joined[kind])

    def _compare_joined(self, number: int, kind: str, expected: str, parts: list[str]) -> None:
        audio = _AUDIO.fullmatch(expected)
        if audio is None:
            if "".join(parts) != expected or "" in parts:
                self._tell(number, f"{kind}: expected {expected!r} in deltas, got {parts!r}")
        elif not _is_long(held := sum(audio_ms(part) for part in parts), audio):
            self._tell(number, f"{kind}: expected {expected} in deltas, got {held} ms")


def play(trace: Trace, stage: Stage) -> list[str]:
    """Play a trace and return what differs from it."""
    return Player(trace, stage).play()
