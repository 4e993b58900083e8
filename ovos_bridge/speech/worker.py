"""The speech worker: `python -m ovos_bridge.speech.worker --socket PATH`.

Runs in the speech environment, under a supervisor. One gateway connects; when
its connection ends, what it had open is forgotten.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ovos_bridge.launch import environment
from ovos_bridge.launch.environment import OvosOptions
from ovos_bridge.plugins.load import (
    make_slots,
    voice_activity_model,
    voice_maker,
    wake_word_makers,
)
from ovos_bridge.speech import choices
from ovos_bridge.speech.choices import DEFAULT, PluginChoice, SpeechChoices
from ovos_bridge.speech.listening import Caller, VoiceActivity
from ovos_bridge.speech.protocol import POSITION, Ask, FrameError, FrameReader, Tell, frame
from ovos_bridge.speech.recognisers import Recognisers
from ovos_bridge.speech.recognising import Slots
from ovos_bridge.speech.streaming import Understood, Wishes, Word
from ovos_bridge.speech.utterance import Utterance
from ovos_bridge.speech.voicing import Mouth, Segment
from ovos_bridge.speech.waking import WakeWordCaller, WakeWords

READ_BYTES = 256 * 1024
_log = logging.getLogger("speech.worker")


class Parts:
    """What all connections share."""

    def __init__(self, chosen: SpeechChoices, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.activity = VoiceActivity(voice_activity_model(chosen.detector))
        self.recognisers = Recognisers(make_slots(chosen))
        self.mouth = Mouth(voice_maker(chosen.synthesiser, chosen.language), loop)
        self.wake_words = WakeWords(wake_word_makers(chosen))

    def load(self) -> None:
        """Load models and try each: who finds the socket finds parts that work; blocking.

        Raises:
            Exception: whatever a plugin raises that does not work.
        """
        self.activity.load()
        self.mouth.start()
        self.recognisers.start()


class Connection:
    """One gateway."""

    def __init__(self, parts: Parts, writer: asyncio.StreamWriter) -> None:
        self._parts = parts
        self._writer = writer
        self._queued: list[bytes] = []
        self._callers: dict[int, Caller] = {}
        self._utterances: dict[int, tuple[Slots, Utterance]] = {}
        self._segments: dict[int, Segment] = {}
        self._wakers: dict[int, WakeWordCaller] = {}
        self._handlers: dict[int, Callable[[int, bytes], None]] = {
            Ask.VAD_OPEN: self._vad_open,
            Ask.VAD_AUDIO: self._vad_audio,
            Ask.VAD_CLOSE: self._vad_close,
            Ask.STT_OPEN: self._stt_open,
            Ask.STT_AUDIO: self._stt_audio,
            Ask.STT_PREPARE: lambda stream, _: self._stt_silent(stream, silent=True),
            Ask.STT_ABANDON: lambda stream, _: self._stt_silent(stream, silent=False),
            Ask.STT_COMMIT: self._stt_commit,
            Ask.STT_CLOSE: self._stt_close,
            Ask.TTS_SPEAK: self._tts_speak,
            Ask.TTS_CANCEL: self._tts_cancel,
            Ask.GRAMMAR: self._grammar,
            Ask.PING: self._ping,
            Ask.WAKE_OPEN: self._wake_open,
            Ask.WAKE_AUDIO: self._wake_audio,
            Ask.WAKE_CLOSE: self._wake_close,
        }

    def take(self, kind: int, stream: int, payload: bytes) -> None:
        """Handle one frame; a kind of a later version is passed over."""
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(stream, payload)

    def _tell(self, kind: Tell, stream: int, payload: bytes = b"") -> None:
        """Queue a frame for the end of this turn of the loop: one write for all of them."""
        if not self._queued:
            self._parts.loop.call_soon(self._flush)
        self._queued.append(frame(kind, stream, payload))

    def _flush(self) -> None:
        queued, self._queued = self._queued, []
        if not self._writer.is_closing():
            self._writer.write(b"".join(queued))

    def _fault(self, kind: Tell, stream: int, code: str, message: str) -> None:
        self._tell(kind, stream, json.dumps({"code": code, "message": message}).encode())

    # --- voice activity ---

    def _vad_open(self, stream: int, payload: bytes) -> None:
        (at_sample,) = POSITION.unpack(payload)
        self._vad_close(stream, b"")

        def report(found: bytes) -> None:
            self._tell(Tell.VAD_PROBABILITIES, stream, found)

        def lost() -> None:
            self._fault(Tell.VAD_LOST, stream, "detection_failed", "Speech cannot be detected.")

        self._callers[stream] = self._parts.activity.open(at_sample, report, lost)

    def _vad_audio(self, stream: int, payload: bytes) -> None:
        if stream in self._callers:
            self._parts.activity.feed(self._callers[stream], payload)

    def _vad_close(self, stream: int, _payload: bytes) -> None:
        if stream in self._callers:
            self._parts.activity.close(self._callers.pop(stream))

    # --- recognition ---

    def _stt_open(self, stream: int, payload: bytes) -> None:
        asked: dict[str, Any] = json.loads(payload)

        utterance = Utterance(
            _Listening(self, stream),
            self._parts.loop,
            language=asked.get("language"),
            wishes=Wishes(**asked.get("wishes", {})),
        )
        slots = self._parts.recognisers.open(utterance, asked.get("recogniser", DEFAULT))
        if slots is not None:
            self._utterances[stream] = (slots, utterance)

    def _stt_audio(self, stream: int, payload: bytes) -> None:
        if stream in self._utterances:
            slots, utterance = self._utterances[stream]
            slots.feed(utterance, payload)

    def _stt_silent(self, stream: int, *, silent: bool) -> None:
        if stream in self._utterances:
            slots, utterance = self._utterances[stream]
            slots.silent(utterance, silent=silent)

    def _stt_commit(self, stream: int, _payload: bytes) -> None:
        if stream in self._utterances:
            slots, utterance = self._utterances[stream]
            slots.end(utterance)

    def _stt_close(self, stream: int, _payload: bytes) -> None:
        if stream in self._utterances:
            slots, utterance = self._utterances.pop(stream)
            slots.close(utterance)

    def stt_told(self, kind: Tell, stream: int, payload: bytes, *, last: bool) -> None:
        """Tell of an utterance."""
        if last:
            self._utterances.pop(stream, None)
        self._tell(kind, stream, payload)

    # --- synthesis ---

    def _tts_speak(self, stream: int, payload: bytes) -> None:
        asked: dict[str, Any] = json.loads(payload)

        def done() -> None:
            self._segments.pop(stream, None)
            self._tell(Tell.TTS_DONE, stream)

        def failed(code: str, message: str) -> None:
            self._segments.pop(stream, None)
            self._fault(Tell.TTS_FAILED, stream, code, message)

        segment = Segment(
            text=asked["text"],
            voice=asked["voice"],
            speed=asked["speed"],
            language=asked["language"],
            audio=lambda audio: self._tell(Tell.TTS_AUDIO, stream, audio),
            done=done,
            failed=failed,
        )
        self._segments[stream] = segment
        self._parts.mouth.speak(segment)

    def _tts_cancel(self, stream: int, _payload: bytes) -> None:
        if stream in self._segments:
            self._segments.pop(stream).cancelled = True

    # --- wake words ---

    def _wake_open(self, stream: int, payload: bytes) -> None:
        asked: dict[str, Any] = json.loads(payload)
        self._wake_close(stream, b"")

        def heard(at_sample: int) -> None:
            self._tell(Tell.WAKE_HEARD, stream, POSITION.pack(at_sample))

        def lost() -> None:
            message = "The wake word cannot be listened for."
            self._fault(Tell.WAKE_LOST, stream, "wake_word_failed", message)

        caller = self._parts.wake_words.open(
            asked["wake_word"], asked["at_sample"], heard=heard, lost=lost
        )
        if caller is not None:
            self._wakers[stream] = caller

    def _wake_audio(self, stream: int, payload: bytes) -> None:
        if stream in self._wakers:
            self._wakers[stream].feed(payload)

    def _wake_close(self, stream: int, _payload: bytes) -> None:
        if stream in self._wakers:
            self._parts.wake_words.close(self._wakers.pop(stream))

    # --- the rest ---

    def _grammar(self, stream: int, payload: bytes) -> None:
        def learned() -> None:
            self._parts.loop.call_soon_threadsafe(self._ping, stream, b"")

        self._parts.recognisers.set_phrases(json.loads(payload), learned)

    def _ping(self, stream: int, _payload: bytes) -> None:
        self._tell(Tell.PONG, stream, b"{}")

    def close(self) -> None:
        """The gateway is gone."""
        for caller in self._callers.values():
            self._parts.activity.close(caller)
        for slots, utterance in self._utterances.values():
            slots.close(utterance)
        for segment in self._segments.values():
            segment.cancelled = True
        for waker in self._wakers.values():
            self._parts.wake_words.close(waker)


class _Listening:
    """Tells the gateway of one utterance."""

    def __init__(self, connection: Connection, stream: int) -> None:
        self._connection = connection
        self._stream = stream

    def _tell(self, kind: Tell, *, last: bool = False, **what: Any) -> None:
        self._connection.stt_told(kind, self._stream, json.dumps(what).encode(), last=last)

    def partial(self, delta: str) -> None:
        self._tell(Tell.STT_PARTIAL, delta=delta)

    def understood(self, understood: Understood, pause: int) -> None:
        self._tell(Tell.STT_UNDERSTOOD, **asdict(understood), pause=pause)

    def final(self, text: str, words: Sequence[Word]) -> None:
        scored = [(word.text, word.logprob) for word in words if word.logprob is not None]
        self._tell(Tell.STT_FINAL, text=text, logprobs=scored, last=True)

    def failed(self, code: str, message: str) -> None:
        self._tell(Tell.STT_FAILED, code=code, message=message, last=True)


async def _serve_gateway(
    parts: Parts, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    connection, frames = Connection(parts, writer), FrameReader()
    try:
        while data := await reader.read(READ_BYTES):
            for kind, stream, payload in frames.feed(data):
                connection.take(kind, stream, payload)
    except (FrameError, ConnectionError):
        _log.exception("connection broken")
    finally:
        connection.close()
        writer.close()


async def _main(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    parts = Parts(_chosen(options), loop)
    await loop.run_in_executor(None, parts.load)
    path = Path(options.socket)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(
        lambda reader, writer: _serve_gateway(parts, reader, writer), path=options.socket
    )
    path.chmod(0o600)
    _log.info("ready")
    async with server, asyncio.TaskGroup() as tasks:
        tasks.create_task(parts.activity.run())
        tasks.create_task(parts.mouth.watch())
        tasks.create_task(server.serve_forever())


def _chosen(options: argparse.Namespace) -> SpeechChoices:
    if options.config is not None:
        return choices.loads(options.config.read_text())
    return SpeechChoices(
        recognisers={DEFAULT: PluginChoice(options.stt)},
        synthesiser=PluginChoice(options.tts),
        detector=PluginChoice(options.vad),
        slot_wait_s=options.slot_wait_s,
    )


def _end(*_: object) -> None:
    # A container's first process is deaf to SIGTERM unless it handles it. There is
    # nothing to lose: what was open ends with its connection.
    os._exit(0)


def main() -> None:
    """Run the worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True)
    parser.add_argument(
        "--state-dir", type=Path, help="live in this folder; else the caller has seen to that"
    )
    parser.add_argument("--config", type=Path, help="`SpeechChoices` as JSON; else by the names")
    parser.add_argument("--stt", default=choices.STT)
    parser.add_argument("--tts", default=choices.TTS)
    parser.add_argument("--vad", default=choices.VAD)
    parser.add_argument("--slot-wait-s", type=float, default=choices.SLOT_WAIT_S)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    if options.state_dir is not None:
        environment.enter(options.state_dir, OvosOptions(port=0))
    asyncio.run(_main(options))


if __name__ == "__main__":
    main()
