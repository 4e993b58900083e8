"""LiveKit's OpenAI realtime plugin, unmodified (VOICEENGINE_URL, _KEY, _MODEL, _CONTROL).

Runs in an environment of its own (`requirements/conformance-livekit.lock`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession, APIConnectOptions, function_tool, llm
from livekit.agents.voice import io
from livekit.plugins.openai import realtime
from openai.types.realtime.realtime_audio_input_turn_detection import SemanticVad, ServerVad

from conformance.sdk import conversation as about

RETRIES = APIConnectOptions(max_retry=3, retry_interval=0.2, timeout=10.0)
EVENTS = (
    "generation_created", "input_speech_started", "input_speech_stopped",
    "input_audio_transcription_completed", "session_reconnected", "error",
    "openai_server_event_received",
)  # fmt: skip
called: list[str] = []


MISUNDERSTOOD = (
    "failed to handle event", "failed to insert item", "failed to delete item",
    "placed a chat history item", "rejected part of a chat context", "Text response received",
)  # fmt: skip
"""What the plugin only writes into its log when a server is not what it expects."""


@pytest.fixture(autouse=True)
def _understood(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    told = [record.getMessage() for record in caplog.get_records("call")]
    assert [text for text in told if any(part in text for part in MISUNDERSTOOD)] == []


@function_tool
async def forecast(city: str) -> str:
    """Tell the weather of a city."""
    called.append(city)
    return about.WEATHER


@function_tool
async def count() -> str:
    """Count for long."""
    called.append("count")
    return about.LONG


class Talk:
    """A session of the plugin, and what it emitted."""

    def __init__(self, session: realtime.RealtimeSession) -> None:
        self.session = session
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for name in EVENTS:
            session.on(name, lambda event, name=name: self._events.put_nowait((name, event)))

    async def until(self, wanted: str, *, allow_error: bool = False) -> Any:
        """Return the next event of a name (`server TYPE` as it came); an error before it fails."""
        async with asyncio.timeout(about.TIMEOUT_S):
            while True:
                name, event = await self._events.get()
                if name == "openai_server_event_received":
                    name = f"server {event['type']}"
                assert allow_error or name != "error", event.error
                if name == wanted:
                    return event

    async def speak(self, audio: bytes | None = None, *, pace_s: float = 0.0) -> None:
        for piece in about.pieces(about.question() if audio is None else audio):
            frame = rtc.AudioFrame(piece, about.SAMPLE_RATE, 1, len(piece) // 2)
            self.session.push_audio(frame)
            await asyncio.sleep(pace_s)

    async def say(self, text: str) -> None:
        context = self.session.chat_ctx.copy()
        context.add_message(role="user", content=text)
        await self.session.update_chat_ctx(context)


async def collected(generation: llm.GenerationCreatedEvent) -> tuple[str, int, list[Any]]:
    """Return the words, the samples and the calls of a generation."""
    text, samples = "", 0
    async with asyncio.timeout(about.TIMEOUT_S):
        async for message in generation.message_stream:
            text += "".join([piece async for piece in message.text_stream])
            async for frame in message.audio_stream:
                samples += frame.samples_per_channel
        calls = [call async for call in generation.function_stream]
    return about.words(text), samples, calls


@asynccontextmanager
async def talk(*, key: str = about.KEY, **options: Any) -> AsyncIterator[Talk]:
    async with aiohttp.ClientSession() as http:
        model = realtime.RealtimeModel(
            base_url=about.URL, api_key=key, model=about.MODEL, http_session=http,
            conn_options=RETRIES, **options,
        )  # fmt: skip
        session = model.session()
        try:
            yield Talk(session)
        finally:
            await session.aclose()
            await model.aclose()


async def test_written_question_gets_a_spoken_answer() -> None:
    """A chat context goes up, acknowledged item by item; the reply is matched by its metadata."""
    async with talk() as here:
        await here.session.update_instructions("Be brief.")
        await here.say("what time is it")
        generation = await here.session.generate_reply()
        assert generation.user_initiated
        text, samples, _ = await collected(generation)
    assert text
    assert samples > 4_800


async def test_spoken_question_is_heard_and_answered() -> None:
    """The plugin's own turn detection and transcription."""
    async with talk() as here:
        await here.speak()
        await here.until("input_speech_started")
        await here.until("input_speech_stopped")
        generation = await here.until("generation_created")
        text, samples, _ = await collected(generation)
        shown = [item.text_content for item in here.session.chat_ctx.messages()]
    assert text
    assert samples > 4_800
    assert shown


