"""Pipecat's OpenAI realtime service, unmodified (VOICEENGINE_URL, _KEY, _MODEL, _CONTROL).

Runs in an environment of its own (`requirements/conformance-pipecat.lock`). A
pipeline as an application builds it, without a transport: frames go in at its
start, and what the service says is watched on both sides of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pipecat.adapters.schemas.function_schema import FunctionSchema
from pipecat.adapters.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

from conformance.sdk import conversation as about

FORECAST = FunctionSchema(
    name="forecast",
    description="Tell the weather of a city.",
    properties={"city": {"type": "string"}},
    required=["city"],
)


class Watch(FrameProcessor):
    """Passes every frame on, and keeps what goes one way."""

    def __init__(self, seen: asyncio.Queue[Frame], way: FrameDirection) -> None:
        super().__init__()
        self._seen = seen
        self._way = way

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction == self._way:
            self._seen.put_nowait(frame)
        await self.push_frame(frame, direction)


class Talk:
    """A running pipeline."""

    def __init__(
        self, worker: PipelineWorker, llm: OpenAIRealtimeLLMService, context: LLMContext,
        seen: asyncio.Queue[Frame],
    ) -> None:  # fmt: skip
        self.worker, self.llm, self.context = worker, llm, context
        self._seen = seen

    async def until(
        self, kind: type[Frame], found: Callable[[Any], bool] = lambda _: True
    ) -> list[Any]:
        """Return the frames up to and with the first of a kind; an error before it fails."""
        frames: list[Any] = []
        async with asyncio.timeout(about.TIMEOUT_S):
            while not frames or not isinstance(frames[-1], kind) or not found(frames[-1]):
                frames.append(await self._seen.get())
                failed = isinstance(frames[-1], ErrorFrame) and kind is not ErrorFrame
                assert not failed, frames[-1]
        return frames

    async def spoken(self) -> str:
        """Return what is said until the service is done with a response that speaks.

        A transport would play it and say when that has ended.
        """
        frames = await self.until(TTSStoppedFrame)
        await self.llm.queue_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)
        return about.words("".join(f.text for f in frames if isinstance(f, LLMTextFrame)))

    async def speak(self, *, pace_s: float = 0.0) -> None:
        for piece in about.pieces(about.question()):
            await self.worker.queue_frame(InputAudioRawFrame(piece, about.SAMPLE_RATE, 1))
            await asyncio.sleep(pace_s)

    async def ask(self, text: str) -> None:
        message = {"role": "user", "content": text}
        await self.llm.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))


@asynccontextmanager
async def talk(
    *messages: Any, key: str = about.KEY, tool_output: str = "", run: bool = True, **properties: Any
) -> AsyncIterator[Talk]:
    llm = OpenAIRealtimeLLMService(
        api_key=key,
        base_url=about.SOCKET_URL,
        settings=OpenAIRealtimeLLMService.Settings(
            model=about.MODEL,
            system_instruction="Be brief.",
            session_properties=events.SessionProperties(**properties),
        ),
    )

    async def forecast(params: FunctionCallParams) -> None:
        await params.result_callback({"weather": tool_output})

    llm.register_function("forecast", forecast)
    tools = ToolsSchema(standard_tools=[FORECAST]) if tool_output else None
    context = LLMContext(list(messages), **({"tools": tools} if tools else {}))
    pair = LLMContextAggregatorPair(context)
    seen: asyncio.Queue[Frame] = asyncio.Queue()
    front, back = Watch(seen, FrameDirection.UPSTREAM), Watch(seen, FrameDirection.DOWNSTREAM)
    pipeline = Pipeline([pair.user(), front, llm, back, pair.assistant()])
    worker = PipelineWorker(pipeline, cancel_on_idle_timeout=False, enable_rtvi=False)
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def _on_started(_worker: Any, _frame: Any) -> None:
        started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(about.TIMEOUT_S):
        await started.wait()
    if run:
        await worker.queue_frame(LLMRunFrame())
    try:
        yield Talk(worker, llm, context, seen)
    finally:
        await worker.queue_frame(EndFrame())
        async with asyncio.timeout(about.TIMEOUT_S):
            await running


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


async def test_context_is_sent_and_answered_in_speech() -> None:
    """The application's messages become items; audio comes as frames."""
    async with talk(user("what time is it")) as here:
        frames = await here.until(TTSStoppedFrame)
    assert sum(len(f.audio) for f in frames if isinstance(f, TTSAudioRawFrame)) > 4_800
    assert [f for f in frames if isinstance(f, LLMTextFrame)]


