"""`session.update`: merge and refusal (CONTRACT 6)."""

from __future__ import annotations

from typing import Any

from conformance.wire.answers import QUESTION, TOOL
from conformance.wire.endpoint import Event, NotRun, Talk, Wire
from conformance.wire.scenario import expect, expect_same, scenario


async def update(talk: Talk, **session: Any) -> Event:
    """Update the session; return it as told."""
    await talk.send("session.update", session={"type": "realtime", **session})
    told: Event = (await talk.one("session.updated"))["session"]
    return told


@scenario("an update changes what it names, and nothing else", "CONTRACT 6.2")
async def merged(wire: Wire) -> None:
    async with wire.session() as talk:
        before = wire.frames[0].event["session"]
        detection = {"type": "server_vad", "silence_duration_ms": 700}
        transcription = {"model": "gpt-4o-transcribe"}
        given = {"turn_detection": detection, "transcription": transcription}
        after = await update(talk, instructions="Be brief.", tools=[TOOL], audio={"input": given})
        expect_same(after["instructions"], "Be brief.", "instructions")
        expect_same(after["tools"], [TOOL], "tools")
        heard = after["audio"]["input"]
        expect_same(heard["turn_detection"]["silence_duration_ms"], 700, "silence_duration_ms")
        echoed = {"model": "gpt-4o-transcribe", "language": None, "prompt": None}
        expect_same(heard["transcription"], echoed, "transcription")
        expect_same(after["audio"]["output"], before["audio"]["output"], "audio.output")
        cleared = {"turn_detection": None, "transcription": None}
        last = await update(talk, instructions="", tools=[], audio={"input": cleared})
        expect_same(last["instructions"], "", "cleared instructions")
        expect_same(last["tools"], [], "cleared tools")
        expect_same(last["audio"]["input"]["turn_detection"], None, "cleared turn_detection")


@scenario("a refused update changes nothing", "CONTRACT 6.4")
async def refused(wire: Wire) -> None:
    async with wire.session() as talk:
        before = wire.frames[0].event["session"]
        session = {"type": "realtime", "instructions": "changed", "bogus": 1}
        await talk.send("session.update", session=session, event_id="bad")
        await talk.error("unknown_parameter", param="session.bogus", event_id="bad")
        expect_same(await talk.settled(), [], "what else is sent")
        after = await update(talk)
        expect_same(after["instructions"], before["instructions"], "instructions")


@scenario("faults of an update name the parameter", "CONTRACT 16")
async def named(wire: Wire) -> None:
    low = {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}
    cases: list[tuple[Event, str, str]] = [
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "session"}, "invalid_value", "session.type"),
        ({"type": "realtime", "tools": 5}, "invalid_type", "session.tools"),
        (
            {"type": "realtime", "audio": low},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
    ]
    async with wire.session() as talk:
        for session, code, param in cases:
            await talk.send("session.update", session=session)
            await talk.error(code, param=param)


@scenario("another model is ignored, another voice after audio refused", "CONTRACT 6.6")
async def immutable(wire: Wire) -> None:
    async with wire.session() as talk:
        before = wire.frames[0].event["session"]
        after = await update(talk, model="gpt-other", instructions="Be brief.")
        expect_same(after["model"], before["model"], "model")
        expect_same(after["instructions"], "Be brief.", "instructions")
        await talk.say(QUESTION)
        await talk.answer()
        await talk.until("rate_limits.updated")
        kept = before["audio"]["output"]["voice"]
        await update(talk, audio={"output": {"voice": kept}})
        other = "verse" if kept != "verse" else "ash"
        session = {"type": "realtime", "audio": {"output": {"voice": other}}}
        await talk.send("session.update", session=session)
        await talk.error("cannot_update_voice", param=None)


@scenario("semantic_vad is echoed with its eagerness", "CONTRACT 5")
async def by_meaning(wire: Wire) -> None:
    async with wire.session() as talk:
        told = await update(talk, audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
        detection: Event = {"type": "semantic_vad", "eagerness": "auto"}
        detection |= {"create_response": True, "interrupt_response": True}
        expect_same(told["audio"]["input"]["turn_detection"], detection, "turn_detection")
        given: Event = {"type": "semantic_vad", "eagerness": "high", "interrupt_response": False}
        told = await update(talk, audio={"input": {"turn_detection": given}})
        shown = told["audio"]["input"]["turn_detection"]
        expect_same(shown, {**detection, **given}, "turn_detection")
        given = {"type": "semantic_vad", "idle_timeout_ms": 6_000}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": given}}}
        await talk.send("session.update", session=session)
        await talk.error(
            "unknown_parameter", param="session.audio.input.turn_detection.idle_timeout_ms"
        )


@scenario("what is kept for later is echoed as it was sent", "CONTRACT 5, 11")
async def echoed(wire: Wire) -> None:
    limits = {"post_instructions": 8_000}
    ratio = {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": limits}
    include = ["item.input_audio_transcription.logprobs"]
    async with wire.session() as talk:
        for name, value in (
            ("truncation", ratio),
            ("truncation", "disabled"),
            ("truncation", "auto"),
            ("include", include),
            ("include", None),
            ("max_output_tokens", 4_096),
            ("tracing", "auto"),
        ):
            expect_same((await update(talk, **{name: value}))[name], value, name)
        for reduction in ({"type": "near_field"}, {"type": "far_field"}, None):
            told = await update(talk, audio={"input": {"noise_reduction": reduction}})
            shown = told["audio"]["input"]["noise_reduction"]
            kind = None if shown is None else shown["type"]
            expect_same(kind, reduction and reduction["type"], "noise_reduction.type")


@scenario("options of reasoning models are refused on others", "CONTRACT 16")
async def reasoning(wire: Wire) -> None:
    async with wire.session() as talk:
        if "reasoning" in wire.frames[0].event["session"]:
            raise NotRun("the model reasons")
        session = {"type": "realtime", "reasoning": {"effort": "low"}}
        await talk.send("session.update", session=session)
        message = (await talk.one("error"))["error"]["message"]
        expect("session.reasoning" in message, f"the message is {message!r}")