async def test_spoken_question_is_transcribed() -> None:
    """The transcript is final once."""
    async with talk(turn_detection=SemanticVad(type="semantic_vad", eagerness="high")) as here:
        await here.speak()
        while not (heard := await here.until("input_audio_transcription_completed")).is_final:
            pass
    assert about.words(heard.transcript) == about.QUESTION_WORDS


async def test_push_to_talk_waits_for_the_application() -> None:
    """Without turn detection, a commit and a reply by hand."""
    async with talk(turn_detection=None) as here:
        await here.speak(about.question(silence_ms=0))
        here.session.clear_audio()
        await here.speak(about.question(silence_ms=0))
        here.session.commit_audio()
        await here.until("server input_audio_buffer.committed")
        text, _, _ = await collected(await here.session.generate_reply())
    assert text


async def test_tool_is_called_and_its_output_spoken() -> None:
    """Call, output and answer, with the tools of one reply."""
    async with talk() as here:
        await here.session.update_tools([forecast])
        await here.say("weather in Bern")
        _, _, (call,) = await collected(await here.session.generate_reply(tool_choice="required"))
        context = here.session.chat_ctx.copy()
        context.items.append(
            llm.FunctionCallOutput(
                call_id=call.call_id, name=call.name, output=about.WEATHER, is_error=False
            )
        )
        await here.session.update_chat_ctx(context)
        text, _, _ = await collected(await here.session.generate_reply())
    assert call.name == "forecast"
    assert "sunny" in text


class Microphone(io.AudioInput):
    """Silence at the pace of a microphone, and the question when it is asked."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._pieces: list[bytes] = []

    def ask(self) -> None:
        self._pieces = about.pieces(about.question(silence_ms=0))

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(about.PIECE_MS / 1_000)
        piece = self._pieces.pop(0) if self._pieces else bytes(about.PIECE_BYTES)
        return rtc.AudioFrame(piece, about.SAMPLE_RATE, 1, len(piece) // 2)


class Speaker(io.AudioOutput):
    """Plays in real time, as far as the framework can tell."""

    def __init__(self) -> None:
        capabilities = io.AudioOutputCapabilities(pause=False)
        super().__init__(label="speaker", capabilities=capabilities, sample_rate=about.SAMPLE_RATE)
        self._taken_s = self._began_s = 0.0
        self._ending: asyncio.TimerHandle | None = None
        self.started = asyncio.Event()
        self.interrupted_s: list[float] = []

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._taken_s:
            self._began_s = time.monotonic()
            self.on_playback_started(created_at=time.time())
            self.started.set()
        self._taken_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._taken_s:
            left_s = max(self._taken_s - (time.monotonic() - self._began_s), 0.0)
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(left_s, self._end, self._taken_s, False)

    def clear_buffer(self) -> None:
        if self._taken_s:
            played_s = min(time.monotonic() - self._began_s, self._taken_s)
            self.interrupted_s.append(played_s)
            self._end(played_s, True)

    def _end(self, played_s: float, interrupted: bool) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._taken_s, self._ending = 0.0, None
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)


async def test_agent_session_is_spoken_to_and_interrupted() -> None:
    """Microphone, plugin, tool, speaker: the framework stops playing, truncates, answers again."""
    called.clear()
    microphone, speaker = Microphone(), Speaker()
    async with aiohttp.ClientSession() as http:
        model = realtime.RealtimeModel(
            base_url=about.URL, api_key=about.KEY, model=about.MODEL, http_session=http,
            tool_choice="required",
        )  # fmt: skip
        # No loudspeaker is heard by this microphone, so no time for echo cancelling to settle.
        talking = AgentSession(llm=model, aec_warmup_duration=None)
        async with talking as session, asyncio.timeout(about.TIMEOUT_S):
            session.input.audio, session.output.audio = microphone, speaker
            await session.start(Agent(instructions="Be brief.", tools=[count]), record=False)
            microphone.ask()
            await speaker.started.wait()
            speaker.started.clear()
            microphone.ask()
            await speaker.started.wait()
    assert len(called) == 2
    assert len(speaker.interrupted_s) >= 1
    cut = [item for item in session.history.messages() if item.interrupted]
    assert [item.role for item in cut][:1] == ["assistant"]


async def test_agent_session_runs_the_tool_by_itself() -> None:
    """LiveKit's agent over the plugin, from the question to the spoken output."""
    called.clear()
    async with aiohttp.ClientSession() as http:
        model = realtime.RealtimeModel(
            base_url=about.URL, api_key=about.KEY, model=about.MODEL, http_session=http,
            tool_choice="required", modalities=["text"],
        )  # fmt: skip
        async with AgentSession(llm=model) as session:
            await session.start(Agent(instructions="Be brief.", tools=[forecast]), record=False)
            async with asyncio.timeout(about.TIMEOUT_S):
                result = await session.run(user_input="weather in Bern")
            result.expect.next_event().is_function_call(name="forecast")
            result.expect.next_event().is_function_call_output(output=about.WEATHER)
            said = result.expect.next_event().is_message(role="assistant").event().item.text_content
    assert len(called) == 1
    assert "sunny" in about.words(said or "")


