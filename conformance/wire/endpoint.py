"""A raw WebSocket to an endpoint; whatever comes in is kept as it came."""

from __future__ import annotations

import asyncio
import json
import ssl
import tomllib
import urllib.error
import urllib.request
import wave
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

Event = dict[str, Any]

QUESTION = Path(__file__).parents[1] / "audio" / "what_time_is_it.wav"
QUESTION_WORDS = "what time is it"
BYTES_PER_MS = 48
PIECE_BYTES = 100 * BYTES_PER_MS
TRAILING_SILENCE_MS = 1_000
DEFAULT_TIMEOUT_S = 30.0

_TABLE = Path(__file__).parents[1] / "compatibility.toml"
_BETA_ONLY = ("conversation.created", "conversation.item.created")
KNOWN = frozenset((*tomllib.loads(_TABLE.read_text())["events"]["server"], *_BETA_ONLY))
"""Events of the contract; a scenario passes over others, as every client does (CONTRACT 20)."""


class Broken(Exception):
    """A rule of the contract does not hold; the text is the reason."""


class NotRun(Exception):
    """The scenario could not be brought about here; the text says why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call, and as whom; waiting longer than `timeout_s` for an event is a failure."""

    base_url: str
    key: str
    model: str = "gpt-realtime"
    authority: Path | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S

    @property
    def socket_url(self) -> str:
        """The socket's URL without a query."""
        return self.base_url.rstrip("/").replace("http", "ws", 1) + "/realtime"

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context, or None without TLS."""
        if not self.socket_url.startswith("wss"):
            return None
        return ssl.create_default_context(cafile=self.authority)


@dataclass(frozen=True, slots=True)
class Frame:
    """A server event as it came: the text, and what it says."""

    scenario: str
    raw: str
    event: Event


@dataclass
class Wire:
    """Opens connections for one scenario, and keeps every frame."""

    endpoint: Endpoint
    scenario: str
    frames: list[Frame] = field(default_factory=list)

    @asynccontextmanager
    async def dial(
        self, query: str | None = None, *, key: str | None = None, **options: Any
    ) -> AsyncIterator[Talk]:
        """Connect as given; an empty key sends no credential."""
        key = self.endpoint.key if key is None else key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= options.pop("headers", {})
        query = f"?model={self.endpoint.model}" if query is None else query
        async with websockets.connect(
            self.endpoint.socket_url + query,
            additional_headers=headers,
            ssl=self.endpoint.context(),
            open_timeout=self.endpoint.timeout_s,
            max_size=None,
            compression=None,
            **options,
        ) as socket:
            yield Talk(socket, self)

    async def post(self, path: str, body: Event) -> Event:
        """POST to a path below the base URL; return the JSON of a 200."""
        endpoint = self.endpoint
        asked = urllib.request.Request(
            endpoint.base_url.rstrip("/") + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {endpoint.key}", "Content-Type": "application/json"},
        )

        def answer() -> Event:
            context, timeout_s = endpoint.context(), endpoint.timeout_s
            with urllib.request.urlopen(asked, timeout=timeout_s, context=context) as answered:
                return dict(json.load(answered))

        try:
            return await asyncio.to_thread(answer)
        except urllib.error.HTTPError as refused:
            raise Broken(f"POST {path} answers {refused.code}: {refused.read()[:200]!r}") from None

    @asynccontextmanager
    async def session(self, **session: Any) -> AsyncIterator[Talk]:
        """Connect, see `session.created`, and update the session when something is given."""
        async with self.dial() as talk:
            created = await talk.receive()
            if created["type"] != "session.created":
                raise Broken(f"the first event is {created['type']}: {created.get('error')}")
            if session:
                await talk.send("session.update", session={"type": "realtime", **session})
                await talk.until("session.updated")
            yield talk


class Talk:
    """One connection."""

    def __init__(self, socket: ClientConnection, wire: Wire) -> None:
        self.socket = socket
        self._wire = wire

    async def send(self, kind: str, **event: Any) -> None:
        """Send an event."""
        await self.socket.send(json.dumps({"type": kind, **event}))

    async def receive(self) -> Event:
        """Return the next event that the contract knows."""
        while (event := await self._next())["type"] not in KNOWN:
            pass
        return event

    async def _next(self) -> Event:
        try:
            async with asyncio.timeout(self._wire.endpoint.timeout_s):
                raw = await self.socket.recv()
        except TimeoutError:
            raise Broken(f"no event for {self._wire.endpoint.timeout_s:.0f} s") from None
        if isinstance(raw, bytes):
            raise Broken("a BINARY frame; every server event is TEXT (CONTRACT 4)")
        event = json.loads(raw)
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise Broken(f"not an event: {raw[:200]}")
        self._wire.frames.append(Frame(self._wire.scenario, raw, event))
        return event

    async def until(self, kind: str, *, allow_error: bool = False) -> list[Event]:
        """Return the events up to and with the first of a type; an `error` before it is broken."""
        events: list[Event] = []
        while not events or events[-1]["type"] != kind:
            events.append(await self.receive())
            if events[-1]["type"] == "error" and kind != "error" and not allow_error:
                raise Broken(f"error instead of {kind}: {events[-1].get('error')}")
        return events

    async def one(self, kind: str) -> Event:
        """Return the next event of a type, after any number of others."""
        return (await self.until(kind))[-1]

    async def error(self, code: str | None, **fields: Any) -> Event:
        """Return the body of the next `error`, which must have this code and these fields."""
        body: Event = (await self.one("error"))["error"]
        for name, wanted in {"code": code, **fields}.items():
            if body.get(name) != wanted:
                raise Broken(f"error.{name} is {body.get(name)!r}, expected {wanted!r}: {body}")
        return body

    async def settled(self) -> list[Event]:
        """Return all that comes before the answer to a clear: what was sent has been dealt with."""
        await self.send("input_audio_buffer.clear")
        return (await self.until("input_audio_buffer.cleared", allow_error=True))[:-1]

    async def say(self, text: str) -> Event:
        """Add a user's text; return the added item."""
        await self.send("conversation.item.create", item=user_text(text))
        events = await self.until("conversation.item.done")
        added: Event = events[-1]["item"]
        return added

    async def speak(self, audio: bytes | None = None) -> None:
        """Append the recorded question and silence after it, or other audio."""
        if audio is None:
            audio = question() + bytes(TRAILING_SILENCE_MS * BYTES_PER_MS)
        for place in range(0, len(audio), PIECE_BYTES):
            piece = b64encode(audio[place : place + PIECE_BYTES]).decode()
            await self.send("input_audio_buffer.append", audio=piece)

    async def answer(self, **response: Any) -> list[Event]:
        """Ask for a response; return its events, `response.done` last."""
        await self.send("response.create", **({"response": response} if response else {}))
        return await self.until("response.done")


def question() -> bytes:
    """Return the recorded question: 24 kHz, 16 bit, mono."""
    with wave.open(str(QUESTION)) as file:
        return bytes(file.readframes(file.getnframes()))


def user_text(text: str) -> Event:
    """Return a user message item."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
