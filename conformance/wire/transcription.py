"""Transcription sessions: turns and transcripts, and nobody who answers (CONTRACT 12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from conformance.wire.endpoint import (
    BYTES_PER_MS,
    QUESTION_WORDS,
    Broken,
    Event,
    NotRun,
    Talk,
    Wire,
    question,
)
from conformance.wire.handshake import closed
from conformance.wire.scenario import expect, expect_order, expect_same, scenario
from conformance.wire.speech import BUFFER, HEARD, ITEM, TRANSCRIBED, words

QUERY = "?intent=transcription"
LOGPROBS = "item.input_audio_transcription.logprobs"
DELTA = "conversation.item.input_audio_transcription.delta"
STREAMING = ("gpt-live-transcribe", "gpt-realtime-whisper")
SILENCE = bytes(200 * BYTES_PER_MS)


def session_of(audio_input: Event) -> Event:
    """Return a transcription session with that input, as clients send it."""
    return {"type": "transcription", "audio": {"input": audio_input}}


@asynccontextmanager
async def transcribing(wire: Wire, **audio_input: Any) -> AsyncIterator[Talk]:
    """Open a transcription session; update it when something is given."""
    async with wire.dial(QUERY) as talk:
        created = await talk.receive()
        if created["type"] != "session.created":
            raise Broken(f"the first event is {created['type']}: {created.get('error')}")
        if audio_input:
            await configure(talk, **audio_input)
        yield talk


async def configure(talk: Talk, **audio_input: Any) -> Event:
    """Update the session; return its `audio.input` as told."""
    await talk.send("session.update", session=session_of(audio_input))
    told: Event = (await talk.one("session.updated"))["session"]["audio"]["input"]
    return told


async def refusal(talk: Talk, **audio_input: Any) -> str:
    """Update the session with what it must refuse; return the message."""
    await talk.send("session.update", session=session_of(audio_input))
    return str((await talk.one("error"))["error"]["message"])


@scenario("a transcription session shows what it listens to", "CONTRACT 12")
async def fresh_session(wire: Wire) -> None:
    async with transcribing(wire) as talk:
        session = wire.frames[0].event["session"]
        expect_same(session["type"], "transcription", "session.type")
        expect_same(session["object"], "realtime.transcription_session", "session.object")
        for absent in ("model", "instructions", "tools"):
            expect(absent not in session, f"session has {absent}")
        expect_same(list(session["audio"]), ["input"], "session.audio")
        heard = session["audio"]["input"]
        expect_same(heard["transcription"], None, "transcription")
        detection = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300}
        expect_same(
            heard["turn_detection"], {**detection, "silence_duration_ms": 200}, "turn_detection"
        )
        expect_same(await talk.settled(), [], "what else is sent unasked")


@scenario("a model in the query of a transcription session is refused", "CONTRACT 1")
async def model_in_query(wire: Wire) -> None:
    async with wire.dial(f"{QUERY}&model=gpt-4o-transcribe") as talk:
        error = (await talk.one("error"))["error"]
        told = "You must not provide a model parameter for transcription sessions"
        expect(told in error["message"], f"the message is {error['message']!r}")
        await closed(talk, error["code"], 4000)


@scenario("a transcription model is no model to talk to", "CONTRACT 12")
async def not_a_realtime_model(wire: Wire) -> None:
    async with wire.dial("?model=gpt-4o-transcribe") as talk:
        message = (await talk.error("invalid_model"))["message"]
        worded = ("is a transcription model and cannot", "is not supported in realtime mode")
        expect(any(words in message for words in worded), f"the message is {message!r}")
        await closed(talk, "invalid_model", 4000)


@scenario("a client secret opens the transcription session it was made for", "CONTRACT 12, 3.1")
async def by_secret(wire: Wire) -> None:
    heard = {"transcription": {"model": "gpt-4o-transcribe", "language": "en"}}
    secret = await wire.post("/realtime/client_secrets", {"session": session_of(heard)})
    expect(secret["value"].startswith("ek_"), "the value does not begin with ek_")
    expect_same(secret["session"]["type"], "transcription", "session.type of the secret")
    async with wire.dial("", key=secret["value"]) as talk:
        created = (await talk.one("session.created"))["session"]
        expect_same(created["type"], "transcription", "session.type")
        shown = created["audio"]["input"]["transcription"]
        expect_same(shown["model"], "gpt-4o-transcribe", "the model it was made with")
        expect_same(shown["language"], "en", "the language it was made with")


@scenario("the transcription model is echoed, other kinds of update refused", "CONTRACT 12, 6.6")
async def updates(wire: Wire) -> None:
    async with transcribing(wire) as talk:
        told = await configure(talk, transcription={"model": "gpt-4o-mini-transcribe"})
        echoed = {"model": "gpt-4o-mini-transcribe", "language": None, "prompt": None}
        expect_same(told["transcription"], echoed, "transcription")
        await talk.send("session.update", session={"type": "realtime"}, event_id="kind")
        sentence = (
            "Passing a realtime session update event to a transcription session is not allowed."
        )
        error = (await talk.one("error"))["error"]
        expect_same((error["message"], error["event_id"]), (sentence, "kind"), "the error")
        low = {"type": "audio/pcm", "rate": 16_000}
        heard = {"format": low, "transcription": {"model": "whisper-1"}}
        await talk.send("session.update", session=session_of(heard))
        param = "session.audio.input.format.rate"
        await talk.error("integer_below_min_value", param=param)
        await talk.send("response.create")
        await talk.one("error")
        await talk.send("session.update", session={"type": "transcription"})
        kept = (await talk.one("session.updated"))["session"]["audio"]["input"]["transcription"]
        expect_same(kept, echoed, "transcription after what was refused")


@scenario("models that stream take no turn detection and have options of their own", "CONTRACT 12")
async def streaming_models(wire: Wire) -> None:
    async with transcribing(wire) as talk:
        for model in STREAMING:
            message = await refusal(talk, transcription={"model": model})
            told = "not supported for this transcription model"
            expect(told in message, f"{model}: the message is {message!r}")
        await configure(talk, turn_detection=None)
        delayed = {"model": "gpt-realtime-whisper", "delay": "low"}
        shown = (await configure(talk, transcription=delayed))["transcription"]
        expect("delay" not in shown, "delay is echoed")
        await refusal(talk, transcription={"model": "gpt-realtime-whisper", "prompt": "Ada"})
        several = {"model": "gpt-live-transcribe", "languages": ["en", "de"]}
        shown = (await configure(talk, transcription=several))["transcription"]
        expect_same(shown["languages"], ["en", "de"], "languages")


@scenario("audio becomes items without a model, and nothing more", "CONTRACT 12")
async def no_model(wire: Wire) -> None:
    async with transcribing(wire, turn_detection=None) as talk:
        await talk.speak(SILENCE)
        await talk.send(f"{BUFFER}.commit")
        expect_order(await talk.until("conversation.item.done"), [f"{BUFFER}.committed", *ITEM])
        expect_same(await talk.settled(), [], "what else is sent")


@scenario("a turn by voice activity is transcribed and not answered", "CONTRACT 12",
          needs_speech=True)  # fmt: skip
async def spoken_turn(wire: Wire) -> None:
    async with transcribing(wire, transcription={"model": "gpt-4o-transcribe"}) as talk:
        await talk.speak()
        events = await talk.until(TRANSCRIBED)
        expect_order(events, HEARD)
        completed = events[-1]
        expect_same(words(completed["transcript"]), QUESTION_WORDS, "the transcript")
        expect_same(completed["usage"]["type"], "tokens", "usage.type")
        await talk.send("conversation.item.retrieve", item_id=completed["item_id"])
        shown = (await talk.one("conversation.item.retrieved"))["item"]["content"][0]
        expect_same(shown["transcript"], completed["transcript"], "the retrieved transcript")
        await talk.send("conversation.item.delete", item_id=completed["item_id"])
        await talk.until("conversation.item.deleted")
        expect_same(await talk.settled(), [], "what else is sent")


@scenario("committed audio is transcribed and counted in seconds", "CONTRACT 12, 9.3",
          needs_speech=True)  # fmt: skip
async def by_commit(wire: Wire) -> None:
    chosen = {"model": "whisper-1", "language": "en"}
    async with transcribing(wire, turn_detection=None, transcription=chosen) as talk:
        await talk.speak(question())
        await talk.send(f"{BUFFER}.commit")
        events = await talk.until(TRANSCRIBED)
        expect_order(events, [f"{BUFFER}.committed", *ITEM])
        expect_same(words(events[-1]["transcript"]), QUESTION_WORDS, "the transcript")
        seconds = -(-len(question()) // (1_000 * BYTES_PER_MS))
        expect_same(events[-1]["usage"], {"type": "duration", "seconds": seconds}, "usage")


@scenario("a model that streams tells words before the commit", "CONTRACT 12", needs_speech=True)
async def streamed(wire: Wire) -> None:
    chosen = {"model": "gpt-live-transcribe", "delay": "minimal"}
    async with transcribing(wire, turn_detection=None, transcription=chosen) as talk:
        await talk.speak()
        early = await talk.until(DELTA)
        expect_same([event["type"] for event in early], [DELTA], "what comes before the commit")
        await talk.send(f"{BUFFER}.commit")
        events = await talk.until(TRANSCRIBED)
        expect_order(events, [f"{BUFFER}.committed", *ITEM])
        ids = {event["item_id"] for event in (*early, *events) if "item_id" in event}
        expect_same(len(ids), 1, "the number of ids of the item")
        told = "".join(event["delta"] for event in (*early, *events) if event["type"] == DELTA)
        transcript = events[-1]["transcript"]
        expect_same(words(transcript), QUESTION_WORDS, "the transcript")
        expect_same(told.removeprefix(" "), transcript, "the sum of the deltas")


@scenario("log probabilities come with include", "CONTRACT 9.3", needs_speech=True)
async def logprobs(wire: Wire) -> None:
    chosen = {"model": "gpt-4o-transcribe"}
    async with transcribing(wire, turn_detection=None, transcription=chosen) as talk:
        session = {"type": "transcription", "include": [LOGPROBS]}
        await talk.send("session.update", session=session)
        told = (await talk.one("session.updated"))["session"]["include"]
        expect_same(told, [LOGPROBS], "include")
        await talk.speak(question())
        await talk.send(f"{BUFFER}.commit")
        completed = await talk.one(TRANSCRIBED)
        expect("logprobs" in completed, "completed has no logprobs")
        if completed["logprobs"] is None:
            raise NotRun("the recogniser here has no log probabilities; null says so")
        for piece in completed["logprobs"]:
            expect_same(bytes(piece["bytes"]).decode(), piece["token"], "bytes of a token")
            expect(piece["logprob"] <= 0, f"logprob {piece['logprob']}")
