"""Call any Realtime endpoint from the terminal: a wav file, text or the microphone in.

Prints what was heard and answered, and latencies at the end. The key comes from
--key-file, from OPENAI_API_KEY, or from the local run's dev.key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import time
import wave
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import websockets
from websockets.asyncio.client import ClientConnection

from gateway.settings import Settings
from realtime.engine import BYTES_PER_SAMPLE, SAMPLE_RATE
from realtime.media.resample import Resampler

PIECE_MS = 20
TRAILING_SILENCE_MS = 1_000
GOOD, NEGATIVE, FAILURE, USAGE = 0, 1, 2, 64
REMEDIES = {
    "invalid_api_key": "The gateway has no such key. `make run` keeps one in var/dev.key, for"
    " --key-file; without it OPENAI_API_KEY is sent. `voiceengine keys create` makes another.",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--text", help="ask in writing")
    given.add_argument("--audio", type=Path, help="ask with a wav file, in real time")
    given.add_argument("--mic", action="store_true", help="ask with the microphone; Enter ends")
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1", help="base URL")
    parser.add_argument("--key-file", type=Path, help="file that holds the key")
    parser.add_argument("--model", default="gpt-realtime")
    parser.add_argument("--voice", help="the answer's voice")
    parser.add_argument("--out", type=Path, help="write the spoken answer to this wav file")
    parser.add_argument("--events", action="store_true", help="print every event")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--ca", type=Path, help="authority to trust, such as var/tls/authority.pem")
    parser.add_argument("--timeout-s", type=float, default=30.0, help="longest wait for an event")


@dataclass
class Result:
    """What came of a call; times in ms."""

    heard: str = ""
    answered: str = ""
    status: str = ""
    error: str = ""
    remedy: str = ""
    """What to do about the error, where the contract's words name another service's pages."""
    first_audio_ms: int | None = None
    response_ms: int | None = None
    audio: bytearray = field(default_factory=bytearray)

    def shown(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {
            "heard": self.heard,
            "answered": self.answered,
            "status": self.status,
            "error": self.error,
            "first_audio_ms": self.first_audio_ms,
            "response_ms": self.response_ms,
            "audio_s": round(len(self.audio) / BYTES_PER_SAMPLE / SAMPLE_RATE, 2),
        }


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    for option, path in (("--key-file", options.key_file), ("--audio", options.audio)):
        if path is not None and not path.is_file():
            print(f"{option} names no file: {path}", file=sys.stderr)
            return USAGE
    key = _key(options.key_file)
    if key is None:
        print("No key: use --key-file, OPENAI_API_KEY, or start `make run`.", file=sys.stderr)
        return USAGE
    try:
        result = asyncio.run(_call(options, key))
    except ConnectionRefusedError:
        print(
            f"Nothing listens at {options.url}: start it with `make run`, or name another "
            "with --url.",
            file=sys.stderr,
        )
        return FAILURE
    except (OSError, TimeoutError, websockets.WebSocketException, wave.Error) as error:
        print(f"The call failed: {error or type(error).__name__}", file=sys.stderr)
        return FAILURE
    if options.out is not None and result.audio:
        _write(options.out, bytes(result.audio))
    _show(result, as_json=options.json)
    return GOOD if result.status == "completed" else NEGATIVE


def _key(path: Path | None) -> str | None:
    if path is not None:
        return path.read_text().strip()
    named = os.environ.get("OPENAI_API_KEY")
    local = Settings().data_dir / "dev.key"
    return named or (local.read_text().strip() if local.exists() else None)


async def _call(options: argparse.Namespace, key: str) -> Result:
    base = options.url.rstrip("/").replace("http", "ws", 1)
    context = None
    if base.startswith("wss"):
        context = ssl.create_default_context(cafile=options.ca)
    async with websockets.connect(
        f"{base}/realtime?model={options.model}",
        additional_headers={"Authorization": f"Bearer {key}"},
        ssl=context,
        max_size=None,
        compression=None,
    ) as socket:
        return await _Call(socket, options).run()


class _Call:
    def __init__(self, socket: ClientConnection, options: argparse.Namespace) -> None:
        self._socket = socket
        self._options = options
        self._result = Result()
        self._asked_s = 0.0

    async def run(self) -> Result:
        await self._configure()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._ask())
            await self._listen()
            asking.cancel()
        return self._result

    async def _send(self, **event: Any) -> None:
        # Who listens finds what was said before the end, and tells of the end itself.
        with suppress(websockets.ConnectionClosed):
            await self._socket.send(json.dumps(event))

    async def _configure(self) -> None:
        audio: dict[str, Any] = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
        if self._options.voice:
            audio["output"] = {"voice": self._options.voice}
        session = {"type": "realtime", "audio": audio}
        await self._send(type="session.update", session=session)

    async def _ask(self) -> None:
        options = self._options
        if options.text is not None:
            part = {"type": "input_text", "text": options.text}
            item = {"type": "message", "role": "user", "content": [part]}
            await self._send(type="conversation.item.create", item=item)
            await self._send(type="response.create")
            self._asked_s = time.monotonic()
            return
        source = _microphone() if options.mic else _recording(options.audio)
        async for piece, spoken in source:
            audio = b64encode(piece).decode()
            await self._send(type="input_audio_buffer.append", audio=audio)
            if spoken:
                self._asked_s = time.monotonic()

    async def _listen(self) -> None:
        while True:
            async with asyncio.timeout(self._options.timeout_s):
                try:
                    event = json.loads(await self._socket.recv())
                except websockets.ConnectionClosed as closed:
                    reason = closed.rcvd.reason if closed.rcvd else "connection lost"
                    self._result.error = self._result.error or reason
                    return
            if self._options.events:
                print(_line(event), flush=True)
            if self._take(event):
                return

    def _since_asked(self) -> int:
        return round((time.monotonic() - self._asked_s) * 1000)

    def _take(self, event: dict[str, Any]) -> bool:
        """Take an event in; return whether it was the last that matters."""
        result = self._result
        match event["type"]:
            case "conversation.item.input_audio_transcription.completed":
                result.heard = event["transcript"]
            case "response.output_audio.delta":
                if result.first_audio_ms is None:
                    result.first_audio_ms = self._since_asked()
                result.audio += b64decode(event["delta"])
            case "response.output_audio_transcript.delta":
                result.answered += event["delta"]
            case "error":
                result.error = event["error"]["message"]
                result.remedy = REMEDIES.get(event["error"]["code"], "")
            case "response.done":
                response = event["response"]
                result.status = response["status"]
                result.response_ms = self._since_asked()
                details = response["status_details"] or {}
                result.error = result.error or (details.get("error") or {}).get("message", "")
                return True
        return False


def _line(event: dict[str, Any]) -> str:
    shown = dict(event)
    for key in ("delta", "obfuscation"):
        if isinstance(shown.get(key), str) and len(shown[key]) > 60:
            shown[key] = f"<{len(shown[key])} characters>"
    return json.dumps(shown, ensure_ascii=False)


async def _recording(path: Path) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield a wav file as canonical audio in real time, then silence."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != BYTES_PER_SAMPLE:
            raise wave.Error(f"{path} has {file.getsampwidth() * 8} bits a sample; 16 are needed")
        rate, channels = file.getframerate(), file.getnchannels()
        raw = file.readframes(file.getnframes())
    if channels > 1:
        frames = np.frombuffer(raw, dtype="<i2").reshape(-1, channels)
        raw = frames.mean(axis=1).astype("<i2").tobytes()
    if rate != SAMPLE_RATE:
        resampler = Resampler(rate, SAMPLE_RATE)
        raw = resampler.process(raw) + resampler.flush()
    silence = bytes(SAMPLE_RATE * TRAILING_SILENCE_MS // 1000 * BYTES_PER_SAMPLE)
    size = SAMPLE_RATE * PIECE_MS // 1000 * BYTES_PER_SAMPLE
    audio, due = raw + silence, time.monotonic()
    for place in range(0, len(audio), size):
        yield audio[place : place + size], place < len(raw)
        due += PIECE_MS / 1000
        await asyncio.sleep(max(due - time.monotonic(), 0))


async def _microphone() -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the default microphone's audio until it is interrupted."""
    try:
        import sounddevice
    except (ImportError, OSError):
        message = "--mic needs the package sounddevice and the library libportaudio2"
        raise OSError(message) from None
    pieces: asyncio.Queue[bytes] = asyncio.Queue(maxsize=100)
    loop = asyncio.get_running_loop()

    def put(piece: bytes) -> None:
        with suppress(asyncio.QueueFull):  # the newest is dropped: the network is behind
            pieces.put_nowait(piece)

    def heard(data: Any, _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(put, bytes(data))

    with sounddevice.RawInputStream(
        samplerate=SAMPLE_RATE,
        channels=1,
        dtype="int16",
        blocksize=SAMPLE_RATE * PIECE_MS // 1000,
        callback=heard,
    ):
        while True:
            yield await pieces.get(), True


def _write(path: Path, audio: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(BYTES_PER_SAMPLE)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(audio)


def _show(result: Result, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.shown(), ensure_ascii=False))
        return
    if result.heard:
        print(f"heard     {result.heard}")
    if result.answered:
        print(f"answered  {result.answered}")
    if result.error:
        print(f"error     {result.error}")
    if result.remedy:
        print(f"remedy    {result.remedy}")
    if result.first_audio_ms is not None:
        print(f"latency   first audio {result.first_audio_ms} ms, whole {result.response_ms} ms")
