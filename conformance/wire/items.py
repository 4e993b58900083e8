"""Items: places, retrieval, truncation, deletion (CONTRACT 9)."""

from __future__ import annotations

from base64 import b64decode

from conformance.wire.answers import QUESTION
from conformance.wire.endpoint import Event, Talk, Wire, user_text
from conformance.wire.scenario import deltas, expect, expect_same, scenario

CREATE, RETRIEVE = "conversation.item.create", "conversation.item.retrieve"
TRUNCATE, DELETE = "conversation.item.truncate", "conversation.item.delete"


async def add(talk: Talk, name: str, after: str | None = None) -> Event:
    """Add a text item under an id of ours; return its `added`."""
    place = {} if after is None else {"previous_item_id": after}
    await talk.send(CREATE, item={"id": name, **user_text(name)}, **place)
    added, done = await talk.until("conversation.item.done")
    expect_same(added["type"], "conversation.item.added", "the first event")
    expect_same(added["item"], done["item"], "the item in done")
    expect_same(added["item"]["status"], "completed", "status")
    return added


@scenario("items are added at the end, at the front and after another", "CONTRACT 9.2")
async def places(wire: Wire) -> None:
    async with wire.session() as talk:
        expect_same((await add(talk, "one"))["previous_item_id"], None, "place of the first")
        expect_same((await add(talk, "two"))["previous_item_id"], "one", "place at the end")
        expect_same((await add(talk, "zero", "root"))["previous_item_id"], None, "place at root")
        expect_same((await add(talk, "half", "zero"))["previous_item_id"], "zero", "place")
        expect_same((await add(talk, "three"))["previous_item_id"], "two", "place at the end")
        await talk.send(CREATE, item=user_text("lost"), previous_item_id="nobody", event_id="x")
        await talk.error("invalid_value", event_id="x")
        await talk.send(CREATE, item={"id": "one", **user_text("again")}, event_id="y")
        await talk.error("item_create_duplicate_item_id", event_id="y")


@scenario("every kind of item is taken", "CONTRACT 9")
async def kinds(wire: Wire) -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "forecast", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_1", "output": "Sunny."}
    system = {"type": "message", "role": "system"}
    assistant = {"type": "message", "role": "assistant"}
    items: list[Event] = [
        {**system, "content": [{"type": "input_text", "text": "Be brief."}]},
        {**assistant, "content": [{"type": "output_text", "text": "Hello."}]},
        call,
        output,
    ]
    async with wire.session() as talk:
        for item in items:
            await talk.send(CREATE, item=item)
            added = (await talk.until("conversation.item.done"))[0]["item"]
            shown = {key: added.get(key) for key in item}
            expect_same(shown, item, "the item as shown")
        orphan = {**output, "call_id": "call_none"}
        await talk.send(CREATE, item=orphan)
        await talk.error("invalid_tool_call_id")


@scenario("a spoken item is retrieved and truncated", "CONTRACT 9.1, 9.4")
async def spoken_item(wire: Wire) -> None:
    async with wire.session() as talk:
        await talk.say(QUESTION)
        events = await talk.answer()
        sent = b"".join(map(b64decode, deltas(events, "output_audio")))
        item_id = events[-1]["response"]["output"][0]["id"]
        await talk.send(RETRIEVE, item_id=item_id)
        part = (await talk.one("conversation.item.retrieved"))["item"]["content"][0]
        expect(b64decode(part["audio"]) == sent, "the audio retrieved is not the audio sent")
        cut: Event = {"item_id": item_id, "content_index": 0}
        await talk.send(TRUNCATE, **cut, audio_end_ms=3_600_000)
        await talk.error("invalid_value")
        await talk.send(TRUNCATE, **cut, audio_end_ms=100)
        truncated = await talk.one("conversation.item.truncated")
        told = (truncated["item_id"], truncated["content_index"], truncated["audio_end_ms"])
        expect_same(told, (item_id, 0, 100), "what was truncated")
        await talk.send(TRUNCATE, **cut, audio_end_ms=50)
        await talk.error("item_already_truncated")


@scenario("only spoken answers are truncated", "CONTRACT 16")
async def not_truncated(wire: Wire) -> None:
    async with wire.session() as talk:
        await add(talk, "written")
        await talk.send(TRUNCATE, item_id="written", content_index=0, audio_end_ms=10)
        message = (await talk.one("error"))["error"]["message"]
        expect_same(message, "Only model output audio messages can be truncated", "message")
        await talk.send(TRUNCATE, item_id="nobody", content_index=0, audio_end_ms=10)
        await talk.error("item_truncate_invalid_item_id")


@scenario("a written item is retrieved and deleted", "CONTRACT 9.2")
async def deleted(wire: Wire) -> None:
    async with wire.session() as talk:
        await add(talk, "one")
        await add(talk, "two")
        await talk.send(RETRIEVE, item_id="two")
        shown = (await talk.one("conversation.item.retrieved"))["item"]
        expect_same(shown["content"], user_text("two")["content"], "the content")
        await talk.send(DELETE, item_id="two")
        expect_same((await talk.one("conversation.item.deleted"))["item_id"], "two", "item_id")
        expect_same((await add(talk, "three"))["previous_item_id"], "one", "place after the gap")
        await talk.send(DELETE, item_id="two", event_id="again")
        await talk.error("item_delete_invalid_item_id", event_id="again")
        await talk.send(RETRIEVE, item_id="two")
        await talk.error("item_retrieve_invalid_item_id")
