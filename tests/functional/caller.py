"""A caller over WebRTC, with aiortc as it comes: speaks, hears, and reads the data channel."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import httpx2 as httpx
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

HZ = 24_000
FRAME_SAMPLES = HZ // 50
LOUD = 100.0
SYLLABLE = 655
"""2 %: what is louder belongs to a syllable."""
WAIT_S = 30.0
CALLS = "/realtime/calls"


class Microphone(MediaStreamTrack):
    """Silence, and what is to be said, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._waiting = np.zeros(0, "<i2")
        self._frames = 0
        self._began_s: float | None = None
        self.first_sound_s: float | None = None
        """When the first sound of what is said left the mouth."""
        self.late_s = 0.0
        """The longest that a frame was late: how busy this process was."""

    def say(self, path: Path, *, times: int = 1) -> None:
        """Speak a recording from now on."""
        with wave.open(str(path)) as recording:
            assert recording.getframerate() == HZ
            said = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
        self._waiting = np.tile(said, times)
        self.first_sound_s = None

    @property
    def silent(self) -> bool:
        """Everything was said."""
        return not len(self._waiting)

    @property
    def speaks(self) -> bool:
        """Something is still to be said."""
        return bool(len(self._waiting))

    async def recv(self) -> AudioFrame:
        """Return the next 20 ms when they are due."""
        loop = asyncio.get_running_loop()
        self._began_s = self._began_s or loop.time()
        due_s = self._began_s + self._frames * 0.02
        await asyncio.sleep(max(due_s - loop.time(), 0))
        self.late_s = max(self.late_s, loop.time() - due_s)
        if self.first_sound_s is None and np.any(np.abs(self._waiting[:FRAME_SAMPLES]) > SYLLABLE):
            self.first_sound_s = loop.time()
        piece, self._waiting = self._waiting[:FRAME_SAMPLES], self._waiting[FRAME_SAMPLES:]
        piece = np.pad(piece, (0, FRAME_SAMPLES - len(piece)))
        frame = AudioFrame.from_ndarray(piece.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = HZ
        frame.pts = self._frames * FRAME_SAMPLES
        frame.time_base = Fraction(1, HZ)
        self._frames += 1
        return frame


class Address(Protocol):
    """What a caller must know of a server."""

    @property
    def url(self) -> str:
        """The base URL, as an SDK wants it."""

    @property
    def key(self) -> str:
        """A key of the project's."""


class Caller:
    """One call."""

    def __init__(
        self, server: Address, key: str | None = None, ice: RTCConfiguration | None = None
    ) -> None:
        self.server = server
        self.key = key or server.key
        self.microphone = Microphone()
        self.connection = RTCPeerConnection(ice or RTCConfiguration(iceServers=[]))
        self.connection.addTrack(self.microphone)
        self.channel: RTCDataChannel = self.connection.createDataChannel("oai-events")
        self.events: list[dict[str, Any]] = []
        self.levels: list[tuple[float, float]] = []
        """When a frame was heard, and how loud."""
        self.call_id = ""
        self.answer = ""
        self._news = asyncio.Event()
        self._hearing: list[asyncio.Task[None]] = []
        self.channel.on("message", self._message)
        self.connection.on("track", self._track)

    def _message(self, text: str) -> None:
        event = json.loads(text)
        event["at_s"] = asyncio.get_running_loop().time()
        self.events.append(event)
        self._news.set()

    def _track(self, track: MediaStreamTrack) -> None:
        self._hearing.append(asyncio.create_task(self._hear(track)))

    async def _hear(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                samples = (await track.recv()).to_ndarray().astype(float)
                loud = float(np.sqrt(np.mean(samples**2)))
                self.levels.append((asyncio.get_running_loop().time(), loud))

    async def offer(self) -> str:
        """Return the SDP offer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def dial(
        self, session: dict[str, Any] | None = None, *, to: str = CALLS, **query: str
    ) -> httpx.Response:
        """Make the call; a session goes as multipart, none as raw SDP."""
        offer = await self.offer()
        async with self.http() as http:
            if session is None:
                answer = await http.post(
                    to,
                    content=offer,
                    params=query,
                    headers={"Content-Type": "application/sdp"},
                )
            else:
                parts = {
                    "sdp": (None, offer, "application/sdp"),
                    "session": (None, json.dumps(session), "application/json"),
                }
                answer = await http.post(to, files=parts, params=query)
        if answer.status_code == 201:
            self.call_id = answer.headers["location"].rsplit("/", 1)[1]
            self.answer = answer.text
            await self.connection.setRemoteDescription(self.described(answer.text))
        return answer

    def described(self, answer: str) -> RTCSessionDescription:
        """Return the answer as it is taken."""
        return RTCSessionDescription(answer, "answer")

    def http(self) -> httpx.AsyncClient:
        """Return a client of the REST endpoints."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.server.url, headers=headers, timeout=WAIT_S)

    def send(self, kind: str, **fields: Any) -> None:
        """Send a client event."""
        self.channel.send(json.dumps({"type": kind, **fields}))

    def ask(self, text: str) -> None:
        """Write something and ask for an answer."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.send("conversation.item.create", item=item)
        self.send("response.create")

    async def until(
        self, kind: str, *, after: int = 0, where: Callable[[dict[str, Any]], bool] | None = None
    ) -> dict[str, Any]:
        """Return the next event of a type, from the event at `after` on."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for event in self.events[after:]:
                    if event["type"] == kind and (where is None or where(event)):
                        return event
                self._news.clear()
                await self._news.wait()

    def types(self, *, after: int = 0) -> list[str]:
        """Return the types of events, runs of deltas as one."""
        found: list[str] = []
        for event in self.events[after:]:
            if not (found and found[-1] == event["type"] and event["type"].endswith(".delta")):
                found.append(event["type"])
        return found

    async def pause(self, seconds: float) -> None:
        """Let media flow."""
        await asyncio.sleep(seconds)

    def loud_s(self) -> list[float]:
        """Return when something was heard."""
        return [at_s for at_s, loud in self.levels if loud > LOUD]

    async def hang_up(self) -> int:
        """Ask the server to end the call; return the status."""
        async with self.http() as http:
            return (await http.post(f"/realtime/calls/{self.call_id}/hangup")).status_code

    async def closed(self) -> None:
        """Wait until the server has ended the connection."""
        async with asyncio.timeout(WAIT_S):
            while self.connection.connectionState not in {"closed", "failed"}:
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Leave."""
        await self.connection.close()
        for task in self._hearing:
            task.cancel()


@asynccontextmanager
async def calling(
    server: Address, key: str | None = None, ice: RTCConfiguration | None = None
) -> AsyncIterator[Caller]:
    """Have a caller for as long as needed."""
    caller = Caller(server, key, ice)
    try:
        yield caller
    finally:
        await caller.close()
