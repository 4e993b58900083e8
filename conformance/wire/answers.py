"""Responses to written input (CONTRACT 8.1 to 8.3, 8.11 to 8.13)."""

from __future__ import annotations

import json
from base64 import b64decode

from conformance.wire.endpoint import NotRun, Talk, Wire
from conformance.wire.scenario import deltas, expect, expect_order, expect_same, scenario

QUESTION = "what time is it"
COUNT = "one two three four five six seven eight nine ten " * 8

HEAD = ["response.created", "response.output_item.added", "conversation.item.added"]
TAIL = ["conversation.item.done", "response.output_item.done", "response.done"]
SPOKEN = ["response.output_audio.done", "response.output_audio_transcript.done"]
PART = ("response.content_part.added", "response.content_part.done")
SPOKEN_TURN = [*HEAD, PART[0], *SPOKEN, PART[1], *TAIL]
TOOL = {
    "type": "function",
    "name": "forecast",
    "description": "Tell the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
FORCED = {"type": "function", "name": "forecast"}


async def ask_for_much(talk: Talk) -> None:
    """Leave a conversation whose next answer is long.

    An echo repeats the user, skills speak the output of a tool, and a language
    model does as it is told.
    """
    call = {"type": "function_call", "call_id": "call_much", "name": "count", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_much", "output": COUNT}
    await talk.say(f"Read aloud, word by word: {COUNT}")
    for item in (call, output):
        await talk.send("conversation.item.create", item=item)
        await talk.until("conversation.item.done")


@scenario("a written turn", "CONTRACT 8.1")
async def written_turn(wire: Wire) -> None:
    async with wire.session(output_modalities=["text"]) as talk:
        await talk.say(QUESTION)
        events = await talk.answer()
        expect_order(events, [*HEAD, PART[0], "response.output_text.done", PART[1], *TAIL])
        expect_same(events[0]["response"]["status"], "in_progress", "status when created")
        response = events[-1]["response"]
        expect_same(response["status"], "completed", "status when done")
        text = response["output"][0]["content"][0]["text"]
        expect_same("".join(deltas(events, "output_text")), text, "the sum of the deltas")
        expect(response["usage"]["output_tokens"] > 0, "usage counts no output")
        await talk.until("rate_limits.updated")


@scenario("a spoken answer", "CONTRACT 8.2")
async def spoken_answer(wire: Wire) -> None:
    async with wire.session() as talk:
        await talk.say(QUESTION)
        events = await talk.answer()
        expect_order(events, SPOKEN_TURN)
        audio = b"".join(map(b64decode, deltas(events, "output_audio")))
        expect(len(audio) >= 4_800, f"only {len(audio)} bytes of audio")
        part = events[-1]["response"]["output"][0]["content"][0]
        expect_same(part["type"], "output_audio", "the item's content type")
        words = "".join(deltas(events, "output_audio_transcript"))
        expect_same(words, part["transcript"], "the sum of the transcript's deltas")
        await talk.until("rate_limits.updated")


@scenario("a spoken answer in G.711", "CONTRACT 5")
async def mu_law_answer(wire: Wire) -> None:
    for name in ("audio/pcmu", "audio/pcma"):
        audio = {"output": {"format": {"type": name}}}
        async with wire.session(audio=audio) as talk:
            await talk.say(QUESTION)
            events = await talk.answer()
        response = events[-1]["response"]
        expect_same(response["status"], "completed", f"status ({response['status_details']})")
        shown = response["audio"]["output"]["format"]
        expect_same(shown, {"type": name}, "the response's format")
        said = response["output"]
        expect(deltas(events, "output_audio"), f"no audio, but {said}")


@scenario("a response is cancelled", "CONTRACT 8.11")
async def cancelled(wire: Wire) -> None:
    async with wire.session() as talk:
        await ask_for_much(talk)
        await talk.send("response.create")
        await talk.until("response.output_audio.delta")
        await talk.send("response.cancel", event_id="stop")
        response = (await talk.until("response.done", allow_error=True))[-1]["response"]
        if response["status"] == "completed":
            raise NotRun("the answer was generated before the cancel came")
        details = {"type": "cancelled", "reason": "client_cancelled"}
        expect_same(response["status"], "cancelled", "status")
        expect_same(response["status_details"], details, "status_details")
        expect_same(response["output"][0]["status"], "incomplete", "the item's status")


@scenario("a cancel without a response is a benign error", "CONTRACT 16")
async def idle_cancel(wire: Wire) -> None:
    async with wire.session() as talk:
        await talk.send("response.cancel", event_id="mine")
        await talk.error("response_cancel_not_active", event_id="mine", param=None)
        expect_same(await talk.settled(), [], "what else is sent")


@scenario("a second response at the same time is refused", "CONTRACT 16")
async def busy(wire: Wire) -> None:
    async with wire.session() as talk:
        await ask_for_much(talk)
        await talk.send("response.create")
        await talk.until("response.output_audio.delta")
        await talk.send("response.create", event_id="second")
        await talk.send("response.cancel")
        events = await talk.until("response.done", allow_error=True)
        errors = [event["error"] for event in events if event["type"] == "error"]
        if events[-1]["response"]["status"] == "completed":
            raise NotRun("the first answer was generated before the second was asked for")
        codes = [(error["code"], error["event_id"]) for error in errors]
        expect_same(codes, [("conversation_already_has_active_response", "second")], "errors")


@scenario("a forced function is called with fitting arguments, its output spoken", "CONTRACT 8.3")
async def forced_function(wire: Wire) -> None:
    async with wire.session() as talk:
        await talk.say("weather in Bern")
        events = await talk.answer(tools=[TOOL], tool_choice=FORCED)
        expect_order(events, [*HEAD, "response.function_call_arguments.done", *TAIL])
        call = events[-1]["response"]["output"][0]
        expect_same((call["type"], call["name"]), ("function_call", "forecast"), "the call")
        sent = "".join(deltas(events, "function_call_arguments"))
        expect_same(sent, call["arguments"], "the sum of the deltas")
        arguments = json.loads(call["arguments"])
        expect_same(sorted(arguments), ["city", "days"], "the arguments' names")
        expect(isinstance(arguments["days"], int) and arguments["days"] >= 2, str(arguments))
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny."}
        await talk.send("conversation.item.create", item=output)
        await talk.until("conversation.item.done")
        spoken = (await talk.answer())[-1]["response"]
        expect_same(spoken["status"], "completed", "status of the answer")


@scenario("no function is called with tool_choice none", "CONTRACT 5")
async def no_function(wire: Wire) -> None:
    async with wire.session(tools=[TOOL], tool_choice="none") as talk:
        await talk.say("weather in Bern")
        output = (await talk.answer())[-1]["response"]["output"]
        expect_same({item["type"] for item in output}, {"message"}, "the kinds of output")


@scenario("an out-of-band response leaves the conversation alone", "CONTRACT 8.12")
async def out_of_band(wire: Wire) -> None:
    async with wire.session() as talk:
        asked = {"type": "message", "role": "user"}
        asked["content"] = [{"type": "input_text", "text": QUESTION}]  # type: ignore[assignment]
        events = await talk.answer(
            conversation="none",
            metadata={"topic": "aside"},
            input=[asked],
            output_modalities=["text"],
        )
        kinds = [event["type"] for event in events]
        touched = [kind for kind in kinds if kind.startswith("conversation.item.")]
        expect_same(touched, [], "conversation events")
        response = events[0]["response"]
        expect_same(response["conversation_id"], None, "conversation_id")
        expect_same(response["metadata"], {"topic": "aside"}, "metadata")
        item_id = events[-1]["response"]["output"][0]["id"]
        await talk.send("conversation.item.retrieve", item_id=item_id)
        await talk.error("item_retrieve_invalid_item_id")


@scenario("max_output_tokens ends a response as incomplete", "CONTRACT 8.13")
async def token_limit(wire: Wire) -> None:
    async with wire.session(output_modalities=["text"]) as talk:
        await ask_for_much(talk)
        response = (await talk.answer(max_output_tokens=1))[-1]["response"]
        expect_same(response["status"], "incomplete", "status")
        details = {"type": "incomplete", "reason": "max_output_tokens"}
        expect_same(response["status_details"], details, "status_details")
