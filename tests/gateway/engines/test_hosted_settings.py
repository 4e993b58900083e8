"""What an operator writes becomes recognisers and a voice, and keys stay where they belong."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.cli.endpoint_checks import check_endpoints
from gateway.engines.choices import speech_choices
from gateway.engines.hosted.cartesia import ContextSynthesiser
from gateway.engines.hosted.configured import hosted_recognisers, hosted_synthesiser
from gateway.engines.hosted.deepgram import ListenRecogniser
from gateway.engines.hosted.speech import SpeechEndpointSynthesiser
from gateway.engines.hosted.transcriptions import TranscriptionRecogniser
from gateway.settings import Settings
from tests.servers import speech
from tests.servers.speech import KEY

SECRET = "sk-very-secret"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without keys."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return monkeypatch


def transcriber(settings: Settings) -> TranscriptionRecogniser:
    """Return the one recogniser."""
    (found,) = hosted_recognisers(settings).values()
    assert isinstance(found, TranscriptionRecogniser)
    return found


def test_endpoints_stand_beside_plugins(environment: pytest.MonkeyPatch) -> None:
    """One variable names plugins and endpoints; the worker is told of plugins only, of no key."""
    environment.setenv(
        "VOICEENGINE_RECOGNISERS",
        '{"fast": "a-plugin", "cloud": {"kind": "deepgram", "api_key": "sk-very-secret"},'
        ' "box": {"kind": "openai", "url": "http://box:8000/v1", "model": "whisper-1"}}',
    )
    environment.setenv(
        "VOICEENGINE_SYNTHESISER", '{"kind": "cartesia", "voice": "v", "api_key": "sk-very-secret"}'
    )
    settings = Settings(voices={"marin": "m"})
    found = hosted_recognisers(settings)
    assert isinstance(found["cloud"], ListenRecogniser)
    assert isinstance(found["box"], TranscriptionRecogniser)
    assert found["cloud"].endpoint.api_key == SECRET
    voice = hosted_synthesiser(settings)
    assert isinstance(voice, ContextSynthesiser)
    assert (voice.voice_named("marin"), voice.voice_named("alloy")) == ("m", "v")
    chosen = speech_choices(settings)
    assert {*chosen.recognisers} == {"default", "fast"}
    assert SECRET not in chosen.dumps() + repr(settings) + str(settings)


def test_wrong_endpoint_stops_the_start_without_its_key(environment: pytest.MonkeyPatch) -> None:
    """A misspelt field is found at start, and the complaint holds no key."""
    environment.setenv(
        "VOICEENGINE_SYNTHESISER", f'{{"kind": "openai", "key": "{SECRET}", "voise": "x"}}'
    )
    with pytest.raises(ValidationError) as fault:
        Settings()
    assert SECRET not in str(fault.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (None, SECRET),
        ("https://api.openai.com/v1", SECRET),
        ("https://api.openai.com/v1.example.org", "none"),
        ("http://box:8000/v1", "none"),
    ],
)
def test_openai_s_key_goes_to_openai_only(
    environment: pytest.MonkeyPatch, url: str | None, key: str
) -> None:
    """`OPENAI_API_KEY` opens OpenAI's own endpoints; nobody else is shown it."""
    environment.setenv("OPENAI_API_KEY", SECRET)
    given = {"kind": "openai"} | ({} if url is None else {"url": url})
    settings = Settings(recognisers={"r": given}, synthesiser=given)
    assert transcriber(settings).endpoint.api_key == key
    voice = hosted_synthesiser(settings)
    assert isinstance(voice, SpeechEndpointSynthesiser)
    assert voice.endpoint.api_key == key


def test_our_own_key_is_shown_to_nobody(environment: pytest.MonkeyPatch) -> None:
    """Clients keep our key in the same variable."""
    environment.setenv("OPENAI_API_KEY", "sk-ve-ours")
    assert transcriber(Settings(recognisers={"r": {"kind": "openai"}})).endpoint.api_key == "none"


def test_doctor_tells_which_endpoints_answer(environment: pytest.MonkeyPatch) -> None:
    """Each is asked; a refused key and an absent service are told apart, with the setting."""
    with speech.running() as server:
        openai = {"kind": "openai", "url": server.url, "api_key": KEY}
        listen = {"kind": "deepgram", "url": server.listen_url, "api_key": KEY}
        settings = Settings(
            recognisers={
                "box": openai,
                "locked": openai | {"api_key": "wrong"},
                "cloud": listen,
                "gone": {"kind": "deepgram", "url": "ws://127.0.0.1:9/v1/listen"},
            },
            synthesiser={
                "kind": "cartesia", "url": server.contexts_url, "api_key": KEY, "voice": "v",
            },
        )  # fmt: skip
        findings = {finding.name: finding for finding in check_endpoints(settings)}
    states = {name: finding.status for name, finding in findings.items()}
    assert states == {
        "stt box": "good", "stt locked": "bad", "stt cloud": "good", "stt gone": "bad",
        "tts": "good",
    }  # fmt: skip
    assert findings["stt locked"].facts["code"] == "speech_refused_key"
    assert findings["stt gone"].facts["code"] == "speech_unavailable"
    assert "'gone'" in findings["stt gone"].fix
