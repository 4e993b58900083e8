"""The runner of a translation session: its machine, ears, model and voice."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pybase64 import b64encode_as_string

from gateway.engines.engine import Engine
from gateway.sessions.admission import Admission
from gateway.sessions.allowance import Allowance
from gateway.sessions.audio import InputDecoder, InputRing, OutputAudio
from gateway.sessions.driver import SHARED_EFFECTS, SessionDriver
from gateway.sessions.hearing import Hearing
from gateway.sessions.leg import MediaLeg
from gateway.sessions.observer import SessionObserver
from gateway.sessions.speaking import Speaking
from realtime.engine import BYTES_PER_SAMPLE, SAMPLE_RATE, SessionFacts
from realtime.session import effects as fx
from realtime.session.config import PcmAudio
from realtime.session.inputs import AudioAppended
from realtime.translation.effects import RecordTranslation, SendTranslatedFrame
from realtime.translation.limits import FRAME_SAMPLES
from realtime.translation.machine import TranslationSession

PACKET_BYTES: Final = SAMPLE_RATE // 50 * BYTES_PER_SAMPLE
"""20 ms, as media legs play."""
FRAME_BYTES: Final = FRAME_SAMPLES * BYTES_PER_SAMPLE
_SILENCE: Final = b64encode_as_string(bytes(FRAME_BYTES))
_FORMAT: Final = '","sample_rate":24000,"channels":1,"format":"pcm16","elapsed_ms":'

_log = structlog.get_logger("session")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationCompany:
    """Who is asked about a translation session, and who sees what it does."""

    admission: Admission
    allowance: Allowance
    principal_facts: dict[str, Any]
    observer: SessionObserver


class TranslationRunner(SessionDriver):
    """One live translation session."""

    def __init__(
        self,
        machine: TranslationSession,
        engine: Engine,
        *,
        facts: SessionFacts,
        company: TranslationCompany,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        input_ring_bytes: int,
        leg: MediaLeg | None = None,
    ) -> None:
        super().__init__(
            machine,
            session_id=facts.session_id,
            admission=company.admission,
            allowance=company.allowance,
            principal_facts=company.principal_facts,
            observer=company.observer,
            spawn=spawn,
        )
        self._machine = machine
        self._decoder = InputDecoder(PcmAudio())
        self._ring = InputRing(most_bytes=input_ring_bytes)
        self._speech = OutputAudio()
        self._speech_id = ""
        # What is spoken by default, each recogniser knows by its own configuration.
        language = facts.language if facts.language != engine.language else None
        self._hearing = Hearing(engine, self._ring, self.post, language=language)
        self._speaking = Speaking(engine, facts, self._speech, self.post)
        self._leg = leg
        if leg is not None:
            leg.attach(self)

    @property
    def flooded(self) -> bool:
        """Say whether more client events wait than may, though nobody could be stopped."""
        return self._machine.flooded

    def overloaded(self, *, lag_ms: int) -> bool:
        """Say whether the source should not be read for now (DECISIONS 1.11)."""
        return self._handler.congested or self._hearing.lag_samples > lag_ms * SAMPLE_RATE // 1000

    def append(self, source: bytes) -> None:
        """Take source audio (PCM16, 24 kHz): into the ring, counted by the machine, to the ears."""
        self._take(self._decoder.decode(source))

    def hear(self, audio: bytes) -> None:
        """Take canonical audio of a media leg; a fault of ours ends this session alone."""
        if self.closed:
            return
        try:
            self._take(audio)
        except Exception:
            _log.exception("session_failed", session_id=self._session_id)
            self._break_off()

    def _take(self, audio: bytes) -> None:
        self.post(AudioAppended(self._ring.append(audio)))
        self._hearing.audio_came()

    # --- effects ---

    def _speak(self, effect: fx.Speak) -> None:
        self._speech_id = effect.request.response_id
        self._speaking.speak(effect.request)

    def _booked(self, effect: fx.RecordUsage) -> None:
        self._speaking.finished(effect.response_id)
        self._record_usage(effect)

    def _send_frame(self, effect: SendTranslatedFrame) -> None:
        if self._leg is not None:
            self._play(self._leg, effect)
            return
        delta = _SILENCE
        if effect.samples:
            speech = self._speech.take(self._speech_id, effect.samples)
            delta = b64encode_as_string(speech.ljust(FRAME_BYTES, b"\0"))
            self._observer.audio_sent(self._loop.time(), effect.samples)
        self.controllers.send_audio(
            '{"type":"session.output_audio.delta","event_id":"'
            + effect.event_id
            + '","delta":"'
            + delta
            + _FORMAT
            + str(effect.elapsed_ms)
            + "}"
        )

    def _play(self, leg: MediaLeg, effect: SendTranslatedFrame) -> None:
        """Say what there is to say; where there is nothing, nothing need be sent."""
        if not effect.samples:
            return
        speech = self._speech.take(self._speech_id, effect.samples)
        # A leg holds back what is less than a packet: the rest of one is silence.
        whole = -(-len(speech) // PACKET_BYTES) * PACKET_BYTES
        leg.play(self._session_id, self._session_id, speech.ljust(whole, b"\0"))
        self._observer.audio_sent(self._loop.time(), effect.samples)

    def _record(self, effect: RecordTranslation) -> None:
        self._observer.configured(effect.config)

    def _stop(self) -> None:
        self._hearing.close()
        self._speaking.close()


_Runner = TranslationRunner
TranslationRunner._effects = {
    **SHARED_EFFECTS,
    fx.Send: _Runner._send,
    fx.StartDetection: lambda r, e: r._hearing.start_detection(e.at_sample),
    fx.ForgetAudio: lambda r, e: r._ring.forget(e.before),
    fx.OpenRecognition: lambda r, e: r._hearing.open(e.request, e.start),
    fx.FeedRecognition: lambda r, e: r._hearing.feed(e.utterance_id, e.upto),
    fx.PrepareRecognition: lambda r, e: r._hearing.prepare(e.utterance_id),
    fx.AbandonRecognition: lambda r, e: r._hearing.abandon(e.utterance_id),
    fx.CommitRecognition: lambda r, e: r._hearing.commit(e.utterance_id, e.upto),
    fx.StartBrain: lambda r, e: r._speaking.start(e.request),
    fx.CancelBrain: lambda r, e: r._speaking.cancel(e.response_id),
    fx.Speak: _Runner._speak,
    fx.RecordUsage: _Runner._booked,
    SendTranslatedFrame: _Runner._send_frame,
    RecordTranslation: _Runner._record,
}
"""What a translation does; the effects of conversations never come."""
