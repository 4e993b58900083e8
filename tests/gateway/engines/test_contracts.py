"""Every implementation of a port in this package, held to that port's contract.

What runs in the speech environment, and the skills, stand in `tests/ovos_bridge`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest

from conformance.contracts.brain import check_brain, check_failing_brain
from conformance.contracts.recogniser import check_recogniser
from conformance.contracts.synthesiser import check_synthesiser
from gateway.engines.builtin import BuiltinBrain
from gateway.engines.chat.brain import ChatBrain, ChatEndpoint
from gateway.engines.echo import EchoBrain, ToneSynthesiser
from gateway.engines.fallback import FallbackBrain, Health, beyond_skills
from gateway.engines.hosted.cartesia import ContextEndpoint, ContextSynthesiser
from gateway.engines.hosted.deepgram import ListenEndpoint, ListenRecogniser
from gateway.engines.hosted.speech import SpeechEndpoint, SpeechEndpointSynthesiser
from gateway.engines.hosted.transcriptions import TranscriptionEndpoint, TranscriptionRecogniser
from gateway.engines.routed import RoutedBrain, Way
from gateway.engines.routing import RoutingRecogniser
from gateway.engines.switch import SwitchBrain
from gateway.settings.models import Route
from ovos_bridge.brain import SkillsBrain
from realtime.ids import SequentialIds
from realtime.ports import Brain, Recogniser, Synthesiser
from tests.servers import chat, speech
from tests.servers.chat import ChatServer
from tests.servers.speech import KEY, SpeechServer
from tests.servers.tones import WORDS, said

NOBODY = "http://127.0.0.1:9/v1"
LOST = "ws://127.0.0.1:9/core"
CALM = Route(to="x", words=1_000)
EAGER = Route(to="x", words=1)
TEXT = " ".join(WORDS)
AUDIO = said(TEXT)


@pytest.fixture(scope="module")
def chat_server() -> Iterator[ChatServer]:
    """A chat-completions server of its own process."""
    with chat.running() as running:
        yield running


@pytest.fixture(scope="module")
def speech_server() -> Iterator[SpeechServer]:
    """Speech endpoints of a process of their own."""
    with speech.running() as running:
        yield running


class Parts:
    """Makes what the tests name, and closes it."""

    def __init__(self, closing: AsyncExitStack, servers: Callable[[str], Any]) -> None:
        self._closing = closing
        self._servers = servers
        self.now_s = 0.0

    def builtin(self) -> Brain:
        """The built-in answerer."""
        return BuiltinBrain(lambda: "All is well.")

    def chat(self, scenario: str = "words", **more: Any) -> Brain:
        """A chat model that does what a scenario says."""
        url = more.pop("url", None) or self._servers("chat_server").url
        endpoint = ChatEndpoint(base_url=url, model=scenario, **{"speculations": 1, **more})
        brain = ChatBrain(endpoint, ids=SequentialIds())
        self._closing.push_async_callback(brain.close)
        return brain

    def skills(self) -> Brain:
        """Skills whose bus is not there."""
        return SkillsBrain(LOST, alone=False)

    def health(self) -> Health:
        """A health with a clock that stands."""
        return Health("first", lambda: self.now_s)

    def uploading(self) -> Recogniser:
        """A transcriptions endpoint."""
        url = self._servers("speech_server").url
        made = TranscriptionRecogniser(
            TranscriptionEndpoint(base_url=url, model="words", api_key=KEY)
        )
        self._closing.push_async_callback(made.close)
        return made

    def listening(self) -> Recogniser:
        """A socket that listens."""
        url = self._servers("speech_server").listen_url
        made = ListenRecogniser(ListenEndpoint(url=url, model="words", api_key=KEY))
        self._closing.push_async_callback(made.close)
        return made

    def speaking(self) -> SpeechEndpointSynthesiser:
        """A speech endpoint."""
        url = self._servers("speech_server").url
        made = SpeechEndpointSynthesiser(
            SpeechEndpoint(base_url=url, model="words", api_key=KEY), voices={}
        )
        self._closing.push_async_callback(made.close)
        return made

    def contexts(self) -> ContextSynthesiser:
        """A socket that speaks."""
        url = self._servers("speech_server").contexts_url
        endpoint = ContextEndpoint(url=url, model="words", api_key=KEY)
        made = ContextSynthesiser(endpoint, voices={}, default_voice="v")
        self._closing.push_async_callback(made.close)
        return made


@pytest.fixture
async def parts(request: pytest.FixtureRequest) -> AsyncIterator[Parts]:
    """Parts to build brains, recognisers and voices of."""
    async with AsyncExitStack() as closing:
        yield Parts(closing, request.getfixturevalue)


MakeBrain: TypeAlias = Callable[[Parts], Brain]

BRAINS: dict[str, MakeBrain] = {
    "builtin": lambda p: p.builtin(),
    "echo": lambda _: EchoBrain(),
    "chat": lambda p: p.chat(),
    "switch, first": lambda p: SwitchBrain(p.builtin(), p.chat(), ready=lambda: True),
    "switch, second": lambda p: SwitchBrain(p.skills(), p.chat(), ready=lambda: False),
    "fallback of a brain that is well": lambda p: FallbackBrain(
        p.chat(), EchoBrain(), health=p.health()
    ),
    "fallback of a brain that refuses": lambda p: FallbackBrain(
        p.chat("401"), p.builtin(), health=p.health()
    ),
    "fallback of a brain that is away": lambda p: FallbackBrain(
        p.chat(url=NOBODY), p.chat(), health=p.health()
    ),
    "fallback of a fallback": lambda p: FallbackBrain(
        FallbackBrain(p.chat("401"), p.chat("404")), EchoBrain()
    ),
    "skills, then chat": lambda p: FallbackBrain(
        p.skills(), p.chat(), passing=["skills_unavailable"], beyond=beyond_skills
    ),
    "routes, none met": lambda p: RoutedBrain(p.chat(), [Way(CALM, p.builtin())]),
    "routes, one met": lambda p: RoutedBrain(
        p.builtin(), [Way(CALM, p.skills()), Way(EAGER, p.chat())]
    ),
    "routes with a fallback": lambda p: FallbackBrain(
        RoutedBrain(p.builtin(), [Way(EAGER, p.chat("401"))]), EchoBrain()
    ),
}


@pytest.mark.parametrize("name", BRAINS)
async def test_brain_keeps_the_contract(parts: Parts, name: str) -> None:
    """What every brain must do, alone and put together."""
    await check_brain(BRAINS[name](parts), "what time is it")


FAILING: dict[str, tuple[MakeBrain, str]] = {
    "chat, slow": (lambda p: p.chat("silent", first_token_s=0.5), "model_timeout"),
    "chat, refused": (lambda p: p.chat("400"), "model_refused_request"),
    "chat, limited": (lambda p: p.chat("429", first_token_s=5.0), "rate_limit_exceeded"),
    "chat, broken": (lambda p: p.chat("500"), "model_unavailable"),
    "chat, away": (lambda p: p.chat(url=NOBODY), "model_unavailable"),
    "skills, away": (lambda p: p.skills(), "skills_unavailable"),
    "switch": (
        lambda p: SwitchBrain(p.chat("400"), p.builtin(), ready=lambda: True),
        "model_refused_request",
    ),
    "fallback, both": (
        lambda p: FallbackBrain(p.chat("401"), p.skills(), health=p.health()),
        "skills_unavailable",
    ),
    "fallback, what it was asked": (
        lambda p: FallbackBrain(p.chat("400"), p.builtin(), health=p.health()),
        "model_refused_request",
    ),
    "routed": (
        lambda p: RoutedBrain(p.builtin(), [Way(EAGER, p.chat("404"))]),
        "model_unknown",
    ),
}


@pytest.mark.parametrize("name", FAILING)
async def test_failing_brain_keeps_the_contract(parts: Parts, name: str) -> None:
    """A fault is one report in time, with a code of ours, and the session goes on."""
    make, code = FAILING[name]
    await check_failing_brain(make(parts), "what time is it", code)


RECOGNISERS: dict[str, Callable[[Parts], Recogniser]] = {
    "uploads": lambda p: p.uploading(),
    "listens": lambda p: p.listening(),
    "routes": lambda p: RoutingRecogniser(p.uploading(), {"whisper-1": p.listening()}),
    "routes, mapped": lambda p: RoutingRecogniser(p.uploading(), {"": p.listening()}),
}


@pytest.mark.parametrize("name", RECOGNISERS)
async def test_recogniser_keeps_the_contract(parts: Parts, name: str) -> None:
    """What every recogniser must do."""
    await check_recogniser(RECOGNISERS[name](parts), AUDIO, TEXT)


SYNTHESISERS: dict[str, Callable[[Parts], Synthesiser]] = {
    "tones": lambda _: ToneSynthesiser(),
    "requests": lambda p: p.speaking(),
    "requests with a model's voices": lambda p: p.speaking().with_voices({"marin": "v9"}),
    "contexts": lambda p: p.contexts(),
    "contexts with a model's voices": lambda p: p.contexts().with_voices({"marin": "v9"}),
}


@pytest.mark.parametrize("name", SYNTHESISERS)
async def test_synthesiser_keeps_the_contract(parts: Parts, name: str) -> None:
    """What every synthesiser must do."""
    await check_synthesiser(SYNTHESISERS[name](parts))
