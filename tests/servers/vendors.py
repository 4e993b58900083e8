"""Speech services on WebSockets by what the model's name says: a listen socket, a context socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.servers.tones import WORD_BYTES, heard, spoken

SEGMENT_BYTES = 2 * WORD_BYTES
"""Audio after which the service calls its words final unasked."""

CHUNK_BYTES = 4_800
PACE_S = 0.005
HUGE = 15 * 1024 * 1024


async def refuse(socket: WebSocket, status: int) -> None:
    """Answer the handshake with a status."""
    raise HTTPException(status, headers={"retry-after": "0.05"})


class Vendors:
    """The services."""

    def __init__(self, asked: list[dict[str, Any]]) -> None:
        self.asked = asked
        self._refused = False

    def routes(self) -> list[WebSocketRoute]:
        """Return them."""
        return [
            WebSocketRoute("/v1/listen", self.listen),
            WebSocketRoute("/tts/websocket", self.contexts),
        ]

    async def _admit(self, socket: WebSocket, scenario: str, allowed: bool) -> None:
        if scenario == "busy-once" and not self._refused:
            self._refused = True
            await refuse(socket, 429)
        if scenario.isdigit():
            await refuse(socket, int(scenario))
        if not allowed:
            await refuse(socket, 401)
        await socket.accept()

    # --- listen ---

    async def listen(self, socket: WebSocket) -> None:
        """Hear tones; finals come by the segment, at `Finalize` and at `CloseStream`."""
        query = socket.query_params
        noted: dict[str, Any] = {"what": "listen", "messages": [], **query}
        self.asked.append(noted)
        scenario = query["model"]
        allowed = socket.headers["authorization"] == "Token secret-key"
        await self._admit(socket, scenario, allowed)
        assert (query["encoding"], query["sample_rate"]) == ("linear16", "24000")
        pending = bytearray()
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if message.get("bytes") is not None:
                    pending += message["bytes"]
                    await self._heard(socket, pending, scenario)
                    continue
                kind = json.loads(message["text"])["type"]
                noted["messages"].append(kind)
                if kind != "KeepAlive" and scenario == "hangs":
                    continue
                if kind == "Finalize" and pending:
                    await self._result(socket, pending, from_finalize=True)
                    pending.clear()
                if kind == "CloseStream":
                    if pending:
                        await self._result(socket, pending)
                    await socket.send_json({"type": "Metadata", "duration": 1.0, "channels": 1})
                    await socket.close()
                    return

    async def _heard(self, socket: WebSocket, pending: bytearray, scenario: str) -> None:
        if scenario == "drops":
            await socket.close(1011, "NET-0001")
        if scenario == "garbage":
            await socket.send_text("{nonsense")
        if scenario == "huge":
            await socket.send_text("[" * HUGE)
        if scenario == "interim":
            await self._result(socket, pending[:0], interim="something else")
        while len(pending) >= SEGMENT_BYTES:
            await self._result(socket, pending[:SEGMENT_BYTES])
            del pending[:SEGMENT_BYTES]

    async def _result(
        self, socket: WebSocket, audio: bytearray, *, from_finalize: bool = False, interim: str = ""
    ) -> None:
        text = interim or await asyncio.to_thread(heard, bytes(audio))
        words = [
            {"word": word, "start": 0.0, "end": 0.1, "confidence": 0.9} for word in text.split()
        ]
        best = {"transcript": text, "confidence": 0.9, "words": words}
        await socket.send_json(
            {
                "type": "Results", "channel_index": [0, 1], "duration": 1.0, "start": 0.0,
                "is_final": not interim, "speech_final": False, "from_finalize": from_finalize,
                "channel": {"alternatives": [best]},
            }
        )  # fmt: skip

    # --- contexts ---

    async def contexts(self, socket: WebSocket) -> None:
        """Hum transcripts, several at once."""
        noted: dict[str, Any] = {"what": "contexts", "asked": [], "cancelled": []}
        self.asked.append(noted)
        allowed = socket.headers["x-api-key"] == "secret-key"
        assert socket.query_params["cartesia_version"] == socket.headers["cartesia-version"]
        await self._admit(socket, "", allowed)
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                told = await socket.receive_json()
                if told.get("cancel"):
                    noted["cancelled"].append(told["context_id"])
                    if (task := running.pop(told["context_id"], None)) is not None:
                        task.cancel()
                    continue
                noted["asked"].append(told)
                running[told["context_id"]] = asyncio.create_task(self._speak(socket, told))
        except WebSocketDisconnect:
            pass
        finally:
            for task in running.values():
                task.cancel()

    async def _speak(self, socket: WebSocket, told: dict[str, Any]) -> None:
        context = {"context_id": told["context_id"]}
        scenario, form = told["model_id"], told["output_format"]
        if scenario.isdigit():
            fault = {"type": "error", "done": True, "title": "internal", "message": "internal"}
            await socket.send_json({**fault, "status_code": int(scenario), **context})
            return
        audio = b"" if scenario == "empty" else spoken(told["transcript"], form["sample_rate"])
        for place in range(0, len(audio), CHUNK_BYTES):
            data = base64.b64encode(audio[place : place + CHUNK_BYTES]).decode()
            if scenario == "garbage" and place:
                data = "%%%"
            if scenario == "huge" and place:
                data = "A" * HUGE
            chunk = {"type": "chunk", "data": data, "done": False, "status_code": 206, **context}
            await socket.send_json(chunk)
            await asyncio.sleep(PACE_S)
            if scenario == "drops":
                await socket.close(1011)
                return
            if scenario == "hangs":
                await asyncio.sleep(3_600)
        await socket.send_json({"type": "done", "done": True, "status_code": 200, **context})
