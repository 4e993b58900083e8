"""Drives one session: the single writer that posts inputs and carries effects out.

The socket's task calls `post` synchronously; what an effect posts while inputs
are being handled waits its turn in the same loop (DECISIONS 1.11). Nothing in
here blocks; what must wait is a task of the call's group and comes back as an
input.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog
from pybase64 import b64encode_as_string

from gateway.engines.engine import Engine
from gateway.sessions.admission import Admission
from gateway.sessions.allowance import Allowance
from gateway.sessions.audio import InputDecoder, InputRing, ItemAudio, OutputAudio, OutputEncoder
from gateway.sessions.driver import SHARED_EFFECTS, SessionDriver
from gateway.sessions.encoding import AudioFrames, frame
from gateway.sessions.hearing import Hearing
from gateway.sessions.interface import Interface
from gateway.sessions.leg import MediaLeg
from gateway.sessions.observer import SessionObserver
from gateway.sessions.prompting import ProjectPrompts
from gateway.sessions.speaking import Speaking
from gateway.tools.session import SessionTools, Tools
from realtime.engine import SAMPLE_RATE, SessionFacts
from realtime.events.items import InputAudio, RetrievedAudio, RetrievedMessage
from realtime.events.items import OutputAudio as OutputAudioPart
from realtime.events.response_events import ResponseCreated, ResponseDone
from realtime.events.server import ItemDone, ItemRetrieved
from realtime.session import effects as fx
from realtime.session.handler import SessionHandler
from realtime.session.inputs import AudioAppended, Refused

RETRIEVED_FORMAT = "pcm16"

_log = structlog.get_logger("session")


class SessionRunner(SessionDriver):
    """One live session of our own machine."""

    def __init__(
        self,
        handler: SessionHandler,
        engine: Engine,
        *,
        facts: SessionFacts,
        admission: Admission,
        allowance: Allowance,
        principal_facts: dict[str, Any],
        observer: SessionObserver,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        input_ring_bytes: int,
        item_audio_bytes: int,
        tools: Tools,
        prompts: ProjectPrompts,
        leg: MediaLeg | None = None,
    ) -> None:
        super().__init__(
            handler,
            session_id=facts.session_id,
            admission=admission,
            allowance=allowance,
            principal_facts=principal_facts,
            observer=observer,
            spawn=spawn,
            leg=leg,
        )
        self._facts = facts
        self._ring = InputRing(most_bytes=input_ring_bytes)
        self._items = ItemAudio(most_bytes=item_audio_bytes)
        self._waiting = OutputAudio()
        # What is spoken by default, each recogniser knows by its own configuration.
        language = facts.language if facts.language != engine.language else None
        self._hearing = Hearing(engine, self._ring, self.post, language=language)
        self._speaking = Speaking(engine, facts, self._waiting, self.post)
        self._tools = SessionTools(
            tools, facts.session_id, self.post, permit=self.permit, log=observer.tool_logged
        )
        self._interface = Interface(tools.actions, observer.tool_logged, principal_facts)
        self._prompts = prompts
        self._skills = tools.skills
        if self._skills is not None:
            self._skills.enter(facts, self.post)
        self._decoder: InputDecoder | None = None
        self._frames: dict[str, AudioFrames] = {}
        if leg is not None:
            leg.attach(self)

    def overloaded(self, *, lag_ms: int) -> bool:
        """Say whether the socket should not be read for now (DECISIONS 1.11)."""
        return self._handler.congested or self._hearing.lag_samples > lag_ms * SAMPLE_RATE // 1000

    # --- inputs ---

    def append(self, wire_audio: bytes) -> None:
        """Take decoded input audio: into the ring, counted by the machine, to the ears."""
        if self._decoder is not None:
            self._take(self._decoder.decode(wire_audio))

    def hear(self, audio: bytes) -> None:
        """Take canonical audio of a media leg; a fault of ours ends this session alone."""
        if self._decoder is None or self.closed:
            return
        try:
            self._take(audio)
        except Exception:
            _log.exception("session_failed", session_id=self._session_id)
            self._break_off()

    def _take(self, audio: bytes) -> None:
        samples = self._ring.append(audio)
        if self._handling:
            self._inbox.append(AudioAppended(samples))
        else:
            # Fifty times a second: an append never moves the deadline, and
            # hardly ever has an effect.
            self._handle(AudioAppended(samples))
        self._hearing.audio_came()

    # --- effects ---

    def _send(self, effect: fx.Send) -> None:
        text = frame(effect.event)
        self.controllers.send(text, effect.to)
        self._observer.sent(effect.event, text, self.now_ms())
        if self._leg is None and isinstance(effect.event, ResponseCreated):
            response = effect.event.response
            encoder = OutputEncoder(response.audio.output.format)
            self._frames[response.id] = AudioFrames(encoder)
        elif isinstance(effect.event, ResponseDone):
            self._frames.pop(effect.event.response.id, None)
            self._speaking.finished(effect.event.response.id)
        elif isinstance(effect.event, ItemDone):
            self._interface.shown(effect.event.item, self.now_ms())

    def _send_audio(self, effect: fx.SendAudio) -> None:
        lane = effect.lane
        audio = self._waiting.take(lane.response_id, effect.samples)
        self._items.add(lane.item_id, audio)
        if self._leg is not None:
            self._leg.play(lane.response_id, lane.item_id, audio)
            self._observer.audio_sent(self._loop.time(), effect.samples)
            return
        self.controllers.send_audio(self._frames[lane.response_id].frame(effect, audio))
        self._observer.audio_sent(self._loop.time(), effect.samples)

    def _send_retrieved(self, effect: fx.SendRetrieved) -> None:
        item = effect.item
        audio = self._items.get(item.id) if effect.audio_parts else None
        if audio is not None and isinstance(item, RetrievedMessage):
            content = list(item.content)
            for place in effect.audio_parts:
                part = content[place]
                if isinstance(part, InputAudio | OutputAudioPart):
                    content[place] = RetrievedAudio(
                        type=part.type,
                        transcript=part.transcript,
                        audio=b64encode_as_string(audio),
                        format=RETRIEVED_FORMAT,
                    )
            item = replace(item, content=content)
        event = ItemRetrieved(event_id=effect.event_id, item=item)
        self.controllers.send(frame(event), effect.controller)

    def _start_brain(self, effect: fx.StartBrain) -> None:
        if not effect.speculative:
            self._observer.brain_started(effect.request.response_id, self._loop.time())
            self._speaking.start(effect.request)
        elif self._speaking.speculate(effect.request):
            self._observer.speculated("started")

    def _commit_brain(self, effect: fx.CommitBrain) -> None:
        self._observer.brain_started(effect.response_id, self._loop.time())
        begun, lost = self._speaking.commit(effect.response_id)
        if lost is not None:
            self._observer.discarded(effect, lost)
        elif begun:
            self._observer.speculated("used")

    def _discard_brain(self, effect: fx.DiscardBrain) -> None:
        cost = self._speaking.discard(effect.response_id)
        if cost is not None:
            self._observer.discarded(effect, cost)

    def _speak(self, effect: fx.Speak) -> None:
        self._observer.speech_started(effect.request.response_id, self._loop.time())
        self._speaking.speak(effect.request)

    def _call_tool(self, effect: fx.CallTool) -> None:
        self._observer.tool_called(effect.call)
        self._tools.call(effect.call)
        if effect.call.route.executor == "client":
            self._interface.handed_over(effect.call, self.now_ms())

    def _ask(self, effect: fx.Ask) -> None:
        fault = self._interface.told(effect, self.now_ms())
        if fault is None:
            super()._ask(effect)
        else:
            self.post(Refused(effect.question, fault))

    def _find_prompt(self, effect: fx.FindPrompt) -> None:
        self._spawn(self._prompts.answer(effect, self.post))

    def _turn_ended(self) -> None:
        self._observer.turn_ended(self._loop.time())
        self._hearing.turn_ended()

    def _configured(self, effect: fx.RecordConfig) -> None:
        wire_format = effect.config.audio.input.format
        if self._decoder is None or self._decoder.format != wire_format:
            self._decoder = InputDecoder(wire_format)
        self._observer.configured(effect.config)

    def _stop(self) -> None:
        self._hearing.close()
        self._speaking.close()
        self._tools.close()
        if self._skills is not None:
            self._skills.leave(self._facts.session_id)


_Runner = SessionRunner
SessionRunner._effects = {
    **SHARED_EFFECTS,
    fx.Ask: _Runner._ask,
    fx.Send: _Runner._send,
    fx.SendAudio: _Runner._send_audio,
    fx.SendRetrieved: _Runner._send_retrieved,
    fx.StartDetection: lambda r, e: r._hearing.start_detection(e.at_sample),
    fx.StopDetection: lambda r, _: r._hearing.stop_detection(),
    fx.KeepAudio: lambda r, e: r._items.keep(e.item_id, r._ring.slice(e.start, e.end)),
    fx.KeepSentAudio: lambda r, e: r._items.keep(e.item_id, InputDecoder(e.format).decode(e.audio)),
    fx.ForgetAudio: lambda r, e: r._ring.forget(e.before),
    fx.CutItemAudio: lambda r, e: r._items.cut(e.item_id, e.samples),
    fx.DropItemAudio: lambda r, e: r._items.drop(e.item_id),
    fx.OpenRecognition: lambda r, e: r._hearing.open(e.request, e.start),
    fx.FeedRecognition: lambda r, e: r._hearing.feed(e.utterance_id, e.upto),
    fx.PrepareRecognition: lambda r, e: r._hearing.prepare(e.utterance_id),
    fx.AbandonRecognition: lambda r, e: r._hearing.abandon(e.utterance_id),
    fx.CommitRecognition: lambda r, e: r._hearing.commit(e.utterance_id, e.upto),
    fx.RecogniseItem: lambda r, e: r._hearing.recognise(e.request, r._items.get(e.item_id)),
    fx.CloseRecognition: lambda r, e: r._hearing.close_utterance(e.utterance_id),
    fx.StartBrain: _Runner._start_brain,
    fx.CommitBrain: _Runner._commit_brain,
    fx.DiscardBrain: _Runner._discard_brain,
    fx.CancelBrain: lambda r, e: r._speaking.cancel(e.response_id),
    fx.Speak: _Runner._speak,
    fx.CancelSpeech: lambda r, e: r._speaking.cancel_speech(e.response_id),
    fx.ReportPlayback: lambda r, e: r._speaking.playback(playing=e.playing),
    fx.FindPrompt: _Runner._find_prompt,
    fx.CallTool: _Runner._call_tool,
    fx.CheckCall: lambda r, e: r._tools.check(e.call),
    fx.CancelTool: lambda r, e: r._tools.cancel(e.response_id, e.call_id, late=e.late),
    fx.ImportTools: lambda r, e: r._tools.import_tools(e),
    fx.CancelImport: lambda r, e: r._tools.cancel_import(e.item_id),
    fx.RecordConfig: _Runner._configured,
    fx.TurnEnded: lambda r, _: r._turn_ended(),
}
"""One table for all sessions: one each was 7 KiB of every session's memory."""
