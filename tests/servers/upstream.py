"""A foreign Realtime endpoint that does what it is told: `python -m tests.servers.upstream`.

Prints its port; an argument is a folder of recordings. Its ids are of another kind than ours, its keys stand in another
order, and it says things that nobody knows (`vendor.hint`). With `?model=` and
the name of a recording it plays that recording; otherwise it answers in words.

A client steers it by `{"type": "vendor.do", "what": …}`: `die`, `garbage`,
`binary`, `big`, `expire`, `fatal`, `account`, `refuse`, `close`, `flood`. A written item
whose text begins with `do:` makes the next response do so after its first word;
`do:hang` says nothing more, `do:mute` does not even begin; `call` makes it call a function,
`half-call` die in the middle of that; `speak:MS` makes it speak, `speak-on:MS` speak without an end.
`vendor.do` `speech` hears the caller begin, which ends what it says. The model `brief` has sessions of 2 s. `vendor.tell`
returns what it was sent (`only` of a type), `vendor.forget` forgets it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).parents[2]
KEY = "upstream-secret-key"
CONTROL = "control"
"""The model of a connection that is never refused."""

BRIEF = "brief"
BRIEF_S = 2
CALL = {"type": "function_call", "call_id": "their~call", "name": "weather", "status": "completed"}
ARGUMENTS = '{"place":"Bern"}'
PIECE_MS = 100
BIG_BYTES = 15 * 1024 * 1024
FLOOD = 4_000
WORDS = ("All ", "is ", "well.")
USAGE = {
    "total_tokens": 30, "input_tokens": 20, "output_tokens": 10,
    "input_token_details": {"text_tokens": 20, "audio_tokens": 0, "image_tokens": 0,
                            "cached_tokens": 0},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 0},
}  # fmt: skip
SESSION: dict[str, Any] = {
    "id": "foreign/sess-1", "object": "realtime.session", "type": "realtime",
    "model": "their-name", "output_modalities": ["text"], "instructions": "Be foreign.",
    "tools": [], "tool_choice": "auto", "max_output_tokens": "inf", "tracing": None,
    "truncation": "auto", "prompt": None, "expires_at": 1, "include": None,
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "transcription": None,
                  "noise_reduction": None, "turn_detection": None},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
    },
}  # fmt: skip


def tone(ms: int) -> bytes:
    """Return something to hear: 24 kHz, 16 bit."""
    wave = [int(8_000 * math.sin(place * math.tau / 54.0)) for place in range(24 * ms)]
    return struct.pack(f"<{len(wave)}h", *wave)


class Upstream:
    """What all connections share; `broken` connections are refused from now on."""

    def __init__(self, recordings: Path) -> None:
        self.recordings = recordings
        self.forget()

    def forget(self) -> None:
        """Begin anew, for another test."""
        self.connections = 0
        self.received: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.identifiers: list[str | None] = []
        self.last_item = ""
        self.broken = 0

    async def serve(self, socket: ServerConnection) -> None:
        """Serve one connection."""
        request = socket.request
        assert request is not None
        self.connections += 1
        self.headers.append(
            request.headers.get("Authorization") or request.headers.get("api-key") or ""
        )
        self.identifiers.append(request.headers.get("OpenAI-Safety-Identifier"))
        model = parse_qs(urlsplit(request.path).query).get("model", [""])[0]
        session = Session(self, socket, number=self.connections, brief=model == BRIEF)
        try:
            if KEY not in self.headers[-1] or (self.broken and model != CONTROL):
                self.broken = max(self.broken - 1, 0)
                await session.refuse()
            elif (self.recordings / f"{model}.jsonl").exists():
                await session.play(self.recordings / f"{model}.jsonl")
            else:
                await session.talk()
        except ConnectionClosed:
            pass


class Session:
    """One connection."""

    def __init__(
        self, upstream: Upstream, socket: ServerConnection, *, number: int, brief: bool
    ) -> None:
        self._upstream = upstream
        self._socket = socket
        self._number = number
        self._events = 0
        self._session = json.loads(json.dumps(SESSION))
        if brief:
            self._session["expires_at"] = int(time.time()) + BRIEF_S
        self._previous: str | None = None
        self._speaking: dict[str, Any] | None = None
        """The response that is spoken without an end."""

    async def send(self, **event: Any) -> None:
        """Send an event, its keys in another order than ours, with spaces."""
        self._events += 1
        body = {"event_id": f"foreign-{self._number}-{self._events}", **event}
        if self._events % 2:
            body = dict(reversed(body.items()))
        await self._socket.send(json.dumps(body))

    async def refuse(self) -> None:
        """Say what OpenAI says for a wrong key."""
        error = {
            "type": "invalid_request_error",
            "code": "invalid_api_key",
            "message": f"Incorrect API key provided: {KEY}.",
        }
        await self.send(type="error", error=error)
        await self._socket.close(3000, "invalid_request_error.invalid_api_key")

    # --- a recording ---

    async def play(self, recording: Path) -> None:
        """Send what the service sent; wait where a client spoke, for the same type."""
        lines = [json.loads(line) for line in recording.read_text().splitlines()]
        for line in lines:
            event = line["ev"]
            if line["dir"] == "C>S":
                while json.loads(await self._socket.recv())["type"] != event["type"]:
                    pass
                continue
            await self.send(**{key: value for key, value in event.items() if key != "event_id"})
            await self.send(type="vendor.hint", hint={"of": event["type"], "n": 1.0})
        await self._socket.wait_closed()

    # --- a conversation ---

    async def talk(self) -> None:
        """Answer whatever comes."""
        await self.send(type="session.created", session=self._session)
        async for text in self._socket:
            event = json.loads(text)
            if event["type"] not in {"vendor.tell", "vendor.forget"}:
                self._upstream.received.append(event)
            match event["type"]:
                case "session.update":
                    _merge(self._session, event["session"])
                    await self.send(type="session.updated", session=self._session)
                case "conversation.item.create":
                    await self._item(event["item"])
                case "response.create":
                    await self._respond()
                case "conversation.item.truncate":
                    about = {
                        key: event[key] for key in ("item_id", "content_index", "audio_end_ms")
                    }
                    await self.send(type="conversation.item.truncated", **about)
                case "vendor.do":
                    await self.do(event["what"])
                case "vendor.break":
                    self._upstream.broken = event["connections"]
                case "vendor.tell":
                    await self._tell(event.get("only"))
                case "vendor.forget":
                    self._upstream.forget()
                    await self.send(type="vendor.forgotten")

    async def _tell(self, kind: str | None) -> None:
        up = self._upstream
        received = [event for event in up.received if kind in {None, event["type"]}]
        await self.send(
            type="vendor.told",
            connections=up.connections,
            received=received,
            identifiers=up.identifiers,
            authorised=[KEY in header for header in up.headers],
        )

    async def _item(self, item: dict[str, Any]) -> None:
        content = item.get("content") or [{}]
        self._upstream.last_item = str(content[0].get("text", ""))
        shown = {"id": f"their~item{self._events}", "status": "completed", **item}
        await self._show(shown)

    async def _show(self, item: dict[str, Any]) -> None:
        previous, self._previous = self._previous, item["id"]
        for kind in ("added", "done"):
            await self.send(type=f"conversation.item.{kind}", previous_item_id=previous, item=item)

    async def _respond(self) -> None:
        wanted = self._upstream.last_item
        self._upstream.last_item = ""
        if wanted == "do:mute":
            return
        number = f"{self._number}-{self._events}"
        response: dict[str, Any] = {
            "object": "realtime.response", "id": f"their~resp{number}", "status": "in_progress",
            "status_details": None, "output": [], "conversation_id": "their~conv",
            "output_modalities": ["text"], "max_output_tokens": "inf",
            "audio": {"output": self._session["audio"]["output"]}, "usage": None, "metadata": None,
        }  # fmt: skip
        item = {
            "id": f"their~answer{number}", "type": "message", "status": "in_progress",
            "role": "assistant", "content": [],
        }  # fmt: skip
        place = {"response_id": response["id"], "output_index": 0}
        await self.send(type="response.created", response=response)
        if wanted.endswith("call"):
            await self._call(response, half=wanted == "half-call")
            return
        await self.send(type="response.output_item.added", **place, item=item)
        if wanted.startswith("speak"):
            await self._speak(response, item, ms=int(wanted.partition(":")[2]))
            if wanted.startswith("speak:"):
                await self._spoken(status="completed")
            return
        for delta in WORDS:
            await self.send(
                type="response.output_text.delta", **place,
                item_id=item["id"], content_index=0, delta=delta,
            )  # fmt: skip
            if wanted.startswith("do:"):
                await self.do(wanted.removeprefix("do:"))
                return
        done = {
            **item, "status": "completed",
            "content": [{"type": "output_text", "text": "".join(WORDS)}],
        }  # fmt: skip
        await self._show(done)
        await self.send(type="response.output_item.done", **place, item=done)
        ended = {**response, "status": "completed", "output": [done], "usage": USAGE}
        await self.send(type="response.done", response=ended)
        await self.send(type="rate_limits.updated", rate_limits=[{"name": "their limit"}])

    async def _speak(self, response: dict[str, Any], item: dict[str, Any], *, ms: int) -> None:
        place = {
            "response_id": response["id"], "output_index": 0, "item_id": item["id"],
            "content_index": 0,
        }  # fmt: skip
        self._speaking = {**response, "output": [item]}
        part = {"type": "audio", "transcript": ""}
        await self.send(type="response.content_part.added", **place, part=part)
        await self.send(type="response.output_audio_transcript.delta", **place, delta="La.")
        for start in range(0, ms, PIECE_MS):
            delta = base64.b64encode(tone(min(PIECE_MS, ms - start))).decode()
            await self.send(type="response.output_audio.delta", **place, delta=delta)

    async def _spoken(self, *, status: str) -> None:
        """End what is spoken."""
        response, self._speaking = self._speaking, None
        if response is not None:
            await self.send(type="response.done", response={**response, "status": status})

    async def _call(self, response: dict[str, Any], *, half: bool) -> None:
        call = {"id": f"their~call{self._events}", **CALL}
        begun = {**call, "status": "in_progress", "arguments": ""}
        place = {"response_id": response["id"], "output_index": 0}
        await self.send(type="response.output_item.added", **place, item=begun)
        await self.send(type="conversation.item.added", previous_item_id=self._previous, item=begun)
        kind = "response.function_call_arguments"
        delta = ARGUMENTS[:8] if half else ARGUMENTS
        await self.send(type=f"{kind}.delta", **place, item_id=call["id"], delta=delta)
        if half:
            self._socket.transport.abort()
            return
        done = {**call, "arguments": ARGUMENTS}
        await self.send(type=f"{kind}.done", **place, item_id=call["id"], arguments=ARGUMENTS)
        previous, self._previous = self._previous, call["id"]
        await self.send(type="conversation.item.done", previous_item_id=previous, item=done)
        await self.send(type="response.output_item.done", **place, item=done)
        ended = {**response, "status": "completed", "output": [done], "usage": USAGE}
        await self.send(type="response.done", response=ended)

    async def do(self, what: str) -> None:
        """Misbehave."""
        match what:
            case "die":
                self._socket.transport.abort()
            case "die-in-speech":
                kind = "input_audio_buffer.speech_started"
                await self.send(type=kind, audio_start_ms=40, item_id="their~said")
                self._socket.transport.abort()
            case "speech":
                kind = "input_audio_buffer.speech_started"
                await self.send(type=kind, audio_start_ms=40, item_id="their~said")
                await self._spoken(status="cancelled")
            case "garbage":
                await self._socket.send('{"type":"response.output_text.delta", not json')
            case "binary":
                await self._socket.send(b"\x00\x01")
            case "big":
                await self.send(type="vendor.big", body="x" * BIG_BYTES)
            case "flood":
                for place in range(FLOOD):
                    await self.send(type="vendor.flood", place=place, body="x" * 4_096)
            case "expire":
                error = {
                    "type": "invalid_request_error",
                    "code": "session_expired",
                    "message": "Your session hit the maximum duration of 60 minutes.",
                }
                await self.send(type="error", error=error)
                await self._socket.close(1001, error["message"])
            case "fatal":
                error = {
                    "type": "invalid_request_error",
                    "code": "content_refused",
                    "message": "Not this.",
                }
                await self.send(type="error", error=error)
                await self._socket.close(4000, "invalid_request_error.content_refused")
            case "account":
                error = {
                    "type": "insufficient_quota",
                    "code": "insufficient_quota",
                    "message": f"Organisation org-77 with key {KEY} has no credit.",
                }
                await self.send(type="error", error=error)
            case "refuse":
                await self.refuse()
            case "close":
                await self._socket.close(1011, "went wrong")
            case _:
                pass  # say nothing more


def _merge(old: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        else:
            old[key] = value


async def main() -> None:
    """Serve until killed."""
    upstream = Upstream(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    async with serve(upstream.serve, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


@contextmanager
def running(recordings: Path = ROOT) -> Iterator[str]:
    """Start one as its own process; yield its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.upstream", str(recordings)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}/v1/realtime"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(main())
