"""Synthesis by the speech worker, as the gateway sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence

from ovos_bridge.speech.channel import LOST, SLOW, Channel, told_fault
from ovos_bridge.speech.protocol import Ask, Tell
from realtime.engine import (
    EngineFault,
    SessionFacts,
    SpeechFailed,
    SpeechFinished,
    SpeechRequest,
)
from realtime.events.session import VOICES
from realtime.ports import SpeechSink


class SpokenSegment:
    """One segment being spoken."""

    def __init__(self, session: SpokenSession, request: SpeechRequest, stream: int) -> None:
        self._session = session
        self.request = request
        self.stream = stream
        self.timer: asyncio.TimerHandle | None = None

    def told(self, kind: int, payload: bytes) -> None:
        """Pass audio on, or the end."""
        if kind == Tell.TTS_AUDIO:
            self._session.watch(self)
            self._session.audio(self.request.segment_id, payload)
        elif kind == Tell.TTS_DONE:
            self._session.ended(self, SpeechFinished(self.request.segment_id))
        elif kind == Tell.TTS_FAILED:
            self.failed(told_fault(payload))

    def failed(self, fault: EngineFault) -> None:
        """Report that it cannot be spoken."""
        self._session.ended(self, SpeechFailed(self.request.segment_id, fault))

    def broken(self) -> None:
        """The worker is gone."""
        self.failed(LOST)


class SpokenSession:
    """Synthesis for one session."""

    def __init__(
        self,
        client: Channel,
        facts: SessionFacts,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
        *,
        voices: Mapping[str, str],
    ) -> None:
        self._client = client
        self._voices = voices
        self._language = facts.language
        self.audio = audio
        self._sink = sink
        self._segments: dict[int, SpokenSegment] = {}

    def speak(self, request: SpeechRequest) -> None:
        segment = SpokenSegment(self, request, self._client.next_stream())
        self._segments[segment.stream] = segment
        self._client.remember(segment.stream, segment)
        asked = {
            "text": request.text,
            "voice": self._name(request.voice),
            "speed": request.speed,
            "language": request.language or self._language,
        }
        if not self._client.send(Ask.TTS_SPEAK, segment.stream, json.dumps(asked).encode()):
            asyncio.get_running_loop().call_soon(segment.failed, LOST)
            return
        self.watch(segment)

    def _name(self, voice: str) -> str:
        """Return what the plugin knows a voice by; an id that nobody mapped is the usual voice.

        A plugin may load what a name says, from a file or an address: no client names those.
        """
        known = voice if voice in VOICES or voice in self._voices else VOICES[0]
        return self._voices.get(known, known)

    def watch(self, segment: SpokenSegment) -> None:
        """Fail the segment if its next audio takes too long."""
        if segment.timer is not None:
            segment.timer.cancel()
        segment.timer = asyncio.get_running_loop().call_later(
            self._client.synthesis_timeout_s, segment.failed, SLOW
        )

    def ended(self, segment: SpokenSegment, report: SpeechFinished | SpeechFailed) -> None:
        """Report the end, once."""
        if self._drop(segment):
            self._sink(report)

    def _drop(self, segment: SpokenSegment) -> bool:
        self._client.forget(segment.stream)
        if segment.timer is not None:
            segment.timer.cancel()
        return self._segments.pop(segment.stream, None) is not None

    def cancel(self, response_id: str) -> None:
        for segment in list(self._segments.values()):
            if segment.request.response_id == response_id:
                self._drop(segment)
                self._client.send(Ask.TTS_CANCEL, segment.stream)

    def close(self) -> None:
        for segment in list(self._segments.values()):
            self._drop(segment)
            self._client.send(Ask.TTS_CANCEL, segment.stream)


class SpeechSynthesiser:
    """`realtime.ports.Synthesiser` by the worker."""

    def __init__(self, client: Channel, voices: Mapping[str, str]) -> None:
        """`voices` maps names to what the plugin calls them."""
        self._client = client
        self._voices = voices

    def open(
        self,
        facts: SessionFacts,
        *,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> SpokenSession:
        """Start serving a session."""
        return SpokenSession(self._client, facts, audio, sink, voices=self._voices)

    def voices(self) -> Sequence[str]:
        """Return the contract's voices and the operator's own."""
        return tuple(dict.fromkeys((*VOICES, *self._voices)))
