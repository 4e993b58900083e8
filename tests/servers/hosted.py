"""OpenAI's speech endpoints by what the model's name says, on HTTP.

A transcription really hears the uploaded tones; speech is a hum as long as its text.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import wave
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.servers.tones import heard, spoken, unwrapped

CHUNK_S = 0.1
PACE = 20
HUGE = 15 * 1024 * 1024


def form(request: Request, body: bytes) -> dict[str, Any]:
    """Return the fields of a multipart form; the file's content as bytes."""
    found = re.search(r'boundary="?([^";]+)', request.headers["content-type"])
    assert found is not None
    fields: dict[str, Any] = {}
    for part in body.split(b"--" + found.group(1).encode())[1:-1]:
        head, _, content = part.removesuffix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        assert name is not None
        is_file = b"filename=" in head
        fields[name.group(1).decode()] = content if is_file else content.decode()
    return fields


class Hosted:
    """The endpoints."""

    def __init__(self, asked: list[dict[str, Any]]) -> None:
        self.asked = asked
        self._refused: set[str] = set()

    def routes(self) -> list[Route]:
        """Return them."""
        return [
            Route("/v1/audio/transcriptions", self.transcribe, methods=["POST"]),
            Route("/v1/audio/speech", self.speak, methods=["POST"]),
            Route("/v1/models", self.models),
        ]

    async def models(self, request: Request) -> Response:
        """List a model to who has the key."""
        if request.headers["authorization"] != "Bearer secret-key":
            return JSONResponse({"error": {"message": "no"}}, status_code=401)
        return JSONResponse({"object": "list", "data": [{"id": "words", "object": "model"}]})

    def _refusal(self, scenario: str) -> Response | None:
        error = {"error": {"message": "internal words", "type": "x"}}
        if scenario == "busy-once" and scenario not in self._refused:
            self._refused.add(scenario)
            return JSONResponse(error, status_code=429, headers={"retry-after-ms": "50"})
        if scenario.isdigit():
            return JSONResponse(error, int(scenario), headers={"retry-after-ms": "10"})
        if scenario == "garbage":
            return Response(b"<html>{nonsense", media_type="text/html")
        if scenario == "huge":
            return Response(b"[" * HUGE, media_type="application/json")
        return None

    # --- transcriptions ---

    async def transcribe(self, request: Request) -> Response:
        """Hear a file."""
        fields = form(request, await request.body())
        audio = unwrapped(fields.pop("file"))
        noted = {"what": "transcription", "bytes": len(audio), "done": False, **fields}
        self.asked.append(noted)
        scenario = fields["model"]
        if (refusal := self._refusal(scenario)) is not None:
            return refusal
        text = await asyncio.to_thread(heard, audio)
        if scenario == "hangs":
            await asyncio.sleep(3_600)
        if scenario == "slow":
            await asyncio.sleep(0.5)
        noted["done"] = True
        if fields.get("stream") == "true" and scenario != "whole":
            events = self._events(text, scenario, "include[]" in fields)
            return StreamingResponse(events, media_type="text/event-stream")
        return JSONResponse(self._answer(text, fields))

    def _answer(self, text: str, fields: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"text": text}
        if fields["response_format"] == "verbose_json":
            segments = [{"id": 0, "text": f" {text}", "avg_logprob": -0.25}] if text else []
            answer |= {"task": "transcribe", "language": "english", "segments": segments}
        if "include[]" in fields:
            answer["logprobs"] = self._logprobs(text)
        return answer

    def _logprobs(self, text: str) -> list[dict[str, Any]]:
        return [
            {"token": f" {word}" if n else word, "logprob": -0.5, "bytes": []}
            for n, word in enumerate(text.split())
        ]

    async def _events(self, text: str, scenario: str, scored: bool) -> AsyncIterator[str]:
        for number, word in enumerate(text.split()):
            delta = f" {word}" if number else word
            yield self._event({"type": "transcript.text.delta", "delta": delta})
            await asyncio.sleep(0.02)
            if scenario == "drops" and number == 1:
                raise ConnectionResetError
        if scenario == "hangs-late":
            await asyncio.sleep(3_600)
        done: dict[str, Any] = {"type": "transcript.text.done", "text": text}
        yield self._event(done | ({"logprobs": self._logprobs(text)} if scored else {}))

    def _event(self, event: dict[str, Any]) -> str:
        return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"

    # --- speech ---

    async def speak(self, request: Request) -> Response:
        """Hum a text."""
        body = await request.json()
        noted = {"what": "speech", "whole": False, "closed": False, **body}
        self.asked.append(noted)
        scenario = body["model"]
        if (refusal := self._refusal(scenario)) is not None:
            return refusal
        return StreamingResponse(self._hum(body, scenario, noted), media_type="audio/pcm")

    async def _hum(
        self, body: dict[str, Any], scenario: str, noted: dict[str, Any]
    ) -> AsyncIterator[bytes]:
        rate = 16_000 if scenario.endswith("16000") else 24_000
        audio = b"" if scenario == "empty" else spoken(body["input"], rate)
        if body["response_format"] == "wav":
            audio = _file(audio, rate)
        step = int(CHUNK_S * rate) * 2 + 1  # odd: samples are torn, as networks tear them
        try:
            for place in range(0, len(audio), step):
                yield audio[place : place + step]
                await asyncio.sleep(CHUNK_S / PACE)
                if scenario == "drops":
                    raise ConnectionResetError
                if scenario == "hangs":
                    await asyncio.sleep(3_600)
            noted["whole"] = True
        finally:
            noted["closed"] = True


def _file(audio: bytes, rate: int) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(audio)
    return held.getvalue()
