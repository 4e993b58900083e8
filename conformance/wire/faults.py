"""Frames that are no events; the session goes on (CONTRACT 16)."""

from __future__ import annotations

from conformance.wire.answers import QUESTION
from conformance.wire.endpoint import Wire
from conformance.wire.scenario import expect, expect_same, scenario


@scenario("what is no event is told, and the session goes on", "CONTRACT 16")
async def no_events(wire: Wire) -> None:
    async with wire.session(output_modalities=["text"]) as talk:
        await talk.socket.send(b"\x00\x01")
        await talk.error("invalid_event", param=None, event_id=None)
        await talk.socket.send("{")
        await talk.error("invalid_json", param=None)
        await talk.send("nope", event_id="mine")
        error = await talk.error("invalid_value", param="type", event_id="mine")
        expect("Supported values are: 'session.update'" in error["message"], error["message"])
        await talk.send("input_audio_buffer.append", audio="!!!")
        await talk.one("error")
        await talk.send("conversation.item.create", item={"type": "message"})
        await talk.one("error")
        await talk.send("response.create", response={"bogus": 1})
        await talk.error("unknown_parameter", param="response.bogus")
        await talk.say(QUESTION)
        response = (await talk.answer())[-1]["response"]
        expect_same(response["status"], "completed", "status of a turn after all faults")
