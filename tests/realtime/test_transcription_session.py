"""Transcription sessions: turns and transcripts, and nobody who answers (CONTRACT 12)."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import TokenLogprob, TranscriptFinal, TranscriptPartial
from realtime.events.client import SUPPORTED_IN_TRANSCRIPTION
from realtime.session import effects as fx
from realtime.session.config import TranscriptionSessionConfig
from tests.realtime.driver import Driver, text_item

LOGPROBS = "item.input_audio_transcription.logprobs"
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"


def transcribing(**given: Any) -> Driver:
    """Return a fresh transcription session."""
    return Driver(config=TranscriptionSessionConfig(id="sess_test", expires_at=3600), **given)


def configure(driver: Driver, model: str | None = None, **audio_input: Any) -> None:
    """Send a `session.update`."""
    if model is not None:
        audio_input["transcription"] = {"model": model, **audio_input.pop("options", {})}
    session = {"type": "transcription", "audio": {"input": audio_input}}
    driver.client("session.update", session=session)


def test_session_created_shows_input_only() -> None:
    """A fresh session shows no model, instructions or output, and turn detection has four keys."""
    session = transcribing().sent[0]["session"]
    assert list(session) == ["type", "object", "id", "expires_at", "audio", "include"]
    assert session["object"] == "realtime.transcription_session"
    assert list(session["audio"]) == ["input"]
    heard = session["audio"]["input"]
    assert list(heard) == ["format", "transcription", "noise_reduction", "turn_detection"]
    assert heard["transcription"] is None
    assert list(heard["turn_detection"]) == [
        "type", "threshold", "prefix_padding_ms", "silence_duration_ms",
    ]  # fmt: skip


def test_turn_without_a_model_becomes_an_item_and_no_more() -> None:
    """Until a model is set, turns become items that nobody transcribes."""
    driver = transcribing()
    driver.utterance()
    driver.run()
    assert driver.types()[1:] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert not [e for e in driver.effects if isinstance(e, fx.OpenRecognition)]


def test_turn_with_a_model_is_transcribed_and_not_answered() -> None:
    """With a model each turn has its transcript with usage; no response and no rate limits."""
    driver = transcribing(transcript="what time is it")
    configure(driver, "gpt-4o-mini-transcribe")
    driver.utterance()
    driver.run()
    assert driver.types()[2:] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        DELTA,
        COMPLETED,
    ]
    completed = driver.last(COMPLETED)
    assert completed["transcript"] == "what time is it"
    assert completed["usage"]["type"] == "tokens"


@pytest.mark.parametrize("kind", ["response.create", "response.cancel"])
def test_response_events_are_no_events_here(kind: str) -> None:
    """What concerns answers is refused with the list of what is supported."""
    driver = transcribing()
    driver.client(kind, event_id="mine")
    error = driver.error()
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "mine")
    assert all(f"'{name}'" in error["message"] for name in SUPPORTED_IN_TRANSCRIPTION)


def test_update_of_a_conversation_is_refused() -> None:
    """A realtime update is refused with the sentence of the contract."""
    driver = transcribing()
    driver.client("session.update", session={"type": "realtime", "instructions": "x"})
    assert driver.error()["message"] == (
        "Passing a realtime session update event to a transcription session is not allowed."
    )


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
def test_streaming_model_refuses_turn_detection(model: str) -> None:
    """A model that streams leaves turns to the client: the whole update is refused."""
    driver = transcribing()
    configure(driver, model)
    error = driver.error()
    assert error["param"] == "session.audio.input.turn_detection"
    assert "not supported for this transcription model" in error["message"]
    driver.client("session.update", session={"type": "transcription"})
    assert driver.last("session.updated")["session"]["audio"]["input"]["transcription"] is None


def test_streaming_model_shows_words_before_the_commit() -> None:
    """Deltas come before the commit and carry the id that the item gets."""
    driver = transcribing(transcript=None)
    configure(driver, "gpt-live-transcribe", turn_detection=None)
    driver.audio(200)
    opened = next(e for e in driver.effects if isinstance(e, fx.OpenRecognition))
    assert opened.request.partials
    item_id = opened.request.utterance_id
    driver.give(TranscriptPartial(item_id, " what time"))
    driver.audio(200)
    driver.client("input_audio_buffer.commit")
    driver.give(TranscriptFinal(item_id, "what time is it"))
    assert driver.types()[2:] == [
        DELTA,
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        DELTA,
        COMPLETED,
    ]
    assert driver.last("input_audio_buffer.committed")["item_id"] == item_id
    deltas = [event["delta"] for event in driver.sent if event["type"] == DELTA]
    assert deltas == [" what time", " is it"]
    driver.audio(200)
    assert [e for e in driver.effects if isinstance(e, fx.OpenRecognition)][-1] is not opened


def test_streaming_model_clear_forgets_what_was_heard() -> None:
    """After a clear nothing of the old words is shown, and the next audio has another item."""
    driver = transcribing(transcript=None)
    configure(driver, "gpt-live-transcribe", turn_detection=None)
    driver.audio(400)
    first = next(e for e in driver.effects if isinstance(e, fx.OpenRecognition)).request
    driver.client("input_audio_buffer.clear")
    driver.give(TranscriptPartial(first.utterance_id, "late"))
    assert DELTA not in driver.types()
    driver.audio(200)
    driver.client("input_audio_buffer.commit")
    assert driver.last("input_audio_buffer.committed")["item_id"] != first.utterance_id


@pytest.mark.parametrize(
    ("model", "options", "refused"),
    [
        ("gpt-realtime-whisper", {"prompt": "names"}, "prompt"),
        ("gpt-realtime-whisper", {"keywords": ["a"]}, "keywords"),
        ("whisper-1", {"languages": ["en"]}, "languages"),
        ("gpt-4o-transcribe", {"delay": "low"}, "delay"),
        ("gpt-transcribe", {"keywords": ["a"], "languages": ["en"]}, None),
        ("gpt-live-transcribe", {"delay": "low", "languages": ["en", "de"]}, None),
        ("gpt-realtime-whisper", {"delay": "xhigh"}, None),
    ],
)
def test_options_are_the_models_own(
    model: str, options: dict[str, Any], refused: str | None
) -> None:
    """Each model takes its options and refuses the others' by name."""
    driver = transcribing()
    configure(driver, model, options=options, turn_detection=None)
    if refused is None:
        assert driver.types() == ["session.created", "session.updated"]
    else:
        assert driver.error()["param"] == f"session.audio.input.transcription.{refused}"