async def long_answer(here: Talk) -> llm.MessageGeneration:
    """Return a message that is being spoken, and lasts."""
    await here.say(f"Read aloud, word by word: {about.LONG}")
    context = here.session.chat_ctx.copy()
    call = llm.FunctionCall(call_id="call_much", name="count", arguments="{}")
    output = llm.FunctionCallOutput(
        call_id="call_much", name="count", output=about.LONG, is_error=False
    )
    context.items.extend([call, output])
    await here.session.update_chat_ctx(context)
    generation = await here.session.generate_reply()
    message = await anext(aiter(generation.message_stream))
    heard, audio = 0, aiter(message.audio_stream)
    while heard < about.BEGUN_BYTES:
        heard += len((await anext(audio)).data) * 2
    return message


async def test_speech_interrupts_the_answer() -> None:
    """The server cancels, the plugin truncates what was not heard, the next turn is answered."""
    detection = ServerVad(type="server_vad", interrupt_response=True, create_response=True)
    async with talk(turn_detection=detection) as here:
        message = await long_answer(here)
        # At the pace of a microphone: else the question is over, and being answered, when the
        # plugin's own cancel comes.
        speaking = asyncio.create_task(here.speak(pace_s=about.PIECE_MS / 1_000))
        await here.until("input_speech_started")
        here.session.interrupt()
        here.session.truncate(message_id=message.message_id, modalities=["audio"], audio_end_ms=200)
        await here.until("server conversation.item.truncated")
        text, _, _ = await collected(await here.until("generation_created"))
        await speaking
    assert text


async def test_application_interrupts_the_answer() -> None:
    """`interrupt` cancels; one too many does no harm."""
    async with talk() as here:
        message = await long_answer(here)
        here.session.interrupt()
        here.session.interrupt()
        done = await here.until("server response.done")
        assert done["response"]["status"] == "cancelled"
        here.session.truncate(message_id=message.message_id, modalities=["audio"], audio_end_ms=0)
        await here.until("server conversation.item.deleted")


async def test_settings_change_within_the_session() -> None:
    """Options and instructions in updates of their own; the rest stays."""
    async with talk() as here:
        await here.until("server session.updated")
        here.session.update_options(
            tool_choice="none",
            max_response_output_tokens=400,
            speed=1.25,
            turn_detection=None,
            input_audio_noise_reduction="far_field",
            truncation="disabled",
        )
        session = (await here.until("server session.updated"))["session"]
        assert (session["tool_choice"], session["max_output_tokens"]) == ("none", 400)
        assert session["audio"]["input"]["turn_detection"] is None
        assert session["audio"]["input"]["noise_reduction"]["type"] == "far_field"
        await here.session.update_instructions("Be formal.")
        session = (await here.until("server session.updated"))["session"]
        assert (session["instructions"], session["max_output_tokens"]) == ("Be formal.", 400)


async def test_chat_context_is_edited_on_the_server() -> None:
    """Items are put first, changed and removed by their ids."""
    async with talk() as here:
        await here.say("first")
        await here.say("second")
        context = here.session.chat_ctx.copy()
        context.items.insert(0, llm.ChatMessage(role="system", content=["before all"]))
        context.items[1].content = ["changed"]
        del context.items[2]
        await here.session.update_chat_ctx(context)
        shown = [item.text_content for item in here.session.chat_ctx.messages()]
    assert shown == ["before all", "changed"]


async def test_dropped_socket_is_connected_again_with_its_history() -> None:
    """The plugin reconnects by itself and replays settings, tools and items."""
    async with talk() as here:
        await here.session.update_tools([forecast])
        await here.say("what time is it")
        await collected(await here.session.generate_reply())
        about.drop_sockets()
        await here.until("session_reconnected", allow_error=True)
        text, _, _ = await collected(await here.session.generate_reply())
    assert text


async def test_wrong_key_is_fatal_and_told() -> None:
    """The plugin does not try again where the error's code says that it is of no use."""
    async with aiohttp.ClientSession() as http:
        model = realtime.RealtimeModel(
            base_url=about.URL, api_key=about.WRONG_KEY, model=about.MODEL, http_session=http
        )
        here = Talk(model.session())
        error = await here.until("error", allow_error=True)
        with pytest.raises(Exception, match="returned an error"):
            await here.session.aclose()
    assert not error.recoverable
    assert error.error.body.code == "invalid_api_key"
