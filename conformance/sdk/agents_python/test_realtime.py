"""The Agents SDK for Python, unmodified (VOICEENGINE_URL, _KEY, _MODEL, _CONTROL).

Runs in an environment of its own (`requirements/conformance-agents.lock`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession
from agents.realtime.model_inputs import RealtimeModelSendSessionUpdate

from conformance.sdk import conversation as about

set_tracing_disabled(True)  # the SDK's own traces go to another service
called: list[str] = []


@function_tool
def forecast(city: str) -> str:
    """Tell the weather of a city."""
    called.append(city)
    return about.WEATHER


@function_tool
def count() -> str:
    """Count for long."""
    return about.LONG


class Talk:
    """A session, and all that its iterator gave."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self._events = aiter(session)
        self.seen: list[Any] = []

    async def until(self, found: Callable[[Any], bool], *, allow_error: bool = False) -> list[Any]:
        """Return the events up to and with the first that fits; an `error` before it fails."""
        events: list[Any] = []
        async with asyncio.timeout(about.TIMEOUT_S):
            while not events or not found(events[-1]):
                events.append(await anext(self._events))
                assert allow_error or events[-1].type != "error", events[-1].error
        self.seen += events
        return events

    async def ended(self) -> list[Any]:
        return await self.until(lambda event: event.type == "agent_end")

    async def speak(self) -> None:
        for piece in about.pieces(about.question()):
            await self.session.send_audio(piece)

    def transcripts(self, role: str) -> list[str]:
        """Return what the history holds of somebody's words."""
        history = self.session._history  # noqa: SLF001 the SDK shows it in events only
        items = [item for item in history if getattr(item, "role", "") == role]
        texts = [getattr(part, "transcript", "") or "" for item in items for part in item.content]
        return [about.words(text) for text in texts]

    def said(self) -> str:
        """Return the agent's words."""
        return " ".join(self.transcripts("assistant"))


def raw(event: Any, kind: str) -> bool:
    """Say whether this is a server event of a type, as it came."""
    if event.type != "raw_model_event" or event.data.type != "raw_server_event":
        return False
    return bool(event.data.data["type"] == kind)


@asynccontextmanager
async def talk(
    *tools: Any, key: str = about.KEY, agent: RealtimeAgent[Any] | None = None, **settings: Any
) -> AsyncIterator[Talk]:
    guide = RealtimeAgent(name="guide", instructions="Be brief.", tools=list(tools))
    runner = RealtimeRunner(agent or guide)
    session = await runner.run(
        model_config={
            "url": f"{about.SOCKET_URL}?model={about.MODEL}",
            "api_key": key,
            "initial_model_settings": {"model_name": about.MODEL, **settings},
        }
    )
    async with session:
        yield Talk(session)


async def test_written_question_gets_a_spoken_answer() -> None:
    """Audio, a transcript in the history, and the agent's end."""
    async with talk() as here:
        await here.session.send_message("what time is it")
        events = await here.ended()
    assert [event for event in events if event.type == "audio"]
    assert here.said()


async def test_written_question_gets_a_written_answer() -> None:
    """Text deltas, and no audio."""
    async with talk(output_modalities=["text"]) as here:
        await here.session.send_message("what time is it")
        events = await here.ended()
    assert not [event for event in events if event.type == "audio"]
    assert [event for event in events if raw(event, "response.output_text.delta")]


async def test_spoken_question_is_heard_and_answered() -> None:
    """The SDK's own defaults: semantic VAD, transcription, retrieval of the item."""
    async with talk() as here:
        await here.speak()
        await here.ended()
        assert here.transcripts("user") == [about.QUESTION_WORDS]
        assert here.said()


async def test_tool_is_run_and_its_output_spoken() -> None:
    """Call, output and answer, from a spoken question."""
    called.clear()
    async with talk(forecast, tool_choice="required") as here:
        await here.speak()
        events = await here.ended()
        while not here.said():
            events += await here.ended()
    kinds = [event.type for event in events]
    assert kinds.index("tool_start") < kinds.index("tool_end")
    assert len(called) == 1
    assert "sunny" in here.said()