async def test_context_is_answered_in_writing() -> None:
    """The text modality: words, no audio."""
    async with talk(user("what time is it"), output_modalities=["text"]) as here:
        await here.until(LLMTextFrame)
        frames = await here.until(LLMFullResponseEndFrame)
    assert not [f for f in frames if isinstance(f, TTSAudioRawFrame)]


async def test_spoken_question_is_heard_and_answered() -> None:
    """Server turn detection drives the user's turn; the transcript goes upstream."""
    heard = events.AudioConfiguration(
        input=events.AudioInput(
            transcription=events.InputAudioTranscription(model="gpt-4o-mini-transcribe"),
            turn_detection=events.SemanticTurnDetection(eagerness="high"),
        )
    )
    async with talk(user("hello"), audio=heard) as here:
        await here.spoken()
        await here.speak()
        frames = await here.until(TTSStoppedFrame)
        if not any(isinstance(f, TranscriptionFrame) for f in frames):
            frames += await here.until(TranscriptionFrame)
    texts = [about.words(f.text) for f in frames if isinstance(f, TranscriptionFrame)]
    assert texts == [about.QUESTION_WORDS]
    assert [f for f in frames if isinstance(f, UserStartedSpeakingFrame)]


async def test_function_is_run_and_its_result_spoken() -> None:
    """Pipecat runs the handler and asks for the answer by itself."""
    async with talk(
        user("weather in Bern"), tool_output=about.WEATHER, tool_choice="required"
    ) as here:
        frames = await here.until(FunctionCallResultFrame)
        said = await here.spoken()
    assert frames[-1].function_name == "forecast"
    assert "sunny" in said


async def test_speech_interrupts_the_answer() -> None:
    """The pipeline is interrupted, the service truncates, the next turn is answered."""
    async with talk(user("read"), tool_output=about.LONG, tool_choice="required") as here:
        await here.until(TTSStartedFrame)
        await here.until(TTSAudioRawFrame)
        await here.speak(pace_s=about.PIECE_MS / 1_000)
        await here.until(InterruptionFrame)
        await here.until(FunctionCallResultFrame)
        await here.until(TTSStartedFrame)


async def test_local_turns_clear_commit_and_cancel() -> None:
    """With turn detection off, the application's own turns drive the buffer."""
    local = events.AudioConfiguration(input=events.AudioInput(turn_detection=False))
    async with talk(
        user("read"), tool_output=about.LONG, tool_choice="required", audio=local
    ) as here:
        await here.until(TTSAudioRawFrame)
        await here.speak()
        await here.worker.queue_frame(InterruptionFrame())
        await here.until(InterruptionFrame)
        await here.until(LLMFullResponseEndFrame)


async def test_settings_change_within_the_session() -> None:
    """New properties go up as one update; the next answer is by them."""
    async with talk(user("what time is it")) as here:
        await here.spoken()
        properties = events.SessionProperties(
            output_modalities=["text"], max_output_tokens=400, instructions="Be formal."
        )
        delta = OpenAIRealtimeLLMService.Settings(session_properties=properties)
        await here.worker.queue_frame(LLMUpdateSettingsFrame(delta=delta))
        await here.ask("what time is it")
        await here.until(LLMTextFrame)
        frames = await here.until(LLMFullResponseEndFrame)
    assert not [f for f in frames if isinstance(f, TTSAudioRawFrame)]


async def test_item_is_retrieved_and_an_unknown_one_is_told() -> None:
    """By id; the error of an unknown one finds its request."""
    shown: list[str] = []
    async with talk(user("what time is it")) as here:
        here.llm.add_event_handler(
            "on_conversation_item_created", lambda _llm, item_id, _item: shown.append(item_id)
        )
        await here.spoken()
        item = await asyncio.wait_for(here.llm.retrieve_conversation_item(shown[-1]), 10)
        assert item.id == shown[-1]
        with pytest.raises(Exception, match="does not exist"):
            await asyncio.wait_for(here.llm.retrieve_conversation_item("item_unknown"), 10)


async def test_reset_begins_another_conversation() -> None:
    """The service closes its socket and opens another; speech is answered there."""
    async with talk(user("what time is it")) as here:
        await here.spoken()
        await here.llm.reset_conversation()
        await here.speak()
        assert await here.spoken()


async def test_dropped_socket_is_left_by_a_reset() -> None:
    """After the cut, the application resets the conversation, and it goes on."""
    async with talk(user("what time is it")) as here:
        await here.spoken()
        about.drop_sockets()
        await here.llm.reset_conversation()
        await here.speak()
        assert await here.spoken()


async def test_wrong_key_is_told_as_an_error_frame() -> None:
    """Pipecat treats it as fatal."""
    async with talk(user("hello"), key=about.WRONG_KEY) as here:
        frames = await here.until(ErrorFrame)
    assert "invalid_api_key" in frames[-1].error
