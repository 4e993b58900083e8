"""Spoken input (CONTRACT 8.6, 8.9, 8.10, 9.3)."""

from __future__ import annotations

import re
import time

from conformance.wire.answers import QUESTION, SPOKEN_TURN, ask_for_much
from conformance.wire.endpoint import BYTES_PER_MS, QUESTION_WORDS, NotRun, Wire, question
from conformance.wire.scenario import expect, expect_order, expect_same, scenario

BUFFER = "input_audio_buffer"
ITEM = ["conversation.item.added", "conversation.item.done"]
HEARD = [f"{BUFFER}.speech_started", f"{BUFFER}.speech_stopped", f"{BUFFER}.committed", *ITEM]
LONGEST_WAIT_MS = 2_000
"""Of `semantic_vad` with eagerness high (CONTRACT 5)."""
SHORTEST_IDLE_MS = 5_000
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def words(text: str) -> str:
    """Return a transcript without case and punctuation."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


@scenario("a spoken turn by voice activity", "CONTRACT 8.6", needs_speech=True)
async def spoken_turn(wire: Wire) -> None:
    async with wire.session() as talk:
        await talk.speak()
        events = await talk.until("response.done")
        expect_order(events, [*HEARD, *SPOKEN_TURN])
        named = [event["item_id"] for event in events[:3]]
        named += [event["item"]["id"] for event in events[3:5]]
        expect_same(len(set(named)), 1, "the number of ids of the user's item")
        started, stopped = events[0]["audio_start_ms"], events[1]["audio_end_ms"]
        expect(0 <= started < stopped, f"speech from {started} to {stopped} ms")
        content = events[3]["item"]["content"]
        expect_same(content, [{"type": "input_audio", "transcript": None}], "the item's content")
        await talk.until("rate_limits.updated")


@scenario("a spoken turn is transcribed", "CONTRACT 9.3", needs_speech=True)
async def transcribed(wire: Wire) -> None:
    audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    async with wire.session(audio=audio) as talk:
        await talk.speak()
        events = await talk.until(TRANSCRIBED)
        completed = events[-1]
        expect_same(words(completed["transcript"]), QUESTION_WORDS, "the transcript")
        committed = next(event for event in events if event["type"] == f"{BUFFER}.committed")
        expect_same(completed["item_id"], committed["item_id"], "item_id")
        await talk.send("conversation.item.retrieve", item_id=completed["item_id"])
        shown = (await talk.one("conversation.item.retrieved"))["item"]["content"][0]
        expect_same(words(shown["transcript"]), QUESTION_WORDS, "the retrieved transcript")
        expect(shown["audio"], "the retrieved item has no audio")
        if "response.done" not in [event["type"] for event in events]:
            await talk.until("response.done")


@scenario("a spoken turn by push to talk", "CONTRACT 8.9")
async def push_to_talk(wire: Wire) -> None:
    async with wire.session(audio={"input": {"turn_detection": None}}) as talk:
        await talk.speak(question())
        await talk.send(f"{BUFFER}.commit")
        events = await talk.until("conversation.item.done")
        expect_order(events, [f"{BUFFER}.committed", *ITEM])
        expect_same(await talk.settled(), [], "what is sent without response.create")


@scenario("a commit of less than 100 ms is refused", "CONTRACT 16")
async def short_commit(wire: Wire) -> None:
    async with wire.session(audio={"input": {"turn_detection": None}}) as talk:
        await talk.speak(bytes(50 * BYTES_PER_MS))
        await talk.send(f"{BUFFER}.commit", event_id="early")
        await talk.error("input_audio_buffer_commit_empty", event_id="early", param=None)


@scenario("without create_response a turn only adds an item", "CONTRACT 8.6", needs_speech=True)
async def no_automatic_response(wire: Wire) -> None:
    detection = {"type": "server_vad", "create_response": False}
    async with wire.session(audio={"input": {"turn_detection": detection}}) as talk:
        await talk.speak()
        expect_order(await talk.until("conversation.item.done"), HEARD)
        expect_same(await talk.settled(), [], "what else is sent")


@scenario("speech interrupts an answer", "CONTRACT 8.10", needs_speech=True)
async def barge_in(wire: Wire) -> None:
    async with wire.session() as talk:
        await ask_for_much(talk)
        await talk.send("response.create")
        await talk.until("response.output_audio.delta")
        await talk.speak()
        events = await talk.until("response.done")
        kinds = [event["type"] for event in events]
        response = events[-1]["response"]
        if response["status"] == "completed":
            raise NotRun("the answer was generated before it was interrupted")
        details = {"type": "cancelled", "reason": "turn_detected"}
        expect_same(response["status_details"], details, "status_details")
        expect(f"{BUFFER}.speech_started" in kinds, "no speech_started before the close-out")
        await talk.until("response.done")


@scenario("a spoken turn by meaning", "CONTRACT 8.7", needs_speech=True)
async def turn_by_meaning(wire: Wire) -> None:
    detection = {"type": "semantic_vad", "eagerness": "high"}
    async with wire.session(audio={"input": {"turn_detection": detection}}) as talk:
        await talk.speak(question() + bytes(LONGEST_WAIT_MS * BYTES_PER_MS))
        events = await talk.until("response.done")
        expect_order(events, [*HEARD, *SPOKEN_TURN])
        waited = events[1]["audio_end_ms"]
        longest = len(question()) // BYTES_PER_MS + LONGEST_WAIT_MS
        expect(waited <= longest, f"the turn ended at {waited} ms, after the longest wait")


@scenario("silence after an answer makes the model speak again", "CONTRACT 8.8", slow=True)
async def idle_timeout(wire: Wire) -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": SHORTEST_IDLE_MS}
    audio = {"input": {"turn_detection": detection}}
    async with wire.session(output_modalities=["text"], audio=audio) as talk:
        await talk.say(QUESTION)
        await talk.answer()
        await talk.until("rate_limits.updated")
        began = time.monotonic()
        events = await talk.until("response.created")
        passed_ms = (time.monotonic() - began) * 1_000
        triggered = f"{BUFFER}.timeout_triggered"
        expect_order(events, [triggered, f"{BUFFER}.committed", *ITEM, "response.created"])
        expect_same(events[0]["item_id"], events[1]["item_id"], "item_id")
        expect(events[0]["audio_start_ms"] <= events[0]["audio_end_ms"], "it ends before it starts")
        expect(passed_ms >= SHORTEST_IDLE_MS - 500, f"triggered after {passed_ms:.0f} ms")
        await talk.until("response.done")