async def test_speech_interrupts_the_answer() -> None:
    """The SDK stops its playback and truncates the item; the next turn is answered."""
    detection = {"type": "server_vad", "interrupt_response": True}
    async with talk(count, tool_choice="required", turn_detection=detection) as here:
        await here.session.send_message("count")
        await here.until(lambda event: event.type == "audio")
        await here.speak()
        await here.until(lambda event: event.type == "audio_interrupted")
        await here.until(lambda event: raw(event, "conversation.item.truncated"))
        await here.until(lambda event: event.type == "tool_end")
        await here.until(lambda event: event.type == "audio")


async def test_application_interrupts_the_answer() -> None:
    """`interrupt()` cancels where the server does not do so by itself."""
    detection = {"type": "server_vad", "interrupt_response": False}
    async with talk(count, tool_choice="required", turn_detection=detection) as here:
        await here.session.send_message("count")
        await here.until(lambda event: event.type == "audio")
        await here.session.interrupt()
        await here.until(lambda event: event.type == "audio_interrupted")
        events = await here.until(lambda event: raw(event, "response.done"))
    assert events[-1].data.data["response"]["status"] == "cancelled"


async def test_settings_change_within_the_session() -> None:
    """Another agent takes over after an answer; the SDK sends all its defaults again."""
    async with talk() as here:
        await here.session.send_message("what time is it")
        await here.ended()
        await here.session.update_agent(RealtimeAgent(name="other", instructions="Be formal."))
        events = await here.until(lambda event: raw(event, "session.updated"))
        assert events[-1].data.data["session"]["instructions"] == "Be formal."
        settings = {"turn_detection": None, "input_audio_noise_reduction": {"type": "near_field"}}
        await here.session.model.send_event(
            RealtimeModelSendSessionUpdate(session_settings=settings)
        )
        events = await here.until(lambda event: raw(event, "session.updated"))
        heard = events[-1].data.data["session"]["audio"]["input"]
        assert (heard["turn_detection"], heard["noise_reduction"]["type"]) == (None, "near_field")
        for piece in about.pieces(about.question(silence_ms=0)):
            await here.session.send_audio(piece)
        await here.session.send_audio(bytes(4_800), commit=True)
        await here.until(lambda event: raw(event, "input_audio_buffer.committed"))


async def test_agent_hands_over_to_another() -> None:
    """The SDK's transfer is a tool; the other agent's instructions come as new settings."""
    # With a tool of its own: `required` without any would fail (CONTRACT 8.5).
    other = RealtimeAgent(name="other", instructions="Be formal.", tools=[forecast])
    agent = RealtimeAgent(name="guide", instructions="Be brief.", handoffs=[other])
    async with talk(agent=agent, tool_choice="required") as here:
        await here.session.send_message("let me speak to somebody else")
        await here.until(lambda event: event.type == "handoff")
        events = await here.until(
            lambda event: (
                raw(event, "session.updated")
                and event.data.data["session"]["instructions"] == "Be formal."
            )
        )
        tools = events[-1].data.data["session"]["tools"]
        assert [tool["name"] for tool in tools] == ["forecast"]
        await here.until(lambda event: event.type == "audio")


async def test_silence_is_answered_after_the_idle_timeout() -> None:
    """The SDK's own event for it, and an answer that nobody asked for."""
    detection = {"type": "server_vad", "idle_timeout_ms": 5_000}
    async with talk(turn_detection=detection) as here:
        await here.session.send_message("what time is it")
        await here.ended()
        await here.until(lambda event: event.type == "input_audio_timeout_triggered")
        await here.ended()


async def test_image_is_taken_into_the_conversation() -> None:
    """A message of text and an image."""
    content: Any = [
        {"type": "input_text", "text": "what time is it"},
        {"type": "input_image", "image_url": about.IMAGE},
    ]
    async with talk() as here:
        await here.session.send_message({"type": "message", "role": "user", "content": content})
        await here.ended()
        assert here.said()


async def test_dropped_socket_ends_the_session_and_another_goes_on() -> None:
    """The SDK raises; the application connects again."""
    async with talk() as here:
        await here.session.send_message("what time is it")
        await here.ended()
        about.drop_sockets()
        with pytest.raises(Exception, match="close frame"):
            await here.until(lambda event: False)
    async with talk() as again:
        await again.session.send_message("what time is it")
        await again.ended()
        assert again.said()


async def test_wrong_key_is_told_when_the_socket_closes() -> None:
    """The reason is in the SDK's exception, so that a person can read it."""
    with pytest.raises(Exception, match="invalid_api_key"):
        async with talk(key=about.WRONG_KEY) as here:
            await here.until(lambda event: False, allow_error=True)
