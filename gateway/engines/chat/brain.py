"""A chat model as a brain: streamed words, function calls, usage.

An answer is asked for as soon as it is prepared and told once it is wanted, so
that a speculation that is abandoned costs tokens and nothing else: its connection
is closed, which ends the model's work. Every wait on the endpoint has a limit, and
so has what it may send; whatever it does wrong fails this answer only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import openai
import structlog

from gateway.engines.chat.answer import Answer
from gateway.engines.chat.bounded import bounded
from gateway.engines.chat.faults import BROKE_OFF, AnswerTooLongError, fault_of
from gateway.engines.chat.messages import chat_functions, chat_messages
from realtime.engine import (
    BrainCallArguments,
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainSpent,
    BrainText,
    EngineFault,
    SessionFacts,
    Volunteered,
)
from realtime.ports import IdSource

RETRIES = 2
"""Of the SDK, before the first word: 429 by `retry-after`, 5xx, refused connections."""

CLOSE_TIMEOUT_S = 2.0

REPORTS_AT_A_TIME = 32
"""Of one chunk; others have their turn in between."""

MOST_ANSWER_BYTES = 8 * 1024 * 1024
"""Of one HTTP answer; the longest of today's models, token by token, take half of it."""

_log = structlog.get_logger("chat")
Sink = Callable[[BrainReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEndpoint:
    """Where the model is and how it is asked."""

    base_url: str
    model: str
    api_key: str = "none"
    first_token_s: float = 20.0
    """Longest wait for the first chunk, retries included."""
    next_token_s: float = 10.0
    """Longest wait between chunks."""
    answer_s: float = 300.0
    """Longest answer."""
    limit_field: str = "max_tokens"
    """What the endpoint calls the most tokens of an answer."""
    asks_usage: bool = True
    """`stream_options` is sent; a few servers refuse it."""
    names_one: bool = False
    """One function can be named as the call to make; llama.cpp passes over such a choice."""
    key_header: str = "authorization"
    """Where the key stands: there as a bearer, or alone in `api-key`, as Azure has it."""
    query: tuple[tuple[str, str], ...] = ()
    """What stands behind each path, such as Azure's `api-version`."""
    clauses: bool = True
    """What makes a clause may be spoken at once; else an answer is spoken when it is whole."""
    speculations: int = 0
    """Answers that may be asked for, for one turn, before it is certain that it has ended."""


class ChatRun:
    """One answer."""

    def __init__(self, session: ChatSession, request: BrainRequest, sink: Sink) -> None:
        self._session = session
        self._request = request
        self._sink = sink
        self._wanted = False
        self._over = False
        self._held: list[BrainReport] = []
        self._task = session.brain.start(self._ask())

    def commit(self) -> None:
        """Tell what is known, and whatever comes; what failed while nobody asked is tried again."""
        self._wanted = True
        if self._held and isinstance(self._held[-1], BrainFailed):
            self._held.clear()
            self._task = self._session.asks(self, self._ask())
        asyncio.get_running_loop().call_soon(self._tell_held)

    def spent(self) -> BrainSpent:
        """Return what was told by nobody yet and cost something all the same."""
        end = self._held[-1] if self._held else None
        text = "".join(
            report.text if isinstance(report, BrainText) else report.delta
            for report in self._held
            if isinstance(report, BrainText | BrainCallArguments)
        )
        usage = end.usage if isinstance(end, BrainFinished) else None
        return BrainSpent(usage, text, end.fault if isinstance(end, BrainFailed) else None)

    def cancel(self) -> None:
        """Ask no more."""
        self._over = True
        self._task.cancel()
        self._session.done(self)  # a task that never ran says nothing

    def _tell_held(self) -> None:
        held, self._held = self._held, []
        for report in held:
            if not self._over:
                self._sink(report)

    def _report(self, report: BrainReport) -> None:
        if self._over:
            return
        if self._wanted and not self._held:
            self._sink(report)
        else:
            self._held.append(report)
            if self._wanted:
                asyncio.get_running_loop().call_soon(self._tell_held)

    async def _ask(self) -> None:
        answer = Answer(
            self._request.response_id,
            frozenset(tool.name for tool in self._request.tools),
            self._session.brain.ids,
            clauses=self._session.brain.endpoint.clauses,
            parallel=self._request.parallel_calls,
        )
        try:
            async with asyncio.timeout(self._session.brain.endpoint.answer_s):
                await self._read(answer)
        except Exception as error:  # noqa: BLE001 -- whatever an endpoint does fails its answer
            _log.warning("chat_failed", error=type(error).__name__, model=self._model)
            broke_off = answer.begun and not isinstance(error, AnswerTooLongError)
            self._fail(BROKE_OFF if broke_off else fault_of(error))
        finally:
            self._session.done(self)

    @property
    def _model(self) -> str:
        return self._session.brain.endpoint.model

    def _fail(self, fault: EngineFault) -> None:
        self._report(BrainFailed(self._request.response_id, fault))

    async def _read(self, answer: Answer) -> None:
        endpoint, client = self._session.brain.endpoint, self._session.brain.client
        async with asyncio.timeout(endpoint.first_token_s) as limit:
            stream = await client.chat.completions.create(**self._arguments(endpoint))
            async with stream:
                async for chunk in stream:
                    for count, report in enumerate(answer.take(chunk), 1):
                        self._report(report)
                        if count % REPORTS_AT_A_TIME == 0:
                            await asyncio.sleep(0)
                    if answer.ended:
                        return
                    limit.reschedule(asyncio.get_running_loop().time() + endpoint.next_token_s)
        if not answer.finished:
            self._fail(BROKE_OFF)
            return
        for report in answer.finish():
            self._report(report)

    def _arguments(self, endpoint: ChatEndpoint) -> dict[str, Any]:
        request = self._request
        arguments: dict[str, Any] = {
            "model": endpoint.model,
            "messages": chat_messages(request),
            "stream": True,
            "extra_headers": self._session.brain.headers,
        }
        if endpoint.asks_usage:
            arguments["stream_options"] = {"include_usage": True}
        if request.max_output_tokens is not None:
            arguments[endpoint.limit_field] = request.max_output_tokens
        return arguments | chat_functions(request, names_one=endpoint.names_one)


class ChatSession:
    """One session's answers; the conversation itself comes with each request."""

    def __init__(self, brain: ChatBrain) -> None:
        self.brain = brain
        self._runs: set[ChatRun] = set()

    def prepare(self, request: BrainRequest, sink: Sink) -> ChatRun:
        """Begin an answer."""
        run = ChatRun(self, request, sink)
        self._runs.add(run)
        return run

    def asks(self, run: ChatRun, asking: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A run asks once more."""
        self._runs.add(run)
        return self.brain.start(asking)

    def done(self, run: ChatRun) -> None:
        """A run asks no more."""
        self._runs.discard(run)

    def playback(self, *, playing: bool) -> None:
        """Of no interest."""

    def close(self) -> None:
        """Ask no more."""
        for run in tuple(self._runs):
            run.cancel()


def _key_headers(endpoint: ChatEndpoint) -> dict[str, Any]:
    if endpoint.key_header == "authorization":
        return {}
    return {endpoint.key_header: endpoint.api_key, "Authorization": openai.Omit()}


class ChatBrain:
    """`realtime.ports.Brain` by a chat-completions endpoint."""

    def __init__(self, endpoint: ChatEndpoint, *, ids: IdSource) -> None:
        self.endpoint = endpoint
        self.speculations = endpoint.speculations
        self.ids = ids
        self.headers = _key_headers(endpoint)
        """Of each request; the SDK leaves its own key out only there."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            max_retries=RETRIES,
            timeout=endpoint.first_token_s,
            default_query=dict(endpoint.query),
            http_client=openai.DefaultAsyncHttpxClient(
                event_hooks={"response": [bounded(MOST_ANSWER_BYTES)]}
            ),
        )

    def open(
        self, _facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> ChatSession:
        """Serve a session; a chat model says nothing unasked."""
        del volunteer
        return ChatSession(self)

    async def probe(self) -> dict[str, Any]:
        """Ask the endpoint for its models; raise what that raises."""
        try:
            async with asyncio.timeout(self.endpoint.next_token_s):
                found = await self.client.models.list(extra_headers=self.headers)
        except openai.NotFoundError:
            if not self.endpoint.query:
                raise
            return {"model": self.endpoint.model}  # an Azure deployment has no such list
        return {"model": self.endpoint.model, "models": len(found.data)}

    def start(self, asking: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what asks for an answer; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(asking, name="chat")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End what is asked, and close connections that wait for the next answer."""
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await self.client.close()