def test_wishes_reach_the_recogniser_and_not_the_echo() -> None:
    """Keywords and delay are asked of the recogniser; only `languages` is echoed, by one model."""
    driver = transcribing(transcript=None)
    options = {"delay": "low", "keywords": ["OVOS"], "languages": ["en", "de"]}
    configure(driver, "gpt-live-transcribe", options=options, turn_detection=None)
    shown = driver.last("session.updated")["session"]["audio"]["input"]
    assert shown["transcription"] == {
        "model": "gpt-live-transcribe", "language": None, "prompt": None,
        "languages": ["en", "de"],
    }  # fmt: skip
    assert list(shown) == ["format", "transcription", "noise_reduction", "turn_detection"]
    driver.audio(100)
    request = next(e for e in driver.effects if isinstance(e, fx.OpenRecognition)).request
    assert (request.delay, request.keywords, request.languages) == ("low", ("OVOS",), ("en", "de"))
    assert request.model == "gpt-live-transcribe"


def test_unknown_model_is_refused_with_the_known_ones() -> None:
    """A transcription model that nobody serves is an invalid value."""
    driver = transcribing()
    configure(driver, "whisper-9")
    error = driver.error()
    assert (error["code"], error["param"]) == (
        "invalid_value", "session.audio.input.transcription.model",
    )  # fmt: skip
    assert "'whisper-1'" in error["message"]


def test_logprobs_come_when_included() -> None:
    """With `include` deltas and the completed transcript have log probabilities, else no key."""
    probable = (TokenLogprob("yes", -0.25),)
    shown = [{"token": "yes", "logprob": -0.25, "bytes": [121, 101, 115]}]
    for include in (None, [LOGPROBS]):
        driver = transcribing(transcript=None)
        driver.client("session.update", session={"type": "transcription", "include": include})
        configure(driver, "gpt-4o-transcribe")
        driver.utterance()
        item_id = driver.last("conversation.item.done")["item"]["id"]
        driver.give(TranscriptFinal(item_id, "yes", logprobs=probable))
        for kind in (DELTA, COMPLETED):
            event = driver.last(kind)
            assert ("logprobs" in event) is (include is not None)
            assert event.get("logprobs", shown) == shown


