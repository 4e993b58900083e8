"""The embedded default: OVOS speech and skills as supervised child processes.

Starts the hub, core and the speech worker, keeps the clients that reach them,
and tells readiness the truth: a part is ready once it passed its probe.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import structlog

from gateway.engines.builtin import BuiltinBrain
from gateway.engines.chat.brain import ChatBrain
from gateway.engines.chat.configured import chat_endpoint
from gateway.engines.choices import speech_choices, transcription_routes
from gateway.engines.engine import Engine, Terms
from gateway.engines.fallback import FallbackBrain, beyond_skills
from gateway.engines.hosted.configured import (
    hosted_recognisers,
    hosted_synthesiser,
    hosted_synthesisers,
)
from gateway.engines.installed import missing_skills
from gateway.engines.routing import RoutingRecogniser
from gateway.engines.switch import SwitchBrain
from gateway.processes.supervisor import Child, Supervisor
from gateway.readiness import PartState, Readiness
from gateway.settings import Settings
from gateway.telemetry import metrics
from ovos_bridge.brain import MAX_TURNS, SkillsBrain
from ovos_bridge.launch.environment import OvosOptions
from ovos_bridge.launch.plan import ProcessPlan, bus_url, core_plan, hub_plan, speech_plan
from ovos_bridge.readiness import SkillsState
from ovos_bridge.runs import UNAVAILABLE, UNMATCHED, Patience
from ovos_bridge.speech.choices import DEFAULT
from ovos_bridge.speech.client import SpeechClient
from realtime.ports import Brain, IdSource, Recogniser, Synthesiser, VoiceActivityDetector

SPEECH, SKILLS, CHAT = "speech", "skills", "chat"
PASSED_ON = (UNMATCHED.code, UNAVAILABLE.code)
"""Faults of skills after which the chat model is asked."""

NO_WORKER = "The speech environment is not installed."
NO_WORKER_HOSTED = "No speech worker: voice activity is the client's to tell."

CHAT_PROBE_S = 30.0
"""Between two looks whether the chat endpoint is there."""

_log = structlog.get_logger("embedded")


def free_port() -> int:
    """Return a TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Embedded:
    """Owns the child processes and the clients that reach them."""

    def __init__(self, settings: Settings, readiness: Readiness, ids: IdSource) -> None:
        self._settings = settings
        self._readiness = readiness
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._taught: Sequence[str] = ()
        self._python = settings.worker_python
        installed = self._python.exists()
        elsewhere = settings.speech_socket is not None
        self._has_speech = settings.speech and (installed or elsewhere)
        self._own_worker = self._has_speech and not elsewhere
        endpoint = chat_endpoint(settings)
        self.chat = None if endpoint is None else ChatBrain(endpoint, ids=ids)
        self.skills_missing = missing_skills(settings)
        self._own_ovos = settings.ovos_bus_url is None
        self._skills_wanted = False
        self._supervisor: Supervisor | None = None
        self._ovos = OvosOptions(
            port=free_port(),
            language=settings.language,
            secondary_languages=tuple(settings.languages),
            timezone=settings.timezone,
            allow_network=settings.skills_network,
        )
        worker_socket = settings.speech_socket or settings.data_dir / "speech.sock"
        self._socket = str(worker_socket.absolute())
        self.speech: SpeechClient | None = self._speech_client() if self._has_speech else None
        self.skills: SkillsBrain | None = None
        if self.skills_missing is None:
            url = settings.ovos_bus_url or bus_url(self._ovos.port)
            patience = Patience(answer_s=settings.answer_timeout_s)
            self.skills = SkillsBrain(
                url,
                patience=patience,
                max_turns=MAX_TURNS if self._own_ovos else settings.ovos_bus_turns,
                on_state=self._skills_changed,
                alone=self.chat is None,
            )
        self._hosted = hosted_recognisers(settings)
        self._hosted_voice = hosted_synthesiser(settings)
        self._hosted_voices = hosted_synthesisers(settings)
        self._declare()

    def _speech_client(self) -> SpeechClient:
        return SpeechClient(
            self._socket,
            recognition_timeout_s=self._settings.recognition_timeout_s,
            synthesis_timeout_s=self._settings.synthesis_timeout_s,
            on_change=self._speech_changed,
            voices=self._settings.voices,
        )

    def _declare(self) -> None:
        warming, absent = PartState.WARMING, PartState.ABSENT
        if self.speech is not None:
            self._readiness.set(SPEECH, warming, "The speech worker is starting.")
        else:
            hosted = self._hosted or self._hosted_voice is not None
            self._readiness.set(SPEECH, absent, NO_WORKER_HOSTED if hosted else NO_WORKER)
        self._declare_skills()
        if self.chat is not None:
            endpoint = self.chat.endpoint
            host = urlsplit(endpoint.base_url).hostname
            _log.info("chat_model_answers", host=host, model=endpoint.model)
            self._readiness.set(CHAT, warming, "The chat model was not reached yet.")

    def _declare_skills(self) -> None:
        settings, missing = self._settings, self.skills_missing
        asked = [
            name
            for name, wanted in (
                ("VOICEENGINE_CHAT_SKILLS_FIRST", settings.chat_skills_first),
                ("VOICEENGINE_CHAT_SKILLS_TOOL", settings.chat_skills_tool),
            )
            if wanted
        ]
        if asked and self.chat is None:
            _log.warning("setting_without_chat_model", settings=asked)
        if missing is not None and (asked or self.chat is None):
            unmet = f" {' and '.join(asked)} cannot be met." if asked and self.chat else ""
            if unmet:
                _log.warning("skills_missing", settings=asked, reason=missing)
            self._readiness.set(SKILLS, PartState.ABSENT, f"{missing}{unmet}")
        else:
            self._readiness.set(SKILLS, PartState.ABSENT, "No model asks them.")
        if self.chat is None or asked:
            self.want_skills()

    def want_skills(self) -> None:
        """Start the skills with everything else, or now, if there can be any; once."""
        if self.skills is None or self._skills_wanted:
            return
        self._skills_wanted = True
        self._readiness.set(SKILLS, PartState.WARMING, self.skills.state.sentence())
        self._start_skills()

    def _start_skills(self) -> None:
        """Run the skills as soon as they are wanted and anything runs at all."""
        if self._supervisor is None or self.skills is None or not self._skills_wanted:
            return
        if self._own_ovos:
            state, python = self._settings.data_dir / "ovos", self._python
            self._supervisor.start(self._child(hub_plan(state, python, self._ovos)))
            self._supervisor.start(self._child(core_plan(state, python, self._ovos)))
        self._spawn(self.skills.run(), "skills")

    def require_skills(self) -> SkillsBrain:
        """Start the skills and return them.

        Raises:
            ValueError: there can be none; says why.
        """
        if self.skills is None:
            raise ValueError(f"it asks skills. {self.skills_missing}")
        self.want_skills()
        return self.skills

    def engine(self) -> Engine:
        """Return the engine that the default models get."""
        speech = self.speech
        return Engine(
            name="embedded" if self.chat is None else "chat",
            brain=self._brain(),
            detector=None if speech is None else speech.detector,
            recogniser=self.recogniser(),
            synthesiser=self.synthesiser(),
            language=self._settings.language,
            transcription_models=tuple(transcription_routes(self._settings)),
            wake_words={} if speech is None else self._wake_words(speech),
            terms=Terms(skills_tool=self.chat is not None and self._settings.chat_skills_tool),
        )

    def _brain(self) -> Brain:
        if self.chat is None:
            return self.skills_alone()
        return self.skills_before(self.chat) if self._settings.chat_skills_first else self.chat

    def builtin(self) -> Brain:
        """Return what answers where nothing else can."""
        return BuiltinBrain(self.status, now=datetime.now)

    def skills_alone(self) -> Brain:
        """Return the skills, and until they are ready what says so."""
        skills = self.skills
        if skills is None:
            return self.builtin()
        self.want_skills()
        brain = skills.answering(alone=True)
        return SwitchBrain(brain, self.builtin(), ready=lambda: skills.ready)

    def skills_before(self, chat: Brain) -> Brain:
        """Return the skills, and a chat model for what they do not understand."""
        if self.skills is None:
            return chat
        self.want_skills()
        brain = self.skills.answering(alone=False)
        return FallbackBrain(brain, chat, passing=PASSED_ON, beyond=beyond_skills)

    def _wake_words(self, speech: SpeechClient) -> dict[str, VoiceActivityDetector]:
        names = speech_choices(self._settings).wake_words
        return {name: speech.detector_behind(name) for name in names}

    def recogniser(self, usual: str = DEFAULT) -> Recogniser | None:
        """Return what chooses among endpoints and the worker's recognisers, None without any.

        `usual` is the recogniser of the transcription models that nobody mapped.
        """
        default = self._recogniser_named(usual) or next(iter(self._hosted.values()), None)
        if default is None:
            return None
        named: dict[str, Recogniser] = {}
        for model, name in self._settings.transcription_models.items():
            found = self._recogniser_named(name)
            if found is not None:
                named[model] = found
        return RoutingRecogniser(default, named)

    def _recogniser_named(self, name: str) -> Recogniser | None:
        if name in self._hosted:
            return self._hosted[name]
        if self.speech is None:
            return None
        return self.speech.recogniser if name == DEFAULT else self.speech.recogniser_named(name)

    def synthesiser(
        self, name: str = DEFAULT, voices: Mapping[str, str] | None = None
    ) -> Synthesiser | None:
        """Return a synthesiser by its name, with `voices` besides the usual names."""
        hosted = self._hosted_voices.get(name, self._hosted_voice)
        if hosted is not None:
            return hosted.with_voices(voices) if voices else hosted
        if self.speech is None:
            return None
        return self.speech.synthesiser_with(voices) if voices else self.speech.synthesiser

    def status(self) -> str:
        """Say in a sentence what is missing."""
        return self.skills_missing or (self.skills.state.sentence() if self.skills else "")

    # --- life ---

    async def __aenter__(self) -> Embedded:
        """Start what this configuration has."""
        supervisor = await self._stack.enter_async_context(Supervisor(changed=self._child_changed))
        self._supervisor = supervisor
        state, python = self._settings.data_dir / "ovos", self._python
        state.mkdir(parents=True, exist_ok=True)
        if self._own_worker:
            supervisor.start(self._child(speech_plan(state, python, self._speech_arguments())))
        if self.speech is not None:
            await self._stack.enter_async_context(self.speech)
        self._start_skills()
        for recogniser in self._hosted.values():
            self._stack.push_async_callback(recogniser.close)
        if self._hosted_voice is not None:
            self._stack.push_async_callback(self._hosted_voice.close)
        for voice in self._hosted_voices.values():
            self._stack.push_async_callback(voice.close)
        if self.chat is not None:
            self._stack.push_async_callback(self.chat.close)
            self._spawn(self._watch_chat(self.chat), "chat")
        return self

    def _speech_arguments(self) -> list[str]:
        file = self._settings.data_dir.absolute() / "speech.json"
        file.touch(mode=0o600)
        file.write_text(speech_choices(self._settings).dumps())
        return ["--socket", self._socket, "--config", str(file)]

    def _child(self, plan: ProcessPlan) -> Child:
        return Child(
            name=plan.name,
            argv=plan.argv,
            env=plan.env,
            cwd=plan.cwd,
            log=self._settings.data_dir / "log" / f"{plan.name}.log",
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self._supervisor = None
        running = tuple(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._stack.aclose()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the parts say ---

    def _child_changed(self, name: str, running: bool) -> None:
        if running:
            return
        metrics.PART_RESTARTS.labels(name).inc()
        if name == "core" and self.skills is not None:
            self.skills.core_lost()

    def _speech_changed(self, connected: bool) -> None:
        if not connected:
            self._readiness.set(SPEECH, PartState.WARMING, "The speech worker is restarting.")
            return
        self._spawn(self._probe_speech(), "probe-speech")

    async def _probe_speech(self) -> None:
        if self.speech is None:
            return
        try:
            await self.speech.probe()
        except (OSError, TimeoutError) as error:
            _log.warning("speech_probe_failed", error=type(error).__name__)
            return
        self._readiness.set(SPEECH, PartState.READY, "It answers.")

    async def _watch_chat(self, chat: ChatBrain) -> None:
        while True:
            try:
                await chat.probe()
            except Exception as error:  # noqa: BLE001 -- whatever keeps it away is no end of ours
                _log.warning("chat_probe_failed", error=type(error).__name__)
                self._readiness.set(CHAT, PartState.WARMING, "The chat model cannot be reached.")
            else:
                self._readiness.set(CHAT, PartState.READY, "It answers.")
            await asyncio.sleep(CHAT_PROBE_S)

    def _skills_changed(self, state: SkillsState) -> None:
        if state.ready and self.speech is not None:
            self._readiness.set(SKILLS, PartState.WARMING, "The recogniser learns their phrases.")
            self._spawn(self._teach_phrases(), "phrases")
            return
        part = PartState.READY if state.ready else PartState.WARMING
        self._readiness.set(SKILLS, part, state.sentence())

    async def _teach_phrases(self) -> None:
        """Give the recogniser the phrases that the loaded skills understand."""
        if self.skills is None or self.speech is None:
            return
        try:
            phrases = await self.skills.phrases()
            if phrases != self._taught:
                await self.speech.teach(phrases)
                self._taught = phrases
                _log.info("phrases_taught", phrases=len(phrases))
        except (OSError, TimeoutError) as error:
            # Skills still answer; the recogniser goes on with its full model.
            _log.warning("phrases_not_taught", error=type(error).__name__)
        if self.skills.ready:
            self._readiness.set(SKILLS, PartState.READY, self.skills.state.sentence())