def test_logprobs_are_null_where_the_recogniser_has_none() -> None:
    """A recogniser without probabilities is told of honestly."""
    driver = transcribing(transcript="yes")
    driver.client("session.update", session={"type": "transcription", "include": [LOGPROBS]})
    configure(driver, "gpt-4o-transcribe")
    driver.utterance()
    assert driver.last(COMPLETED)["logprobs"] is None


def test_languages_that_were_heard_are_told_by_models_that_detect_them() -> None:
    """`gpt-transcribe` tells languages, `whisper-1` has no key for them."""
    for model, told in (("gpt-transcribe", True), ("whisper-1", False)):
        driver = transcribing(transcript=None)
        configure(driver, model)
        driver.utterance()
        item_id = driver.last("conversation.item.done")["item"]["id"]
        driver.give(TranscriptFinal(item_id, "ja", languages=("de",)))
        completed = driver.last(COMPLETED)
        assert completed.get("languages") == ([{"code": "de"}] if told else None)


def test_items_can_be_retrieved_and_deleted() -> None:
    """Items are there as in a conversation: SDKs retrieve each after its transcript."""
    driver = transcribing()
    configure(driver, "whisper-1")
    driver.utterance()
    item_id = driver.last("conversation.item.done")["item"]["id"]
    driver.client("conversation.item.retrieve", item_id=item_id)
    assert [e for e in driver.effects if isinstance(e, fx.SendRetrieved)]
    driver.client("conversation.item.delete", item_id=item_id)
    assert driver.last("conversation.item.deleted")["item_id"] == item_id
    driver.client("conversation.item.create", item=text_item("context"))
    assert driver.types()[-2:] == ["conversation.item.added", "conversation.item.done"]


def test_semantic_vad_has_two_keys_here() -> None:
    """`semantic_vad` shows its eagerness and nothing about answers."""
    driver = transcribing()
    configure(driver, "whisper-1", turn_detection={"type": "semantic_vad", "eagerness": "high"})
    shown = driver.last("session.updated")["session"]["audio"]["input"]["turn_detection"]
    assert shown == {"type": "semantic_vad", "eagerness": "high"}


def test_turn_detection_keys_for_answers_are_taken_and_unused() -> None:
    """Clients send one form for both kinds of session; what has no meaning here is not an error."""
    driver = transcribing()
    detection = {"type": "server_vad", "create_response": True, "silence_duration_ms": 300}
    configure(driver, "whisper-1", turn_detection=detection)
    shown = driver.last("session.updated")["session"]["audio"]["input"]["turn_detection"]
    assert (shown["silence_duration_ms"], "create_response" in shown) == (300, False)
    driver.utterance()
    driver.run()
    assert "response.created" not in driver.types()


@pytest.mark.parametrize(
    ("language", "asked"),
    [
        ("de", "de"),
        ("pt-BR", "pt-BR"),
        ("zh_Hans_CN", "zh_Hans_CN"),
        ("../../de", None),
        ("", None),
    ],
)
def test_language_that_is_no_tag_reaches_no_engine(language: str, asked: str | None) -> None:
    """Engines look for files and models by it; it is echoed, and what is spoken is left open."""
    driver = transcribing()
    configure(driver, "gpt-4o-transcribe", options={"language": language})
    echoed = driver.last("session.updated")
    assert echoed["session"]["audio"]["input"]["transcription"]["language"] == language
    driver.utterance()
    (opened,) = [e for e in driver.effects if isinstance(e, fx.OpenRecognition)]
    assert opened.request.language == asked


def test_options_of_one_model_are_not_the_next_ones() -> None:
    """What a model refuses is not kept for it from another."""
    driver = transcribing(transcript=None)
    options = {"prompt": "names", "keywords": ["OVOS"], "language": "en"}
    configure(driver, "gpt-transcribe", options=options, turn_detection=None)
    configure(driver, "gpt-realtime-whisper")
    shown = driver.last("session.updated")["session"]["audio"]["input"]["transcription"]
    assert (shown["prompt"], shown["language"]) == (None, "en")
    driver.audio(100)
    request = next(e for e in driver.effects if isinstance(e, fx.OpenRecognition)).request
    assert (request.prompt, request.keywords) == (None, ())
